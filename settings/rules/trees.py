"""Rules about the trees that users fill freely, by the fields of a program's own configuration file.

Owns: of what kind the few fields are that Evenkeel reads itself. Does not own: those that only the program reads, which
says by itself what it does not understand, or which fields users may not set (``settings.rules.promises``).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from settings import kube_proxy
from settings.draft import Draft
from settings.errors import Fault, fault
from settings.fields import Reason, Tree

Place = tuple[object, ...]
Kind = tuple[Callable[[object], bool], Reason]

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_taints(value: object) -> bool:
    return isinstance(value, list) and all(_is_taint(taint) for taint in value)


def _is_taint(value: object) -> bool:
    return isinstance(value, dict) and _is_text(value.get("key")) and value.get("effect") in EFFECTS


def _is_address(field: str, value: object) -> bool:
    return kube_proxy.is_address({field: value}, field)


def _address(field: str) -> Kind:
    _, port = kube_proxy.USUAL[field]
    remedy = f"write it like 127.0.0.1:{port}, in quotes, or leave it out"
    return partial(_is_address, field), ("is not an address and a port", remedy)


_TEXT: Kind = _is_text, ("is not text", "put it in quotes, or leave it out")
_SWITCH: Kind = _is_switch, ("is neither true nor false", "write true or false without quotes, or leave it out")
_COUNT: Kind = _is_count, ("is not a number", "write a whole number without quotes, or leave it out")
_TAINTS: Kind = (
    _are_taints,
    ("is not a list of taints", "write it like [{key: dedicated, value: gpu, effect: NoSchedule}], or leave it out"),
)

KUBELET: Mapping[str, Kind] = {
    "cgroupDriver": _TEXT,
    "failCgroupV1": _SWITCH,
    "failSwapOn": _SWITCH,
    "maxPods": _COUNT,
    "registerWithTaints": _TAINTS,
    "resolvConf": _TEXT,
}
KUBE_PROXY: Mapping[str, Kind] = {"mode": _TEXT} | {field: _address(field) for field in kube_proxy.USUAL}


def fields_are_of_their_kind(draft: Draft) -> Iterator[Fault]:
    """What is read here is what it is read as, and containerd's file has a form for every value."""
    kinds = {"kubelet": KUBELET, "kubeProxy": KUBE_PROXY}
    for place, program, config in draft.trees():
        yield from _fields(place, config, kinds.get(program, {}))
        for path in _empty(place, config) if program == "containerd" else ():
            remedy = "leave the key out to keep containerd's default"
            yield fault(path, "null", "is nothing, for which TOML has no form", remedy)


def _fields(place: Place, config: Tree, kinds: Mapping[str, Kind]) -> Iterator[Fault]:
    for name, (is_one, reason) in kinds.items():
        if name in config and not is_one(config[name]):
            value = "null" if config[name] is None else config[name]
            yield fault((*place, name), value, *reason)


def _empty(place: Place, value: object) -> Iterator[Place]:
    """Where a tree holds nothing in place of a value."""
    if value is None:
        yield place
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from _empty((*place, name), below)
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _empty((*place, number), below)
