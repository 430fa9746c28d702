"""Rules about address ranges: they are apart from one another and from the hosts, and big enough."""

import ipaddress
from collections.abc import Iterator

from settings.draft import HARBOR, HOSTS, Draft
from settings.errors import Fault, fault

SMALLEST_SERVICE_CIDR = 24  # room for Services beside `kubernetes` (.1) and `kube-dns` (.10)
LARGEST_SERVICE_CIDR = 12  # kube-apiserver refuses more than 20 bits of addresses
NODE_MASK_FLAG = "node-cidr-mask-size"
NODE_MASK = 24  # kube-controller-manager's own default
MOST_SUBNET_BITS = 16  # kube-controller-manager refuses more
MAX_PODS = 110  # the kubelet's own default
NO_PODS = 3  # of a subnet's addresses: its own, its bridge's and its broadcast
RESERVED = ("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "0.0.0.0/8")

_MASK = ("cluster", "controllerManager", "extraArgs", NODE_MASK_FLAG)
_POD, _SERVICE = ("cluster", "podCidr"), ("cluster", "serviceCidr")


def cidrs_do_not_overlap(draft: Draft) -> Iterator[Fault]:
    """Pods and Services each have a range of their own, out of what hosts can route."""
    if draft.cluster is None:
        return
    pods, services = ipaddress.IPv4Network(draft.cluster.pod_cidr), ipaddress.IPv4Network(draft.cluster.service_cidr)
    if pods.overlaps(services):
        remedy = "choose two ranges that have no address in common, like 10.244.0.0/16 and 10.96.0.0/16"
        yield fault(_SERVICE, services, f"overlaps cluster.podCidr {pods}", remedy)
    for path, cidr in ((_POD, pods), (_SERVICE, services)):
        for reserved in RESERVED:
            if cidr.overlaps(ipaddress.IPv4Network(reserved)):
                remedy = "choose a private range, like 10.244.0.0/16"
                yield fault(path, cidr, f"overlaps {reserved}, which is not routed", remedy)


def hosts_lie_outside_the_cidrs(draft: Draft) -> Iterator[Fault]:
    """An address inside the pods' or Services' range would be taken for a pod or a Service by every node."""
    if draft.cluster is None:
        return
    for name, cidr in (("podCidr", draft.cluster.pod_cidr), ("serviceCidr", draft.cluster.service_cidr)):
        for path, address in _addresses(draft):
            if ipaddress.IPv4Address(address) in ipaddress.IPv4Network(cidr):
                remedy = f"choose a cluster.{name} that holds no host's address"
                yield fault(path, address, f"lies within cluster.{name} {cidr}", remedy)


def service_cidr_has_a_fit_size(draft: Draft) -> Iterator[Fault]:
    """Large enough for the Services that every cluster has, small enough for kube-apiserver."""
    if draft.cluster is None:
        return
    cidr = draft.cluster.service_cidr
    length = ipaddress.IPv4Network(cidr).prefixlen
    if length > SMALLEST_SERVICE_CIDR:
        yield fault(_SERVICE, cidr, "is too small for Services", f"choose a /{SMALLEST_SERVICE_CIDR} or larger")
    if length < LARGEST_SERVICE_CIDR:
        what = "is larger than kube-apiserver accepts"
        yield fault(_SERVICE, cidr, what, f"choose a /{LARGEST_SERVICE_CIDR} or smaller")


def pod_cidr_serves_every_node(draft: Draft) -> Iterator[Fault]:
    """Each node is given a subnet of the pods' range."""
    if draft.cluster is None:
        return
    mask = _node_mask(draft.cluster.controller_manager.extra_args.get(NODE_MASK_FLAG))
    if mask is None:
        return
    cidr = draft.cluster.pod_cidr
    bits = mask - ipaddress.IPv4Network(cidr).prefixlen
    nodes = len({*draft.with_role("master"), *draft.with_role("worker")})
    subnets = 2**bits if bits >= 0 else 0
    if subnets < nodes:
        what = f"is too small: it holds {subnets} subnets of /{mask}, and there are {nodes} nodes"
        yield fault(_POD, cidr, what, f"choose a /{mask - max(nodes - 1, 1).bit_length()} or larger")
    if bits > MOST_SUBNET_BITS:
        what = f"is too large: kube-controller-manager divides it into at most 2^{MOST_SUBNET_BITS} subnets of /{mask}"
        yield fault(_POD, cidr, what, f"choose a /{mask - MOST_SUBNET_BITS} or smaller")


def subnet_serves_every_pod(draft: Draft) -> Iterator[Fault]:
    """A pod on a node whose subnet has no address left waits there, though another node may have some.

    Only with flannel: networks of users' own may give pods their addresses in another way.
    """
    cluster = draft.cluster
    if cluster is None or cluster.cni != "flannel":
        return
    mask = _node_mask(cluster.controller_manager.extra_args.get(NODE_MASK_FLAG))
    if mask is None:
        return
    most = max(2 ** (ipaddress.IPV4LENGTH - mask) - NO_PODS, 0)
    trees = {(HOSTS, name): host.kubelet.config for name, host in draft.hosts.items()}
    for place, config in ({("cluster",): cluster.kubelet.config} | trees).items():
        pods = config.get("maxPods")
        if isinstance(pods, int) and pods > most:
            what = f"is more than the {most} addresses for pods of a node's /{mask}"
            remedy = f"use at most {most}, or a smaller {'.'.join(_MASK)}"
            yield fault((*place, "kubelet", "config", "maxPods"), pods, what, remedy)
    nodes = [*draft.with_role("master").values(), *draft.with_role("worker").values()]
    if most < MAX_PODS and any("maxPods" not in {**cluster.kubelet.config, **node.kubelet.config} for node in nodes):
        what = f"leaves a node {most} addresses for pods, and cluster.kubelet.config.maxPods is {MAX_PODS} unless set"
        yield fault(_MASK, mask, what, f"set that to at most {most}, or use a smaller number here")


def _node_mask(argument: str | None) -> int | None:
    """The size of a node's subnet; None where the user's flag is no number, which the promises' rule reports."""
    if argument is None:
        return NODE_MASK
    return int(argument) if argument.isascii() and argument.isdigit() and int(argument) <= 32 else None


def _addresses(draft: Draft) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, host in draft.hosts.items():
        yield (HOSTS, name, "address"), host.address
    known = {host.address for host in draft.hosts.values()}
    balancer, harbor = draft.load_balancer, draft.harbor
    for path, address in (
        (("loadBalancer", "address"), balancer and balancer.address),
        (("loadBalancer", "vip", "address"), balancer and balancer.vip and balancer.vip.address),
        ((HARBOR, "address"), harbor and harbor.address),
    ):
        if address and address not in known:
            known.add(address)
            yield path, address
