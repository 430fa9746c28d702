"""Keeps the SDK's debug messages from the engine.

There are four a resource, and the SDK waits for the engine to take each, whether somebody reads them or not: 1,063
of them were a twentieth of an ``up`` that changes nothing. Those of a stack's outputs hold secrets in clear
(pulumi/pulumi#24479), so that ``pulumi up --debug`` would show the administrator's kubeconfig. Does not own what the
engine and its plugins log: from ``-v=9`` on the engine writes every property in clear, and no program can change that.
"""

from typing import Any

import pulumi


def without_debug() -> None:
    """From here on ``pulumi.log.debug`` says nothing."""
    pulumi.log.debug = _nothing


def _nothing(msg: str, *arguments: Any, **options: Any) -> None:
    pass
