"""Rules about the load balancer: who serves its address, on which ports, and whom it sends clients to."""

import re
from collections.abc import Iterator

from settings import kube_proxy
from settings.draft import HARBOR, HOSTS, Draft
from settings.errors import Fault, fault, nearest
from settings.fields import seconds
from settings.schema import Cluster, HostSettings, Role

# What listens on a host of each role, whichever of its addresses it is: nginx listens on all of them.
PORTS: dict[Role, dict[int, str]] = {
    "master": {
        6443: "kube-apiserver",
        2379: "etcd's clients",
        2380: "etcd's peers",
        2381: "etcd's metrics",
        10250: "kubelet",
        10248: "kubelet's health",
        10257: "kube-controller-manager",
        10259: "kube-scheduler",
    },
    "worker": {
        10250: "kubelet",
        10248: "kubelet's health",
    },
    "lb": {},
    "hub": {},
}
NODES: frozenset[Role] = frozenset(("master", "worker"))
# What kube-proxy answers with, at addresses that users may set.
PROXY = {kube_proxy.METRICS: "kube-proxy's metrics", kube_proxy.HEALTH: "kube-proxy's health"}
FLANNEL_HEALTH_PORT = 8081
NODE_PORTS_FLAG = "service-node-port-range"
NODE_PORTS = "30000-32767"  # kube-apiserver's own default
SHORTEST_PROXY_TIMEOUT = "10m"
HOSTS_FOR_A_VIP = 2

_ADDRESS, _VIP = ("loadBalancer", "address"), ("loadBalancer", "vip", "address")
_PORT, _STATUS = ("loadBalancer", "port"), ("loadBalancer", "statusPort")
HARBOR_ADDRESS, _HARBOR_URL = (HARBOR, "address"), (HARBOR, "url")
_RANGE = re.compile(r"(?P<first>[0-9]{1,5})(-(?P<last>[0-9]{1,5})|\+(?P<more>[0-9]{1,5}))?")


def somebody_balances(draft: Draft) -> Iterator[Fault]:
    """Clients, workers and kube-proxy reach the API through a load balancer only."""
    if draft.hosts_complete and not draft.with_role("lb"):
        remedy = "give two hosts roles: [lb]; a master may be one of them"
        yield fault([HOSTS], "no load balancer", "no host has the role lb", remedy)


def vip_is_the_address(draft: Draft) -> Iterator[Fault]:
    """With a VIP, the address that clients use is the one that moves."""
    balancer = draft.load_balancer
    if balancer and balancer.vip and balancer.vip.address != balancer.address:
        what = f"is not loadBalancer.address {balancer.address}: clients would use an address that does not move"
        yield fault(_VIP, balancer.vip.address, what, "give both the same address, or leave vip out")


def addresses_are_no_strangers(draft: Draft) -> Iterator[Fault]:
    """An address that clients use does not belong to a host that balances nothing."""
    balancer, harbor = draft.load_balancer, draft.harbor
    fronts = {_ADDRESS: balancer.address if balancer and not balancer.vip else None}
    fronts[HARBOR_ADDRESS] = harbor.address if harbor else None
    for name, host in draft.hosts.items():
        for path, address in fronts.items():
            if host.address == address and "lb" not in host.roles:
                first = "" if "hub" in host.roles else f"give {name} the role lb, or "
                remedy = f"{first}use the address of a host that has it"
                yield fault(path, address, f"is the address of host {name}, which has no role lb", remedy)


def ports_are_free(draft: Draft) -> Iterator[Fault]:
    """What nginx listens on is nobody else's on any host that it runs on."""
    listened: dict[int, str] = {}
    for path, value, port, remedy in _listened(draft):
        key = ".".join(path)
        if (other := listened.setdefault(port, key)) != key:
            yield fault(path, value, f"is {other} too", remedy)
        for name, host in draft.with_role("lb").items():
            if program := taken(draft, host).get(port):
                what = f"is the port of {program} on host {name}"
                yield fault(path, value, what, f"{remedy}, or another host for the role lb")


def weights_name_masters(draft: Draft) -> Iterator[Fault]:
    """A weight for a host that gets no traffic is a slip of the pen."""
    masters = draft.with_role("master")
    if draft.load_balancer is None or not draft.hosts_complete:
        return
    for name, weight in draft.load_balancer.weights.items():
        if name not in masters:
            yield fault(["loadBalancer", "weights", name], weight, "is not a master's weight", nearest(name, masters))


def address_moves(draft: Draft) -> Iterator[Fault]:
    """Warns where the loss of one load balancer's host is the loss of the API's address."""
    balancer, hosts = draft.load_balancer, draft.with_role("lb")
    if balancer is None or not draft.hosts_complete or not hosts:
        return
    if balancer.vip and len(hosts) < HOSTS_FOR_A_VIP:
        what = f"has only {', '.join(hosts)} to live on: nobody takes it over"
        yield fault(_VIP, balancer.vip.address, what, "give a second host the role lb")
    if balancer.vip:
        return
    remedy = "set loadBalancer.vip and give two hosts the role lb, or put an address in front that moves by itself"
    yield fault(_ADDRESS, balancer.address, whose(draft, balancer.address, "the API's"), remedy)


def watches_survive(draft: Draft) -> Iterator[Fault]:
    """Warns where idle watches and `logs -f` are cut."""
    balancer = draft.load_balancer
    if balancer and seconds(balancer.proxy_timeout) < seconds(SHORTEST_PROXY_TIMEOUT):
        what = "ends every watch and `kubectl logs -f` that is idle for that long"
        remedy = f"use {SHORTEST_PROXY_TIMEOUT} or more"
        yield fault(["loadBalancer", "proxyTimeout"], balancer.proxy_timeout, what, remedy)


def ports_are_no_services(draft: Draft) -> Iterator[Fault]:
    """Warns where a Service may be given a port of nginx: kube-proxy hands what comes there to the Service."""
    if draft.cluster is None:
        return
    given = draft.cluster.api_server.extra_args.get(NODE_PORTS_FLAG, NODE_PORTS)
    hosts = [name for name, host in draft.with_role("lb").items() if NODES & {*host.roles}]
    for path, value, port, remedy in _listened(draft):
        if hosts and port in _node_ports(given):
            what = f"is a port that a Service may be given ({given}), which would take nginx's clients on nodes"
            yield fault(path, value, f"{what} ({', '.join(hosts)})", remedy)


def whose(draft: Draft, address: str, of: str) -> str:
    """What is to be known of an address for clients that is no VIP."""
    for name, host in draft.with_role("lb").items():
        if host.address == address:
            return f"is {name}'s own address: losing that host loses {of} address"
    return "belongs to no host of role lb: something outside this stack must send its traffic to them"


def taken(draft: Draft, host: HostSettings) -> dict[int, str]:
    """The ports of a host that are spoken for, whatever else it may come to run."""
    ports = {port: program for role in host.roles for port, program in PORTS[role].items()}
    if draft.cluster and NODES & {*host.roles}:
        ports |= _of_add_ons(draft.cluster)
    # An address for SSH of the host's own may be forwarded to another port than sshd's.
    if draft.ssh and host.ssh.host is None:
        ports[host.ssh.port or draft.ssh.port] = "sshd"
    return ports


def _of_add_ons(cluster: Cluster) -> dict[int, str]:
    config = cluster.kube_proxy.config
    fields = [field for field in PROXY if kube_proxy.is_address(config, field)]
    ports = {kube_proxy.address(config, field)[1]: PROXY[field] for field in fields}
    return ports | ({FLANNEL_HEALTH_PORT: "flannel's health"} if cluster.cni == "flannel" else {})


def _node_ports(text: str) -> range:
    """The ports of a range as kube-apiserver reads it; none where it cannot, which it says by itself."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return range(0)
    first = int(match["first"])
    last = int(match["last"]) if match["last"] else first + int(match["more"] or 0)
    return range(first, last + 1)


def _listened(draft: Draft) -> Iterator[tuple[tuple[str, ...], object, int, str]]:
    """The ports of nginx on a load balancer: key, value, port, and what to do where it is taken."""
    balancer, harbor = draft.load_balancer, draft.harbor
    if balancer:
        yield _PORT, balancer.port, balancer.port, "choose another port, like 8443"
        yield _STATUS, balancer.status_port, balancer.status_port, "choose another port, like 8404"
    if harbor:
        yield _HARBOR_URL, f"{harbor.url} (port {harbor.port})", harbor.port, "choose another port, like 9443"
