"""Which release is up, as the stack's outputs tell whoever promotes it.

Owns that nothing is told before all is well: an ``up`` that fails leaves the output as the last good one made it. Does
not own what is well: each resource ends with its own health gate.
"""

from collections.abc import Sequence

import pulumi

from settings import Stack


def release_pin(stack: Stack, after: Sequence[pulumi.Resource]) -> pulumi.Output[dict[str, str]]:
    """The release's name and its lock's digest, once everything in ``after`` has ended."""
    pin = {"name": stack.release.name, "lock": stack.release.digest}
    return pulumi.Output.all(*(one.urn for one in after)).apply(lambda _: pin)
