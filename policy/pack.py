"""Makes Pulumi's policies of plain functions over resources: the name is the function's, the description its docstring.

A function yields a sentence for each fault; over a whole stack, with the URN of the resource that it is about.
"""

from collections.abc import Callable, Iterator, Sequence

from pulumi_policy import (
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.resources import Fault, Resource

OfOne = Callable[[Resource], Iterator[str]]
OfAll = Callable[[Sequence[Resource]], Iterator[Fault]]


def of_each_resource(policy: OfOne) -> ResourceValidationPolicy:
    """A policy that is asked of each resource, before it is made or changed."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for text in policy(args):
            report(text, None)

    return ResourceValidationPolicy(_name(policy), _description(policy), validate)


def of_the_stack(policy: OfAll) -> StackValidationPolicy:
    """A policy that is asked once all resources are known."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for text, urn in policy(args.resources):
            report(text, urn)

    return StackValidationPolicy(_name(policy), _description(policy), validate)


def _name(policy: OfOne | OfAll) -> str:
    return policy.__name__.replace("_", "-")


def _description(policy: OfOne | OfAll) -> str:
    return (policy.__doc__ or "").partition("\n")[0]
