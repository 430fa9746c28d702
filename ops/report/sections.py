"""The words and tables of the page.

Owns what each says. Does not own drawings (``topology``, ``timeline``), nor the order on the page (``page``).
"""

from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element

from ops import health
from ops.health import Report
from ops.report import boxes, ends, roll
from ops.report.markup import Child, State, add, sign, tag
from settings import Stack

Cell = tuple[str, State] | str
HOSTS_FIRST = 4  # of which the same is said: with more of them, what is said comes first
MEGABYTE = 1024 * 1024
UNKNOWN = "unknown"  # what scripts/status.sh says of a version that nobody told


def verdict(found: Report) -> Element:
    """All that is not well, each with a way to its host; or that nothing is."""
    if not found.troubles:
        return tag("div", sign(State.WELL, size=28), tag("p", "All is well"), class_="verdict well", role="status")
    things = "1 thing is" if len(found.troubles) == 1 else f"{len(found.troubles)} things are"
    troubles = tag("ul", *(tag("li", *_named(hosts, what)) for what, hosts in _alike(found).items()))
    heading = tag("p", f"{things} not well")
    return tag("div", sign(State.WRONG, size=28), tag("div", heading, troubles), class_="verdict wrong", role="status")


def _alike(found: Report) -> dict[str, list[str]]:
    """What is not well, and the hosts of which the same is said, if it is said of hosts."""
    alike: dict[str, list[str]] = {}
    for trouble in found.troubles:
        host, _, what = trouble.partition(": ")
        if host in found.hosts:
            alike.setdefault(what, []).append(host)
        else:
            alike.setdefault(trouble, [])
    return alike


def _named(hosts: Sequence[str], what: str) -> Iterator[Child]:
    """Each host leads to its row; many of them come last."""
    many = len(hosts) > HOSTS_FIRST
    yield tag("b", f"{len(hosts)} hosts") if many else None
    yield f": {what}: " if many else None
    for place, host in enumerate(hosts):
        yield from (", " if place else None, tag("a", host, href=f"#host-{host}"))
    if not many:
        yield f": {what}" if hosts else what


def tiles(stack: Stack, found: Report, days: Sequence[ends.Day]) -> Element:
    """The parts of the stack, each in a word or two."""
    return tag("dl", *(_tile(name, cell) for name, cell in _facts(stack, found, days)), class_="tiles")


def _tile(name: str, cell: Cell) -> Element:
    state = State.PLAIN if isinstance(cell, str) else cell[1]
    return tag("div", tag("dt", name), tag("dd", *_said(cell)), class_=state)


def _facts(stack: Stack, found: Report, days: Sequence[ends.Day]) -> Iterator[tuple[str, Cell]]:
    ready = sum(one.ready for one in found.api_servers)
    yield "apiservers ready", _share(ready, len(stack.masters()))
    leader = next((one.host for one in found.etcd if one.leader), None)
    following = sum(not one.learner and one.lag <= health.MOST_LAG for one in found.etcd)
    yield "etcd members well", _share(following, len(stack.masters()))
    yield "etcd leader", leader or (("none", State.WRONG) if found.etcd else ("not known", State.UNKNOWN))
    for component in health.ELECTED:
        yield f"{component.removeprefix('kube-')} leads on", _leader(found, component)
    yield "nodes Ready", _nodes(stack, found)
    up = sum(one.verdict == "up" for one in found.upstreams)
    yield "upstreams in use", _share(up, len(found.upstreams)) if found.upstreams else ("not known", State.UNKNOWN)
    if stack.load_balancer.vip:
        line = boxes.holder(stack, found)
        yield "virtual address", (line.text, line.state)
    if stack.hubs():
        match = sum(not wrong for wrong in found.hub_keys.values())
        yield "hubs whose keys match", _share(match, len(stack.hubs()))
    if days:
        yield "first certificate", (ends.left(days[0].left), days[0].state)


def _share(some: int, whole: int) -> Cell:
    return f"{some} of {whole}", State.WELL if some == whole else State.WRONG


def _leader(found: Report, component: str) -> Cell:
    if component not in found.leaders:
        return "not known", State.UNKNOWN
    host = found.leaders[component]
    return (host, State.PLAIN) if host else ("nobody", State.WRONG)


def _nodes(stack: Stack, found: Report) -> Cell:
    if not found.nodes:
        return "not known", State.UNKNOWN
    well = {node.name for node in found.nodes if not node.troubles}
    return _share(len(well & set(stack.nodes())), len(stack.nodes()))


def hosts(stack: Stack, found: Report) -> Element:
    """What the drawing shows, host by host."""
    columns = ("host", "address", "roles", "answers", "node", "apiserver", "etcd", "leads")
    rows = [(name, list(_host(stack, found, name))) for name in stack.hosts]
    return table("Hosts", columns, [cells for _, cells in rows], [f"host-{name}" for name, _ in rows])


def _host(stack: Stack, found: Report, name: str) -> Iterator[Cell]:
    host = stack.hosts[name]
    node = next((one for one in found.nodes if one.name == name), None)
    server = next((one for one in found.api_servers if one.host == name), None)
    member = next((one for one in found.etcd if one.host == name), None)
    yield name
    yield host.address
    yield ", ".join(host.roles)
    yield ("yes", State.WELL) if found.hosts[name] == "answered" else ("no", State.WRONG)
    yield _node(stack, found, name, node)
    if name in stack.masters():
        yield _server(server)
        yield _member(member)
    else:
        yield from ("", "")
    yield ", ".join(component for component, leader in found.leaders.items() if leader == name)


def _node(stack: Stack, found: Report, name: str, node: health.Node | None) -> Cell:
    if name not in stack.nodes():
        return ""
    if node is None:
        return ("is none", State.WRONG) if found.nodes else ("not known", State.UNKNOWN)
    return (" ".join(node.troubles), State.WRONG) if node.troubles else ("Ready", State.WELL)


def _server(server: health.ApiServer | None) -> Cell:
    if server is None:
        return "not known", State.UNKNOWN
    return (f"ready {server.version}", State.WELL) if server.ready else ("not ready", State.WRONG)


def _member(member: health.Member | None) -> Cell:
    if member is None:
        return "no answer", State.WRONG
    role = "leader" if member.leader else "learner" if member.learner else "follower"
    well = not member.learner and member.lag <= health.MOST_LAG
    size = f"{member.size_bytes / MEGABYTE:.0f} MB"
    return f"{role}, {size}, {member.lag} entries behind", State.WELL if well else State.WRONG


def balancers(stack: Stack, found: Report) -> Element:
    """What each load balancer's nginx runs with."""
    rows: list[list[Cell]] = []
    for name in stack.load_balancers():
        holds = "holds it" if name in found.vip_holders else ""
        services = dict.fromkeys(one.service for one in found.upstreams if one.balancer == name)
        for service in services:
            of_it = [one for one in found.upstreams if (one.balancer, one.service) == (name, service)]
            up, out = ([one.name for one in of_it if (one.verdict == "up") == well] for well in (True, False))
            lost: Cell = (", ".join(out), State.WRONG) if out else "none"
            rows.append([name, holds, service, ", ".join(up) or "none", lost])
        if not services:
            rows.append([name, holds, ("not known", State.UNKNOWN), "", ""])
    return table("Load balancers", ("host", "virtual address", "service", "up", "kept out"), rows)


def hubs(found: Report) -> Element | None:
    """Whether each hub's containers have the stack's keys."""
    rows: list[list[Cell]] = [
        [name, ("; ".join(wrong), State.WRONG) if wrong else ("match", State.WELL)]
        for name, wrong in found.hub_keys.items()
    ]
    return table("Hubs", ("hub", "keys, by fingerprint"), rows) if rows else None


def versions(stack: Stack, found: Report) -> Element:
    """What the release wants, and what runs."""
    wanted = stack.release.versions
    seen = {
        "kube-apiserver": (wanted.kubernetes, {one.host: one.version for one in found.api_servers}),
        "kubelet": (wanted.kubelet, {one.name: one.kubelet for one in found.nodes}),
        "etcd": (wanted.etcd, {one.host: one.version for one in found.etcd}),
        "containerd": (wanted.containerd, {one.name: one.runtime for one in found.nodes}),
        "nginx": ("", found.nginx),
    }
    rows = [[name, want or "the host's own", *_runs(want, by_host)] for name, (want, by_host) in seen.items()]
    caption = f"Release {stack.release.name}"
    return table(caption, ("program", "release", "runs", "differs"), rows)


def _runs(want: str, by_host: dict[str, str]) -> list[Cell]:
    """What runs as wanted, and what does not, with its hosts."""
    by_version: dict[str, list[str]] = {}
    for host, version in by_host.items():
        by_version.setdefault(version.removeprefix("v"), []).append(host)
    said = {version: f"{version} on {', '.join(names)}" for version, names in by_version.items() if version != UNKNOWN}
    fits = [text for version, text in said.items() if not want or version == want.removeprefix("v")]
    others = [text for text in said.values() if text not in fits]
    runs: Cell = ("; ".join(fits), State.WELL if want else State.PLAIN) if fits else ("nowhere known", State.UNKNOWN)
    return [runs, ("; ".join(others), State.SOON) if others else ""]


def certificates(days: Sequence[ends.Day]) -> Element:
    """Every certificate, those that end first at the top."""
    rows: list[list[Cell]] = []
    for day in days:
        paths: dict[str, list[str]] = {}
        for one in day.held:
            paths.setdefault(one.path, []).append(one.host)
        rows += [[(f"{day.day}", day.state), ends.left(day.left), path, ", ".join(on)] for path, on in paths.items()]
    return table("Certificates", ("ends", "left", "file", "hosts"), rows)


def turns(last: roll.Roll) -> Element:
    """Each turn's times."""
    rows: list[list[Cell]] = [
        [turn.host, turn.role, f"{turn.began:%H:%M:%S}", f"{turn.ended:%H:%M:%S}", turn.took] for turn in last.turns
    ]
    return table("Turns, UTC", ("host", "as", "began", "well at", "took"), rows)


def outcome(last: roll.Roll) -> Element:
    """When the last roll was, how it ended, and what came after it."""
    end = max(turn.ended for turn in last.turns)
    words = f"The run of {last.began:%Y-%m-%d %H:%M} UTC; its last turn ended after {roll.duration(end - last.began)}. "
    if last.failed_since:
        later = f"A later run, of {last.failed_since:%Y-%m-%d %H:%M} UTC, failed before any turn had ended."
        return tag("p", words, *_said(_result(last.result)), " ", *_said((later, State.WRONG)))
    return tag("p", words, *_said(_result(last.result)))


def _result(result: str | None) -> Cell:
    if result == roll.SUCCEEDED:
        return "It succeeded.", State.WELL
    if result is None:
        return "It goes on, or was ended before its end; run up again.", State.SOON
    return f"It {result}: hosts without a bar had no turn, or not to its end.", State.WRONG


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], ids: Sequence[str] = ()) -> Element:
    """A table that stays one for screen readers where narrow screens show it as a list."""
    head = tag("tr", *(tag("th", name, scope="col", role="columnheader") for name in columns), role="row")
    body = tag("tbody", role="rowgroup")
    for index, cells in enumerate(rows):
        row = tag("tr", role="row", id=ids[index] if ids else None)
        for number, (name, cell) in enumerate(zip(columns, cells, strict=True)):
            first = number == 0
            kind = tag("th", scope="row", role="rowheader") if first else tag("td", role="cell", data_label=name)
            add(kind, tag("span", *_said(cell)) if cell else None)
            if not cell:
                kind.set("class", "empty")
            add(row, kind)
        add(body, row)
    return tag("table", tag("caption", caption), tag("thead", head, role="rowgroup"), body, role="table")


def _said(cell: Cell) -> list[Child]:
    text, state = (cell, State.PLAIN) if isinstance(cell, str) else cell
    return [text] if state == State.PLAIN else [sign(state), tag("span", text, class_=f"said {state}")]


def backup(found: Report) -> Element:
    """The newest backup of Harbor's database."""
    return tag("p", f"Newest backup of Harbor's database that an upgrade left: {found.last_backup or 'none'}.")
