"""One command on a host, as pulumi-command registers it.

Owns the type and its properties. Does not own what is run (``components.host``).
"""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.registered import Registered

TOKEN = "command:remote:Command"


class RemoteCommand(Registered):
    """``inputs`` as the package's schema has them: connection, create, update, delete, stdin, logging."""

    stdout: pulumi.Output[str]

    def __init__(self, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(
            TOKEN,
            name,
            inputs,
            opts,
            outputs=("stdout", "stderr"),
            secret=("connection",),
        )
