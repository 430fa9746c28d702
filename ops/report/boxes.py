"""What each box of the drawing says, and how it is.

Owns the words in it. Does not own what is a trouble of the stack (``ops.health``).
"""

from collections.abc import Iterator, Mapping

from ops import health
from ops.health import Report
from ops.report.graph import ADDRESS, CLIENTS, Box, Line, Tier, key
from ops.report.markup import State
from render import load_balancer
from render.static_pods import API_PORT, ETCD_CLIENT_PORT
from settings import Host, Stack

WORKERS_SHOWN = 4  # of those that say the same; with more, they share a box


def boxes(stack: Stack, found: Report) -> list[Box]:
    """The stack as its settings have it, with what was found of each part, tier by tier."""
    return [
        Box(CLIENTS, Tier.CLIENTS, "API clients", "", (Line("kubectl, kube-proxy and others"),)),
        *_workers(stack, found),
        _address(stack, found),
        *(_balancer(stack, found, name) for name in stack.load_balancers()),
        *(_master(stack, found, name) for name in stack.masters()),
        *(_hub(stack, found, name) for name in stack.hubs()),
        *_stores(stack),
    ]


def members(stack: Stack, found: Report) -> Mapping[str, State]:
    """How the etcd member in each master's box is."""
    return {key(Tier.MASTERS, name): _member(_member_of(found, name)).state for name in stack.masters()}


def holder(stack: Stack, found: Report) -> Line:
    """Who holds the virtual address."""
    holders = " and ".join(found.vip_holders)
    if holders:
        return Line(f"held by {holders}", State.WELL if len(found.vip_holders) == 1 else State.WRONG)
    if all(found.hosts[name] == "answered" for name in stack.load_balancers()):
        return Line("held by nobody", State.WRONG)
    return Line("holder not known", State.UNKNOWN)


def _address(stack: Stack, found: Report) -> Box:
    settings = stack.load_balancer
    lines = [holder(stack, found)] if settings.vip else [Line("no virtual address")]
    lines += [Line(f":{settings.port} Kubernetes API")]
    lines += [Line(f":{stack.harbor.port} Harbor")] if stack.harbor else []
    title = "virtual IP" if settings.vip else "API address"
    return Box(ADDRESS, Tier.ADDRESS, title, str(settings.address), tuple(lines))


def _balancer(stack: Stack, found: Report, name: str) -> Box:
    holds = name in found.vip_holders
    lines = _silence(found, name) or list(_balanced(stack, found, name))
    if stack.load_balancer.vip and found.hosts[name] == "answered":
        lines += [Line("holds the address" if holds else "stands by")]
    lines += [Line(f"nginx {found.nginx[name]}")] if found.nginx.get(name) else []
    return Box(key(Tier.BALANCERS, name), Tier.BALANCERS, name, stack.hosts[name].address, tuple(lines), leads=holds)


def _balanced(stack: Stack, found: Report, name: str) -> Iterator[Line]:
    for service in load_balancer.balancer(stack, stack.hosts[name]).services:
        of_it = [one for one in found.upstreams if (one.balancer, one.service) == (name, service.name)]
        out = [one.name for one in of_it if one.verdict != "up"]
        if not of_it:
            yield Line(f"{service.name}: status page is silent", State.WRONG)
        elif out:
            yield Line(f"{service.name}: {', '.join(out)} out", State.WRONG)
        else:
            yield Line(f"{service.name}: {len(of_it)} of {len(of_it)} up", State.WELL)


def _master(stack: Stack, found: Report, name: str) -> Box:
    member = _member_of(found, name)
    leads = [component for component, host in found.leaders.items() if host == name]
    lines = _silence(found, name) or [*_api_server(found, name), _member(member)]
    lines += _node(found, name) + [Line(f"leads {component.removeprefix('kube-')}") for component in leads]
    first = member is not None and member.leader
    return Box(key(Tier.MASTERS, name), Tier.MASTERS, name, stack.hosts[name].address, tuple(lines), leads=first)


def _api_server(found: Report, name: str) -> list[Line]:
    servers = [one for one in found.api_servers if one.host == name]
    return [
        Line(f"apiserver :{API_PORT} {one.version}", State.WELL)
        if one.ready
        else Line(f"apiserver :{API_PORT} not ready", State.WRONG)
        for one in servers
    ]


def _member_of(found: Report, name: str) -> health.Member | None:
    return next((one for one in found.etcd if one.host == name), None)


def _member(member: health.Member | None) -> Line:
    where = f"etcd :{ETCD_CLIENT_PORT}"
    if member is None:
        return Line(f"{where} does not answer", State.WRONG)
    if member.learner:
        return Line(f"{where} {member.version} still a learner", State.WRONG)
    if member.lag > health.MOST_LAG:
        return Line(f"{where} {member.lag} entries behind", State.WRONG)
    role = "leader" if member.leader else "follower"
    return Line(f"{where} {member.version} {role}", State.WELL)


def _node(found: Report, name: str) -> list[Line]:
    if not found.nodes:
        return [Line("node: not known", State.UNKNOWN)]
    node = next((one for one in found.nodes if one.name == name), None)
    if node is None:
        return [Line("no node of the cluster", State.WRONG)]
    if node.troubles:
        return [Line(f"node {', '.join(node.troubles)}", State.WRONG)]
    return [Line(f"node Ready {node.kubelet}", State.WELL)]


def _hub(stack: Stack, found: Report, name: str) -> Box:
    wrong = found.hub_keys.get(name, [])
    keys = Line("keys differ", State.WRONG) if wrong else Line("keys match", State.WELL)
    lines = _silence(found, name) or [keys]
    port = stack.harbor.port if stack.harbor else 0
    return Box(key(Tier.HUBS, name), Tier.HUBS, name, stack.hosts[name].address, (*lines, Line(f"Harbor :{port}")))


def _workers(stack: Stack, found: Report) -> Iterator[Box]:
    """One by one, but for many that are alike."""
    alike: dict[tuple[Line, ...], list[Host]] = {}
    for name, host in stack.workers().items():
        alike.setdefault((*_silence(found, name), *_node(found, name)), []).append(host)
    for lines, hosts in alike.items():
        if len(hosts) > WORKERS_SHOWN:
            yield Box(key(Tier.CLIENTS, hosts[0].name), Tier.CLIENTS, f"{len(hosts)} workers", "", lines)
        else:
            yield from (Box(key(Tier.CLIENTS, one.name), Tier.CLIENTS, one.name, one.address, lines) for one in hosts)


def _silence(found: Report, name: str) -> list[Line]:
    return [] if found.hosts[name] == "answered" else [Line("host does not answer", State.WRONG)]


def _stores(stack: Stack) -> list[Box]:
    harbor = stack.harbor
    if harbor is None:
        return []
    redis = ", ".join(str(address) for address in harbor.redis.addresses)
    blobs = harbor.storage.path or (harbor.storage.s3.bucket if harbor.storage.s3 else "")
    kind = "folder of the hubs" if harbor.storage.path else "S3 bucket"
    return [
        Box("database", Tier.STORES, "PostgreSQL", "", (Line(f"{harbor.database.host}:{harbor.database.port}"),)),
        Box("redis", Tier.STORES, "Redis", "", (Line(redis),)),
        Box("blobs", Tier.STORES, kind, "", (Line(blobs),)),
    ]
