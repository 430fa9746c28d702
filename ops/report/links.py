"""Who asks whom in a stack.

Owns which links there are, and whether anything goes through them. Does not own the boxes at their ends (``boxes``).
"""

from collections.abc import Iterable, Iterator, Sequence

from ops import health
from ops.health import Report
from ops.report.graph import ADDRESS, Box, Link, Tier, key
from ops.report.markup import State
from render import load_balancer
from settings import Stack


def links(stack: Stack, found: Report, boxes: Sequence[Box]) -> list[Link]:
    """From clients by way of address and load balancers to masters and hubs, and from hubs to their stores."""
    of = {tier: [box.key for box in boxes if box.tier == tier] for tier in Tier}
    return [
        *(Link(client, ADDRESS, State.PLAIN) for client in of[Tier.CLIENTS]),
        *_beyond_the_address(stack, found),
        *(Link(hub, store, State.PLAIN) for hub in of[Tier.HUBS] for store in of[Tier.STORES]),
    ]


def _beyond_the_address(stack: Stack, found: Report) -> Iterator[Link]:
    """From the address to the load balancers, and from those to what they balance."""
    targets = {
        load_balancer.API_SERVICE: (Tier.MASTERS, list(stack.masters())),
        load_balancer.HUB_SERVICE: (Tier.HUBS, list(stack.hubs())),
    }
    for name in stack.load_balancers():
        serves = name in found.vip_holders or not stack.load_balancer.vip
        yield Link(ADDRESS, key(Tier.BALANCERS, name), State.PLAIN, busy=serves)
        for service, (tier, hosts) in targets.items():
            verdicts = {one.name: one.verdict for one in _upstreams(found, name, service)}
            for host in hosts:
                yield Link(key(Tier.BALANCERS, name), key(tier, host), _verdict(verdicts.get(host)), busy=serves)


def _upstreams(found: Report, balancer: str, service: str) -> Iterable[health.Upstream]:
    return [one for one in found.upstreams if (one.balancer, one.service) == (balancer, service)]


def _verdict(said: str | None) -> State:
    if said is None:
        return State.UNKNOWN
    return State.WELL if said == "up" else State.WRONG
