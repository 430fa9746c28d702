"""What one input of a Docker resource is besides its type, and how two states of a resource differ.

Owns: the plan (what state an update leads to) and its difference from the state that is. Does not own: which inputs a
resource has, or how the engine takes them.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.provider.experimental.provider import PropertyDiffKind as Kind

from lab.plugins.base import PluginError
from lab.plugins.tables import Input, Values
from lab.plugins.values import UNKNOWN


@dataclass(frozen=True)
class Field(Input):
    """An input of a Docker resource."""

    unordered: bool = False
    """A list whose order means nothing."""
    computed: bool = False
    """Left out, it keeps what the engine made of it: removing it from a program is no change."""
    replaced_by_number: bool = False
    """Another number of entries replaces; another entry does not, though nothing changes on the host then."""


Table = Mapping[str, Field]


def plan(table: Table, state: Values, inputs: Values, ignored: Collection[str]) -> Values:
    """What the inputs lead to from this state."""
    nested = [path for path in ignored if path not in table]
    if nested:
        raise PluginError(f"the lab's plugin ignores changes of whole inputs only, not of {', '.join(nested)}")
    kept = {name for name, field in table.items() if name in ignored or (field.computed and inputs.get(name) is None)}
    return {name: (state if name in kept else inputs).get(name) for name in table}


def changes(table: Table, old: Values, new: Values) -> dict[str, Kind]:
    """The paths at which two states differ."""
    return {
        path: kind
        for name, field in table.items()
        for path, kind in _differences(field, old.get(name), new.get(name), name)
    }


def replacing(table: Table, old: Values, new: Values) -> frozenset[str]:
    """The inputs of which a change replaces the resource."""
    return frozenset(
        name
        for name, field in table.items()
        if field.replaces and not (field.replaced_by_number and _number(old.get(name)) == _number(new.get(name)))
    )


def same(field: Input | None, one: Any, other: Any) -> bool:
    """Whether two values mean the same: what is empty means as much as what is not there."""
    return bool(_canonical(field, one) == _canonical(field, other))


def _differences(field: Input | None, old: Any, new: Any, path: str) -> Iterator[tuple[str, Kind]]:
    if same(field, old, new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping) and old and new:
        for key in sorted({*old, *new}):
            yield from _differences(_member(field, key), old.get(key), new.get(key), _joined(path, key))
    elif isinstance(old, list) and isinstance(new, list) and old and new:
        yield from _entries(field, old, new, path)
    else:
        yield path, _kind(old, new)


def _entries(field: Input | None, old: list[Any], new: list[Any], path: str) -> Iterator[tuple[str, Kind]]:
    """Entries are compared by place; those of an unordered list that both lists have are left out before."""
    gone, come = dict(enumerate(old)), dict(enumerate(new))
    if _unordered(field):
        gone, come = _without(field, gone, new), _without(field, come, old)
    for index in sorted({*gone, *come}):
        where = f"{path}[{index}]"
        if index in gone and index in come:
            yield from _differences(_entry(field), gone[index], come[index], where)
        else:
            yield where, Kind.DELETE if index in gone else Kind.ADD


def _without(field: Input | None, entries: dict[int, Any], others: list[Any]) -> dict[int, Any]:
    known = [_canonical(_entry(field), other) for other in others]
    return {index: entry for index, entry in entries.items() if _canonical(_entry(field), entry) not in known}


def _canonical(field: Input | None, value: Any) -> Any:
    if isinstance(value, Mapping):
        found = {key: _canonical(_member(field, key), item) for key, item in value.items()}
        return {key: item for key, item in found.items() if item is not None} or None
    if isinstance(value, list):
        items = [_canonical(_entry(field), item) for item in value]
        return (sorted(items, key=repr) if _unordered(field) else items) or None
    return value or None


def _member(field: Input | None, key: str) -> Input | None:
    return field.fields.get(key) if field is not None and field.fields else None


def _entry(field: Input | None) -> Input | None:
    """The form of a list's entries: an object of the list's own fields, where it has some."""
    return Input(dict, fields=field.fields) if field is not None and field.fields else None


def _unordered(field: Input | None) -> bool:
    return isinstance(field, Field) and field.unordered


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if key.isidentifier() else f'{path}["{key}"]'


def _kind(old: Any, new: Any) -> Kind:
    if old in (None, [], {}):
        return Kind.ADD
    return Kind.DELETE if new in (None, [], {}) else Kind.UPDATE


def _number(entries: Any) -> int:
    return len(entries) if isinstance(entries, list) and entries != [UNKNOWN] else 0
