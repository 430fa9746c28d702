"""One command on a host, registered under pulumi-command's own type without its typed classes.

Those turn each field of each command's connection into outputs of its own, two dozen a command, and the SDK waits for
all of them one by one: they were half of what a run took that changes nothing. Owns the names of the inputs, the
package's. Does not own what is run (``components.host``).
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_command import _utilities

TOKEN = "command:remote:Command"


class RemoteCommand(pulumi.CustomResource):
    """``inputs`` as the package's schema has them: connection, create, update, delete, stdin, logging."""

    stdout: pulumi.Output[str]

    def __init__(self, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        own = pulumi.ResourceOptions(additional_secret_outputs=["connection"])
        own = pulumi.ResourceOptions.merge(_utilities.get_resource_opts_defaults(), own)
        outputs = {"stdout": None, "stderr": None}
        super().__init__(TOKEN, name, {**inputs, **outputs}, pulumi.ResourceOptions.merge(own, opts))
