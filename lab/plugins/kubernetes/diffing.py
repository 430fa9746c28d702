"""What changes between an object as it lives and as the inputs want it, down to the line, and what forces another.

Does not own: what of the live object is compared (``objects.prune``).
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pulumi.provider.experimental.provider import DiffResponse, PropertyDiff, PropertyDiffKind

from lab.plugins.kubernetes.kinds import Kind
from lab.plugins.kubernetes.naming import is_automatic
from lab.plugins.kubernetes.objects import Object, name_of, namespace_of
from lab.plugins.kubernetes.options import Options
from lab.plugins.values import UNKNOWN

Path = tuple[str | int, ...]

IDENTITY: tuple[Path, ...] = (("metadata", "name"), ("metadata", "namespace"))
IMMUTABLE: dict[str, tuple[Path, ...]] = {
    "apps/v1/DaemonSet": (("spec", "selector"),),
    "apps/v1/Deployment": (("spec", "selector"),),
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": (("roleRef",),),
    "rbac.authorization.k8s.io/v1/RoleBinding": (("roleRef",),),
    "storage.k8s.io/v1/StorageClass": (("parameters",), ("provisioner",)),
    "v1/Secret": (("type",),),
    "v1/Service": (("spec", "clusterIP"),),
}
"""What replaces an object of this kind when it changes, as the official plugin has it."""
DATA: tuple[Path, ...] = (("data",), ("binaryData",), ("stringData",))

REPLACING = {
    PropertyDiffKind.ADD: PropertyDiffKind.ADD_REPLACE,
    PropertyDiffKind.DELETE: PropertyDiffKind.DELETE_REPLACE,
    PropertyDiffKind.UPDATE: PropertyDiffKind.UPDATE_REPLACE,
}
QUANTITY = re.compile(r"([+-]?[0-9.]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?")
QUANTITY_PARENTS = frozenset(("requests", "limits", "sizeLimit", "default", "defaultRequest", "max", "min"))
MISSING = object()


def compare(live: Object, wanted: Object, kind: Kind, options: Options) -> DiffResponse:
    """The engine's form of the difference between the pruned live object and the wanted one."""
    fixed = IDENTITY if kind.patch else IDENTITY + _immutable(wanted, kind, options)
    detailed: dict[str, PropertyDiff] = {}
    for path, change, value in _changes(live, wanted, ()):
        forced = any(_reaches(path, value, immutable) for immutable in fixed)
        detailed[_text(path)] = PropertyDiff(REPLACING[change] if forced else change, change is PropertyDiffKind.DELETE)
    replaces = [path for path, change in detailed.items() if change.kind in REPLACING.values()]
    return DiffResponse(
        changes=bool(detailed),
        replaces=replaces,
        delete_before_replace=bool(replaces) and _takes_the_same_place(live, wanted),
        detailed_diff=detailed,
    )


def _immutable(wanted: Object, kind: Kind, options: Options) -> tuple[Path, ...]:
    mutable = {"v1/ConfigMap": options.enable_config_map_mutable, "v1/Secret": options.enable_secret_mutable}
    always = IMMUTABLE.get(str(kind), ())
    if str(kind) in mutable and (not mutable[str(kind)] or wanted.get("immutable") is True):
        return always + DATA
    return always


def _takes_the_same_place(live: Object, wanted: Object) -> bool:
    """Two objects can't share a name: the old one must go first, unless the new one gets an invented name."""
    place = (namespace_of(live), name_of(live))
    return not is_automatic(wanted) and place == (namespace_of(wanted), name_of(wanted))


def _changes(old: Any, new: Any, path: Path) -> Iterator[tuple[Path, PropertyDiffKind, Any]]:
    if old is MISSING:
        yield path, PropertyDiffKind.ADD, new
    elif new is MISSING:
        yield path, PropertyDiffKind.DELETE, old
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _changes(old.get(key, MISSING), new.get(key, MISSING), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from _changes(_item(old, index), _item(new, index), (*path, index))
    elif new == UNKNOWN or not _same(old, new, path):
        yield path, PropertyDiffKind.UPDATE, new


def _item(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else MISSING


def _same(old: Any, new: Any, path: Path) -> bool:
    if isinstance(old, bool) != isinstance(new, bool):
        return False
    if old == new:
        return True
    return not QUANTITY_PARENTS.isdisjoint(path[-2:]) and _quantity(old) == _quantity(new) is not None


def _quantity(value: Any) -> Decimal | None:
    """The number that a quantity such as ``100m`` or ``1Gi`` stands for: the API server writes it its own way."""
    match = QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    digits, suffix = Decimal(match[1]), match[2] or ""
    if suffix.endswith("i"):
        return digits * (1 << 10 * ("KMGTPE".index(suffix[0]) + 1))
    if len(suffix) > 1:
        return digits * Decimal(f"1{suffix}")
    return digits.scaleb(3 * ("num kMGTPE".index(suffix or " ") - 3))


def _reaches(path: Path, value: Any, immutable: Path) -> bool:
    """Whether a change at ``path`` is a change at, in, or around what is immutable."""
    if path[: len(immutable)] == immutable:
        return True
    if immutable[: len(path)] != path:
        return False
    for step in immutable[len(path) :]:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


def _text(path: Path) -> str:
    """A property path as the engine writes it: ``spec.ports[0]``, ``data["a.conf"]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.search(r'[."\[\]]', step):
            text += '["{}"]'.format(step.replace('"', '\\"'))
        else:
            text += f".{step}" if text else step
    return text
