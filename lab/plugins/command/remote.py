"""``command:remote:Command``: which command runs when, and what of it is kept and logged.

Does not own: connections and running (``ssh``).
"""

import secrets
from typing import Any, ClassVar

from lab.plugins.tables import Call, Input, Resource, Values

# `environment` is left out on purpose: an SSH server refuses variables without `AcceptEnv`, and the SSH library can't
# tell whether it did, so that a command might run without them.

_ENDPOINT = {
    "host": Input(required=True),
    "port": Input(int, default=22),
    "user": Input(default="root"),
    "password": Input(secret=True),
    "privateKey": Input(secret=True),
    "privateKeyPassword": Input(secret=True),
    "agentSocketPath": Input(),
    "hostKey": Input(),
    "dialErrorLimit": Input(int, default=10),
    "perDialTimeout": Input(int, default=15),
}
_CONNECTION = {**_ENDPOINT, "proxy": Input(dict, fields=_ENDPOINT)}


class Command(Resource):
    """A command on a host: ``create``, then ``update`` (or ``create`` again) on a change, ``delete`` at the end."""

    inputs: ClassVar = {
        "connection": Input(dict, required=True, secret=True, fields=_CONNECTION),
        "create": Input(),
        "update": Input(),
        "delete": Input(),
        "stdin": Input(),
        "triggers": Input(list, replaces=True),
        "logging": Input(choices=("stdout", "stderr", "stdoutAndStderr", "none")),
        "addPreviousOutputInEnv": Input(bool),
    }
    outputs: ClassVar = {"stdout": False, "stderr": False}
    recomputed = frozenset(outputs)

    async def create(self, call: Call) -> tuple[str, Values]:
        outputs = await _run(call, call.inputs.get("create")) or {"stdout": "", "stderr": ""}
        return f"{call.name}{secrets.token_hex(4)}", outputs

    async def update(self, call: Call) -> Values:
        command = call.inputs.get("update")
        return await _run(call, call.inputs.get("create") if command is None else command) or {}

    async def delete(self, call: Call) -> None:
        await _run(call, call.inputs.get("delete"))


async def _run(call: Call, command: str | None) -> Values | None:
    if command is None:
        return None
    from lab.plugins.command import ssh  # the SSH library takes longer to load than a preview should wait for

    inputs = call.inputs
    job = ssh.Job(command, inputs.get("stdin") or "", _previous(call), *_logged(inputs.get("logging")))
    return await ssh.run(call.engine, call.urn, inputs["connection"], job)


def _previous(call: Call) -> dict[str, str]:
    if call.inputs.get("addPreviousOutputInEnv") is False:
        return {}
    previous = {"PULUMI_COMMAND_STDOUT": call.old.get("stdout"), "PULUMI_COMMAND_STDERR": call.old.get("stderr")}
    return {name: value for name, value in previous.items() if value}


def _logged(logging: Any) -> tuple[bool, bool]:
    return logging in (None, "stdout", "stdoutAndStderr"), logging in (None, "stderr", "stdoutAndStderr")
