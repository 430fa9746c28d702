"""In which order hosts have their turn, and what is restarted there.

Owns that reading of a preview: which part of what is staged concerns which unit, as the activation scripts have it
(tests/ops/test_summary.py compares). Does not own the files themselves (``files``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ops.review.files import COMMAND, changes, unseen, versions
from ops.review.preview import Preview, Step
from render import silent_peers

CONTAINER = "docker:index/container:Container"
# In the order of a master's turn (scripts/activate-master.sh); a worker has the first and the last but one.
UNITS: Mapping[str, Sequence[str]] = {
    "containerd": ("runtime", "runtime.artifacts"),
    "etcd": ("etcd", "etcd.secret"),
    "kube-apiserver": ("apiserver", "apiserver.secret", "pki.secret", "ca"),
    "kube-controller-manager": ("controller-manager", "controller-manager.secret", "pki.secret", "ca"),
    "kube-scheduler": ("scheduler", "scheduler.secret"),
    "kubelet": ("kubelet", "kubelet.artifacts", "kubelet.secret", "ca"),
    "csr-approver": ("csr-approver", "csr-approver.secret"),
    "nginx": ("lb", "lb.ca"),
    "keepalived": ("vip",),
}
# What a command may concern whose files cannot be seen, nor therefore which of them it is.
UNSEEN: Mapping[str, Sequence[str]] = {
    "etcd-secrets": ("etcd",),
    "control-plane-secrets": ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "csr-approver"),
    "kubelet-secrets": ("kubelet",),
    "lb-ca": ("nginx",),
}
STATIC_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
ALONG = {"etcd": "kube-apiserver"}  # is taken out of service before the other restarts, and comes back with it
RELOADED = ("nginx", "keepalived")  # they read their files anew and cut no connection
NODE, BALANCER, HUB, RENEWAL = "node", "load balancer", "hub", "renewal"
TURNS = {"activate": NODE, "activate-lb": BALANCER, "leave": HUB, "return": HUB, "renewal": RENEWAL}
RENEWED = "restarts kubelet, if its certificate is not of the authority that issues now"
WHOSE = {"nginx": BALANCER, "keepalived": BALANCER}


@dataclass(frozen=True)
class Turn:
    """A host's turn as one of its roles: what happens there, and the ``place`` in the order, from 1."""

    host: str
    role: str
    what: str
    place: int


def turns(preview: Preview) -> list[Turn]:
    """Every turn in its order; those of one place go on side by side."""
    members = _members(preview)
    places = _places({key: _after(steps, members) for key, steps in members.items()})
    found = [
        Turn(host, role, _what(preview, host, role, steps), places[host, role])
        for (host, role), steps in members.items()
    ]
    return sorted(found, key=lambda turn: (turn.place, turn.role, turn.host))


Key = tuple[str, str]


def unnoticed(preview: Preview) -> list[str]:
    """The hosts whose watch for silent peers restarts while they are prepared (scripts/prepare.sh)."""
    steps = [step for step in preview.of_type(COMMAND) if step.op == "update"]
    return [
        str(preview.host_of(step))
        for step in steps
        if preview.host_of(step) and any(change.part == silent_peers.PART for change in changes(step))
    ]


def _members(preview: Preview) -> dict[Key, list[Step]]:
    """The steps of each turn."""
    found: dict[Key, list[Step]] = {}
    for step in preview.of_type(COMMAND, CONTAINER):
        host = preview.host_of(step)
        role = HUB if step.type == CONTAINER else TURNS.get(step.name.removeprefix(f"{host}-"))
        if host and role and (role, step.op) != (RENEWAL, "delete"):
            found.setdefault((host, role), []).append(step)
    return found


def _after(steps: Sequence[Step], members: Mapping[Key, Sequence[Step]]) -> set[Key]:
    """The turns that this one waits for."""
    names = {name for step in steps for name in step.after}
    return {key for key, others in members.items() if others is not steps and names & {one.name for one in others}}


def _places(after: Mapping[Key, set[Key]]) -> dict[Key, int]:
    places: dict[Key, int] = {}
    while len(places) < len(after):
        ready = [key for key in after if key not in places and after[key] <= places.keys()]
        # The engine's own graph has no circles; whatever is left over by one comes last.
        for key in ready or [key for key in after if key not in places]:
            places[key] = 1 + max((places[other] for other in after[key] if other in places), default=0)
    return places


def _what(preview: Preview, host: str, role: str, steps: Sequence[Step]) -> str:
    if role == RENEWAL:
        return RENEWED
    ops = {step.op for step in steps}
    if ops == {"create"}:
        return "starts for the first time"
    if ops == {"delete"}:
        return "leaves"
    if role == HUB:
        return _containers(steps, host)
    return _restarts(preview, host, role) or "looks whether all is as it should be"


def _containers(steps: Sequence[Step], host: str) -> str:
    names = sorted(step.name.removeprefix(f"{host}-") for step in steps if step.type == CONTAINER)
    replaced = f"replaces {', '.join(names)}" if names else "reads its files anew"
    return f"takes no new clients, {replaced}, and returns"


def _restarts(preview: Preview, host: str, role: str) -> str:
    seen = set(_units(preview, host))
    seen |= {ALONG[unit] for unit in seen & ALONG.keys()}
    own = [unit for unit in UNITS if WHOSE.get(unit, NODE) == role]
    hidden = [unit for unit in own if unit in set(_unseen_units(preview, host)) - seen]
    units: dict[bool, list[str]] = {True: [], False: []}
    for unit in own:
        if unit in seen:
            units[unit in RELOADED].append(unit)
    said = {"reloads": units[True], "restarts": units[False], "may restart, for files not shown,": hidden}
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in said.items() if names)


def _units(preview: Preview, host: str) -> Iterator[str]:
    parts = {change.part for step in _of(preview, host) for change in changes(step)}
    yield from (unit for unit, concerned in UNITS.items() if parts & set(concerned))
    if host in preview.masters and _kubelet_leaps(preview, host):
        yield from STATIC_PODS


def _kubelet_leaps(preview: Preview, host: str) -> bool:
    """To one of another minor version the pods of unchanged manifests are other pods (scripts/activate-master.sh)."""
    found = {version for step in _of(preview, host) for version in versions(step, "kubelet")}
    return len({tuple(version.split(".")[:2]) for version in found}) > 1


def _unseen_units(preview: Preview, host: str) -> Iterator[str]:
    for step in _of(preview, host):
        if unseen(step) and "stdin" in step.changed:
            yield from UNSEEN.get(step.name.removeprefix(f"{host}-"), ())


def _of(preview: Preview, host: str) -> list[Step]:
    return [step for step in preview.of_type(COMMAND) if preview.host_of(step) == host]
