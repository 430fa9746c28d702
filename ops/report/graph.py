"""What a drawing of a stack consists of: boxes, in the order in which a request meets them, and links.

Does not own what there is in a stack (``boxes``, ``links``), nor where anything is drawn (``layout``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from ops.report.markup import State
from render.static_pods import ETCD_PEER_PORT

CLIENTS, ADDRESS = "clients", "address"  # the keys of boxes that are no hosts


class Tier(IntEnum):
    """The stages of a request, in its order."""

    CLIENTS = 0
    ADDRESS = 1
    BALANCERS = 2
    MASTERS = 3
    HUBS = 4
    STORES = 5


CAPTIONS = {
    Tier.CLIENTS: "clients",
    Tier.ADDRESS: "address",
    Tier.BALANCERS: "load balancers",
    Tier.MASTERS: "masters",
    Tier.HUBS: "hubs",
    Tier.STORES: "stores, not asked",
}


@dataclass(frozen=True)
class Line:
    """A line in a box: plain, or of a state, which it says in words as well."""

    text: str
    state: State = State.PLAIN


@dataclass(frozen=True)
class Box:
    """A host in one role, or what stands outside the hosts. ``leads``: it is first among its like."""

    key: str
    tier: Tier
    title: str
    address: str
    lines: tuple[Line, ...]
    leads: bool = False

    @property
    def state(self) -> State:
        """The worst of its lines."""
        states = {line.state for line in self.lines}
        worst = (State.WRONG, State.SOON, State.UNKNOWN, State.WELL)
        return next((state for state in worst if state in states), State.PLAIN)


@dataclass(frozen=True)
class Link:
    """``source`` sends its requests to ``target``; ``busy``: now, as far as is known, and not only if need be."""

    source: str
    target: str
    state: State
    busy: bool = True


@dataclass(frozen=True)
class Graph:
    """All boxes, tier by tier, the links between them, and how the etcd member of each master is."""

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    peers: Mapping[str, State]

    def of(self, tier: Tier) -> list[Box]:
        """The boxes of one tier."""
        return [box for box in self.boxes if box.tier == tier]


def key(tier: Tier, host: str) -> str:
    """A host may have several roles, and has a box for each."""
    return f"{tier.name.lower()}-{host}"


def sentences(drawn: Graph) -> str:
    """The drawing in words, for whoever does not see it."""
    titles = {box.key: box.title for box in drawn.boxes}
    parts = [f"{box.title}: {'; '.join(line.text for line in box.lines)}." for box in drawn.boxes]
    lost = [link for link in drawn.links if link.state == State.WRONG]
    parts += [f"{titles[link.source]} sends nothing to {titles[link.target]}." for link in lost]
    peers = ", ".join(titles[one] for one in drawn.peers)
    return " ".join([*parts, f"etcd peers, port {ETCD_PEER_PORT}: {peers}."])
