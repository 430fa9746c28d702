"""Policies about how long certificates live, and what guards those that everything hangs on."""

import re
from collections.abc import Iterator, Sequence

from policy.resources import Fault, Resource, known

SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert"
LEAF = "tls:index/locallySignedCert:LocallySignedCert"
KEY = "tls:index/privateKey:PrivateKey"
GENERATION = re.compile(r"-\d+$")
LONGEST_LEAF_DAYS = 398  # 13 months, and the limit for servers' certificates in the open


def leaves_end_within_13_months(resource: Resource) -> Iterator[str]:
    """A leaf certificate that is stolen or forgotten must not live for years."""
    days = _hours(resource) / 24
    if resource.resource_type == LEAF and not known(resource.props, "isCaCertificate") and days > LONGEST_LEAF_DAYS:
        yield f"{resource.name} lives {days:.0f} days; make validity_period_hours at most {LONGEST_LEAF_DAYS * 24}"


def authorities_are_protected(resources: Sequence[Resource]) -> Iterator[Fault]:
    """An authority, and its key, cannot be deleted or replaced by a slip: every certificate would go with it.

    While it is renewed there are two, of which one issues.
    """
    names = {authority.name for authority in _authorities(resources)}
    guarded = [one for one in resources if one.resource_type in (SELF_SIGNED, KEY) and one.name in names]
    safe = {(one.resource_type, _ever(one)) for one in guarded if one.opts.protect}
    for resource in guarded:
        if (resource.resource_type, _ever(resource)) not in safe:
            yield f"{resource.name} is an authority's and not protected; register it with protect=True", resource.urn


def authorities_outlive_leaves(resources: Sequence[Resource]) -> Iterator[Fault]:
    """No certificate is given for longer than the authority that vouches for it lives."""
    longest = max((_hours(one) for one in resources if one.resource_type == LEAF), default=0)
    for authority in _authorities(resources):
        if 0 < _hours(authority) <= longest:
            lives = f"lives {_hours(authority):.0f} hours, and a certificate {longest:.0f}"
            yield f"{authority.name} {lives}; give authorities the longer life", authority.urn


def _authorities(resources: Sequence[Resource]) -> list[Resource]:
    return [one for one in resources if one.resource_type == SELF_SIGNED and known(one.props, "isCaCertificate")]


def _ever(resource: Resource) -> str:
    """The name of an authority's first generation (``render.generations``)."""
    return GENERATION.sub("", resource.name)


def _hours(resource: Resource) -> float:
    return float(known(resource.props, "validityPeriodHours") or 0)
