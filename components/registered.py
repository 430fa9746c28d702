"""Resources under a package's own type, registered without the package's typed classes.

Those make an output of each property that a type could have, and of each field of its nested inputs; the SDK waits for
all of them one by one, in time that grows with their square, so that they were most of what a run took that changes
nothing. Owns how that is done. Does not own types and their properties: who registers one names them as the package's
schema does.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from typing import Any

import pulumi


class Registered(pulumi.CustomResource):
    """``inputs`` that are None are left out; ``outputs`` are those that the program reads, ``secret`` those that are
    never shown."""

    def __init__(
        self,
        token: str,
        name: str,
        inputs: Mapping[str, Any],
        opts: pulumi.ResourceOptions,
        *,
        outputs: Iterable[str] = (),
        secret: Iterable[str] = (),
    ) -> None:
        version = _version(token.partition(":")[0])
        own = pulumi.ResourceOptions(version=version, additional_secret_outputs=[*secret])
        super().__init__(
            token, name, {**dict.fromkeys(outputs), **given(inputs)}, pulumi.ResourceOptions.merge(own, opts)
        )

    def output(self, name: str) -> pulumi.Output[Any]:
        """One of ``outputs``, by the schema's name."""
        found: pulumi.Output[Any] = getattr(self, name)
        return found


def given(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not None: a nested input that is left out must not be there at all."""
    return {name: value for name, value in inputs.items() if value is not None}


@cache
def _version(package: str) -> str:
    """Of the package that is installed, and so of the plugin that the engine takes."""
    return metadata.version(f"pulumi-{package}")
