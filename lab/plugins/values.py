"""Property values as plain Python ones and back, and the differences between two of them.

Owns: unwrapping secrets, unknowns, and property paths. Does not own: which properties a resource has (``tables``).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import PropertyDiff, PropertyDiffKind

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine sends, and takes, for a value that is not known before its resource exists (previews only)."""


def plain(value: PropertyValue) -> Any:
    """``value`` without secret marks and dependencies; whole numbers become int, as JSON would have them."""
    inner = value.value
    if isinstance(inner, Mapping):
        return {key: plain(item) for key, item in inner.items()}
    if isinstance(inner, tuple):
        return [plain(item) for item in inner]
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)
    return inner


def plain_map(values: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """``plain`` for every property; what the engine adds for itself (``__defaults`` and its like) is left out."""
    return {key: plain(value) for key, value in values.items() if not key.startswith("__")}


def wrap(value: Any, secret: bool = False) -> PropertyValue:
    """A plain value as a property value, marked secret if asked."""
    if isinstance(value, PropertyValue):
        inner: Any = value.value
        return PropertyValue(inner, is_secret=secret or value.is_secret)
    if isinstance(value, Mapping):
        return PropertyValue({key: wrap(item) for key, item in value.items()}, is_secret=secret)
    if isinstance(value, list | tuple):
        return PropertyValue([wrap(item) for item in value], is_secret=secret)
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value), is_secret=secret)
    return PropertyValue(value, is_secret=secret)


def has_unknown(value: Any) -> bool:
    """Whether a plain value is unknown or holds something unknown."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, PropertyDiffKind]]:
    """The property paths (``a.b[0]``) at which two plain values differ, as finely as the official plugins tell them."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from differences(_item(old, index), _item(new, index), f"{path}[{index}]")
    elif old != new:
        yield path, _kind(old, new)


def detailed(
    changed: Mapping[str, PropertyDiffKind], replacing: frozenset[str] = frozenset()
) -> dict[str, PropertyDiff]:
    """The engine's form of ``differences``; those under a property of ``replacing`` demand a replacement."""
    return {
        path: PropertyDiff(_REPLACE[kind] if root(path) in replacing else kind, False) for path, kind in changed.items()
    }


def root(path: str) -> str:
    """The top-level property that a path lies in."""
    return path.partition(".")[0].partition("[")[0]


_REPLACE = {
    PropertyDiffKind.ADD: PropertyDiffKind.ADD_REPLACE,
    PropertyDiffKind.DELETE: PropertyDiffKind.DELETE_REPLACE,
    PropertyDiffKind.UPDATE: PropertyDiffKind.UPDATE_REPLACE,
}


def _item(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _kind(old: Any, new: Any) -> PropertyDiffKind:
    if old is None:
        return PropertyDiffKind.ADD
    return PropertyDiffKind.DELETE if new is None else PropertyDiffKind.UPDATE
