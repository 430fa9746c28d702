"""What happens once in a stack's life: the first run that makes a thing, and what was true on that day.

Owns how a run knows that it is the first. Does not own what it does then.
"""

import uuid
from collections.abc import Mapping, Sequence

import pulumi
from pulumi_random import RandomUuid

RUN = "run"


class Birth:
    """``facts`` as they were at the birth, ``token`` (a UUID) of its own, and ``first``: whether this run is it.

    A run that was interrupted was the first all the same: the next one takes nothing for granted.
    """

    def __init__(self, name: str, facts: Mapping[str, str], opts: pulumi.ResourceOptions) -> None:
        this_run = str(uuid.uuid4())
        once = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["keepers"]))
        kept = RandomUuid(name, keepers={**facts, RUN: this_run}, opts=once)
        self.token: pulumi.Output[str] = kept.result
        self.facts: pulumi.Output[Mapping[str, str]] = kept.keepers.apply(lambda keepers: keepers or {})
        self.first: pulumi.Output[bool] = self.facts.apply(lambda facts: facts.get(RUN) == this_run)

    def either(
        self, at_birth: Sequence[pulumi.Resource], later: Sequence[pulumi.Resource]
    ) -> pulumi.Output[Sequence[pulumi.Resource]]:
        """What something waits for: in the first run, and in any other."""
        return self.first.apply(lambda first: at_birth if first else later)
