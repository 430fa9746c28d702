"""Keeps a stack's outputs out of the engine's debug log.

The SDK repeats what is registered as outputs there, secrets in clear, so that ``pulumi up --debug`` would show the
administrator's kubeconfig. Later releases of the SDK don't (pulumi/pulumi#24479): then this module goes. Does not own
what the engine itself logs: from ``-v=9`` on it writes every property in clear, and no program can change that.
"""

import functools
from typing import Any

import pulumi

PROPERTIES = ", props="


def without_outputs() -> None:
    """From here on a debug message ends where the SDK would list a resource's properties."""
    said = pulumi.log.debug

    @functools.wraps(said)
    def debug(msg: str, *arguments: Any, **options: Any) -> None:
        said(msg.partition(PROPERTIES)[0], *arguments, **options)

    pulumi.log.debug = debug
