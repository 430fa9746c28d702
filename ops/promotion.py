"""Whether a release may go from one stack to the next: the rules, over plain values.

Does not own finding out what runs (``ops.promote``), nor the versions' own rules (``releases.skew``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from releases import Versions, skew

ORDER = ("development", "staging", "production")  # as settings.schema.Cluster has them


@dataclass(frozen=True)
class Running:
    """What a stack's outputs say was up and well: a release's name and the digest of its lock."""

    name: str
    lock: str


@dataclass(frozen=True)
class Promotion:
    """A release on its way: names of stacks, environments and releases. ``running``: what the source's outputs say.

    ``lock`` is the digest of the lock by which the target would fetch the release. ``now`` and ``then`` are the
    versions that the target has and would have.
    """

    source: str
    target: str
    source_environment: str
    target_environment: str
    source_release: str
    target_release: str
    running: Running | None
    lock: str
    now: Versions
    then: Versions


def refusals(promotion: Promotion, rollback: bool = False) -> list[str]:
    """Everything that stands in the way, each with the remedy."""
    return [
        *_environments(promotion),
        *_proven(promotion),
        *_direction(promotion, rollback),
        *(f"{what}; {remedy}" for what, remedy in skew.step_faults(promotion.now, promotion.then)),
    ]


def _environments(promotion: Promotion) -> Iterator[str]:
    source, target = promotion.source_environment, promotion.target_environment
    unknown = [name for name in (source, target) if name not in ORDER]
    if unknown:
        yield f"environment {unknown[0]}: is none of {', '.join(ORDER)}; correct cluster.environment"
    elif ORDER.index(target) != ORDER.index(source) + 1:
        after = ORDER[ORDER.index(source) + 1 :]
        remedy = f"promote it to a stack in {after[0]}" if after else f"there is none after {source}"
        yield f"{promotion.target} is in {target}, which does not follow on {promotion.source}'s {source}; {remedy}"


def _proven(promotion: Promotion) -> Iterator[str]:
    running, wanted, source = promotion.running, promotion.source_release, promotion.source
    up = f"run `pulumi up --stack {source}` to its end first"
    if running is None:
        yield f"{source} was never up and well as a whole, as far as its outputs say; {up}"
    elif running.name != wanted:
        yield f"{source} pins release {wanted}, and what was up and well there is {running.name}; {up}"
    elif running.lock != promotion.lock:
        what = f"{promotion.target}'s lock of {wanted} has not the same checksums as what ran in {source}"
        same = "lock both from the same publishers or mirror's content, and for the same architectures"
        yield f"{what}; {same} (python -m ops lock {wanted})"


def _direction(promotion: Promotion, rollback: bool) -> Iterator[str]:
    older = skew.older(promotion.now, promotion.then)
    if promotion.target_release == promotion.source_release:
        yield f"{promotion.target} pins release {promotion.target_release} already; there is nothing to promote"
    elif older and not rollback:
        yield f"{promotion.target} would go back ({', '.join(older)}); say --rollback if that is what you want"
