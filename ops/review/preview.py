"""The JSON of ``pulumi preview --json``, read.

Owns what a step is. Does not own what it means for a host (``turns``, ``files``).
"""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]
HOST = "evenkeel:index:RemoteHost"
STACK = "pulumi:pulumi:Stack"
SECRET = "[secret]"  # how the engine writes a secret
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # and a text that only an `up` will tell
UNTOUCHED = ("same", "read", "refresh")
# A replacement comes as three steps; this one has the old state and the new.
PARTIAL = ("create-replacement", "delete-replaced")


class PreviewError(Exception):
    """What was given is not a preview that can be summarized: why, and what to do."""


@dataclass(frozen=True)
class Step:
    """What the engine would do with one resource. ``old`` and ``new`` are its inputs; ``after`` are names."""

    op: str
    type: str
    name: str
    old: Json
    new: Json
    after: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Preview:
    """A preview: its stack, hosts, and the steps that do something; ``runs``: the release that is up, and the next.

    ``masters`` are the hosts that have the role in the settings to come.
    """

    stack: str
    hosts: Sequence[str]
    masters: Set[str]
    steps: Sequence[Step]
    unchanged: int
    errors: Sequence[str] = ()
    runs: tuple[str | None, str | None] = field(default=(None, None))

    def host_of(self, step: Step) -> str | None:
        """The host that a step is about."""
        return host_of(step.name, self.hosts)

    def of_type(self, *types: str) -> list[Step]:
        """The steps of resources of these types."""
        return [step for step in self.steps if step.type in types]


def host_of(resource: str, hosts: Iterable[str]) -> str | None:
    """The host that a resource is about: names of resources begin with it."""
    return max((host for host in hosts if resource.startswith(f"{host}-")), key=len, default=None)


def read(text: str) -> Preview:
    """The preview in what ``pulumi preview --json`` printed; lines before the JSON are passed over."""
    content = _json(text)
    raw = [step for step in content.get("steps", []) if step["op"] not in PARTIAL]
    errors = [entry["message"] for entry in content.get("diagnostics", []) if entry.get("severity") == "error"]
    if not raw and not errors:
        raise PreviewError("the preview has no steps; give the whole output of `pulumi preview --json`")
    config = content.get("config", {})
    steps = [_step(one) for one in raw if one["op"] not in UNTOUCHED]
    hosts = _object(config.get("evenkeel:hosts"))
    return Preview(
        stack=raw[0]["urn"].split(":")[2] if raw else "",
        hosts=sorted({*hosts, *(one.name for one in steps if one.type == HOST)}),
        masters={name for name, host in hosts.items() if isinstance(host, dict) and "master" in host.get("roles", ())},
        steps=[one for one in steps if one.type != STACK and not one.type.startswith("evenkeel:")],
        unchanged=content.get("changeSummary", {}).get("same", 0),
        errors=errors,
        runs=(_running(raw), _object(config.get("evenkeel:release")).get("name")),
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text[f"\n{text}".index("\n{") :])
    except ValueError as error:
        remedy = "pipe the output of `pulumi preview --json` here"
        raise PreviewError(f"the preview is not the engine's JSON ({error}); {remedy}") from error


def _step(raw: Json) -> Step:
    old, new = raw.get("oldState") or {}, raw.get("newState") or {}
    return Step(
        op=raw["op"],
        type=raw["urn"].split("::")[2].rpartition("$")[2],
        name=raw["urn"].rpartition("::")[2],
        old=old.get("inputs", {}),
        new=new.get("inputs", {}) if raw["op"] != "delete" else {},
        after=frozenset(urn.rpartition("::")[2] for urn in new.get("dependencies") or ()),
        changed=frozenset(raw.get("detailedDiff") or ()),
    )


def _running(raw: Sequence[Json]) -> str | None:
    """The release that the stack's outputs say is up."""
    for step in raw:
        if step["urn"].split("::")[2] == STACK:
            release = ((step.get("oldState") or {}).get("outputs") or {}).get("release") or {}
            return release.get("name")
    return None


def _object(text: str | None) -> Json:
    """A structured value of the stack's configuration."""
    found = json.loads(text) if text and text.startswith("{") else {}
    return found if isinstance(found, dict) else {}
