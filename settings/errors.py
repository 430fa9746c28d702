"""What is wrong with a stack's configuration, in the user's own words: key, value, fault, remedy.

Owns: the form of a fault, which values may be shown, and turning pydantic's findings into faults.
Does not own: any rule (``settings.schema`` and ``settings.rules``).
"""

import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from settings.fields import Reason
from settings.schema import Section

NAMESPACE = "evenkeel"
MISSING, EMPTY, HIDDEN = "(not set)", "(empty)", "(not shown)"
LONGEST_SHOWN = 60
_SECRET_NAME = re.compile(r"password|passphrase|secret|token|private|credential|csrf|certificateKey", re.IGNORECASE)
_USER_OF_URL = re.compile(r"//[^/@]*@")
_NO_SECRETS = ("pullSecrets",)  # what they hold are names
UNKNOWN = "is not a key that there is"
EXAMPLE = "see Pulumi.staging.yaml for a complete example"

_REMEDIES = {
    "missing": ("is not set", f"add it; {EXAMPLE}"),
    "string_type": ("is not text", "put it in quotes"),
    "int_type": ("is not a whole number", "write a number without quotes"),
    "int_from_float": ("is not a whole number", "write a number without a fraction"),
    "bool_type": ("is neither true nor false", "write true or false without quotes"),
    "dict_type": ("is not a mapping of keys to values", EXAMPLE),
    "model_type": ("is not a mapping of keys to values", EXAMPLE),
    "list_type": ("is not a list", "write it as [one, another]"),
    "too_short": ("is empty", "give at least one"),
}
# The same, for numbers that are out of range: with the bound.
_BOUNDS = {
    "greater_than_equal": ("is less than {ge}", "write a number from {ge} on"),
    "greater_than": ("is not more than {gt}", "write a number above {gt}"),
    "less_than_equal": ("is more than {le}", "write a number up to {le}"),
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, or that the user should know: one line of the error's text."""

    key: str
    value: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.value}: {self.what}; {self.remedy}"


class SettingsError(Exception):
    """The stack's configuration cannot be used. Holds every fault that was found, one line each."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def key(*path: object) -> str:
    """The configuration key of a path, as ``pulumi config set --path`` takes it."""
    return f"{NAMESPACE}:" + ".".join(str(part) for part in path)


def shown(value: object, path: Iterable[object] = ()) -> str:
    """A value for an error's text: short, on one line, and never one that may be a secret."""
    if value is None:
        return MISSING
    if value == "":
        return EMPTY
    if any(_promises_secret(str(part)) for part in path) and not isinstance(value, bool | int):
        return HIDDEN
    if isinstance(value, Mapping | list | tuple | set):
        return "{...}" if isinstance(value, Mapping) and value else "[...]" if value else EMPTY
    text = _USER_OF_URL.sub(f"//{HIDDEN}@", str(value))
    if "PRIVATE KEY" in text or "\n" in text:
        return HIDDEN
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable[:LONGEST_SHOWN] + ("..." if len(printable) > LONGEST_SHOWN else "")


def _promises_secret(name: str) -> bool:
    """Whether what stands under this name may be a secret; a file's name is none."""
    return _SECRET_NAME.search(name) is not None and not name.lower().endswith("file") and name not in _NO_SECRETS


def fault(path: Iterable[object], value: object, what: str, remedy: str) -> Fault:
    """A fault at a path of the configuration, its value made fit to be shown."""
    parts = tuple(path)
    return Fault(key(*(shown(part) for part in parts)), shown(value, parts), what, remedy)


def nearest(name: str, known: Iterable[str]) -> str:
    """The remedy for a name that is not known: the nearest one, else all of them."""
    names = {candidate.lower(): candidate for candidate in sorted(known)}
    if not names:
        return "remove it"
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {names[close[0]]}?" if close else f"choose one of {', '.join(names.values())}"


def from_pydantic(error: ValidationError, model: type[Section], prefix: tuple[object, ...]) -> list[Fault]:
    """Pydantic's findings about the section at ``prefix`` as faults."""
    return [_from_detail(detail, model, prefix) for detail in error.errors()]


def _from_detail(detail: ErrorDetails, model: type[Section], prefix: tuple[object, ...]) -> Fault:
    place = tuple(part for part in detail["loc"] if part != "[key]")
    path, kind, context = (*prefix, *place), detail["type"], detail.get("ctx", {})
    value = None if kind == "missing" else detail["input"]
    if "remedy" in context:
        return fault(path, value, str(context["what"]), str(context["remedy"]))
    if kind == "extra_forbidden":
        return fault(path, value, *_not_there(str(place[-1]), _section_at(model, place[:-1])))
    if kind == "literal_error":
        return fault(path, value, "is not one of the choices", f"choose one of {context['expected']}")
    if kind in _BOUNDS:
        return fault(path, value, *(text.format(**context) for text in _BOUNDS[kind]))
    what, remedy = _REMEDIES.get(kind, (detail["msg"], EXAMPLE))
    return fault(path, value, what, remedy)


def _not_there(name: str, section: type[Section] | None) -> Reason:
    """Why a key cannot stand in a section, and what to do."""
    if section is None:
        return UNKNOWN, nearest(name, [])
    fields = [field.alias or field_name for field_name, field in section.model_fields.items()]
    return section.refused.get(name, (UNKNOWN, nearest(name, fields)))


def _section_at(model: type[Section], place: tuple[object, ...]) -> type[Section] | None:
    """The section at a place inside another."""
    at: object = model
    for part in place:
        at = _step(at, str(part))
    return at if isinstance(at, type) and issubclass(at, Section) else None


def _step(at: object, part: str) -> object:
    if isinstance(at, type) and issubclass(at, Section):
        found = {field.alias or name: field.annotation for name, field in at.model_fields.items()}.get(part)
        return _without_none(found)
    arguments = typing.get_args(at)
    return _without_none(arguments[-1]) if arguments else None


def _without_none(annotation: object) -> object:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return next((choice for choice in typing.get_args(annotation) if choice is not type(None)), None)
    return annotation
