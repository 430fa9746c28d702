"""Previews in the engine's own form, made small: what ``pulumi preview --json`` prints of a few resources."""

import json
from collections.abc import Sequence
from typing import Any

from render.files import File, stage_script, wrap

HOSTS = ("emei", "huashan", "lb1", "lb2", "shaolin")
ROLES = {"huashan": ["worker"], "lb1": ["lb"], "lb2": ["lb"]}
Json = dict[str, Any]


def urn(kind: str, name: str) -> str:
    """A resource's name for the engine."""
    return f"urn:pulumi:staging::evenkeel::{kind}::{name}"


def step(op: str, kind: str, name: str, old: Json | None, new: Json | None, after: Sequence[str] = ()) -> Json:
    """One step; what differs between the inputs is its detailed diff."""
    states = {"oldState": old, "newState": new}
    found: Json = {"op": op, "urn": urn(kind, name)}
    found |= {state: {"inputs": inputs} for state, inputs in states.items() if inputs is not None}
    if new is not None:
        found["newState"]["dependencies"] = [urn("command:remote:Command", other) for other in after]
    if old is not None and new is not None:
        found["detailedDiff"] = {key: {"kind": "update"} for key in new if old.get(key) != new[key]}
    return found


def staging(host: str, what: str, part: str, old: File | None, new: File | None) -> Json:
    """The step of a command that lays down a file."""
    op = "create" if old is None else "update"
    before, after = ({"stdin": wrap(stage_script({part: [file]}))} if file else None for file in (old, new))
    return step(op, "evenkeel:index:X$command:remote:Command", f"{host}-{what}", before, after)


def turn(host: str, what: str = "activate", after: Sequence[str] = (), op: str = "update") -> Json:
    """The step of a host's turn."""
    old, new = ({"stdin": f"# For what is staged as {number}\n"} for number in (1, 2))
    inputs = (None if op == "create" else old, None if op == "delete" else new)
    return step(op, "command:remote:Command", f"{host}-{what}", *inputs, after)


def preview(*steps: Json, hosts: Sequence[str] = HOSTS, **more: Any) -> str:
    """What the engine prints."""
    config = {
        "evenkeel:hosts": json.dumps({host: {"roles": ROLES.get(host, ["master"])} for host in hosts}),
        "evenkeel:release": '{"name":"2026.11"}',
        "evenkeel:harborAdminPassword": "[secret]",
    }
    stack = {
        "op": "same",
        "urn": urn("pulumi:pulumi:Stack", "evenkeel-staging"),
        "oldState": {"outputs": {"release": {"name": "2026.10"}}},
    }
    return json.dumps({"config": config, "steps": [stack, *steps], "changeSummary": {"same": 7}, **more}, indent=4)
