"""Where the boxes and links of a graph lie: once from left to right, and once from top to bottom for narrow screens.

Owns places and sizes, in CSS pixels. Does not own what is in a box (``graph``), nor the drawing (``topology``).
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ops.report.graph import Box, Graph, Line, Link, Tier
from ops.report.markup import State

PAD, SIGN, GAP, CAPTION = 10, 18, 14, 22
TITLE, ROW = 20, 18  # the height of a row
# How wide a character is, in a font that is wide: no text may leave its box.
TITLE_CHARACTER, CHARACTER = 9.4, 7.3

WIDE = 1136
# Left edge and width of each column.
COLUMNS = {
    Tier.CLIENTS: (0, 178),
    Tier.ADDRESS: (222, 166),
    Tier.BALANCERS: (432, 200),
    Tier.MASTERS: (696, 232),
    Tier.HUBS: (696, 232),
    Tier.STORES: (978, 158),
}
SPREAD = 14  # between links that end at one box

TALL = 358
OUTER, LANE, INTO = 6, 11, 22  # the outermost lane, from one lane to the next, and from the last to the boxes
LANDS, LEAVES = 0.35, 0.75  # where in a box's height links end and begin
RIGHT = 26  # for the lanes of peers and stores


@dataclass(frozen=True)
class Place:
    """A box where it lies, its texts cut into rows."""

    box: Box
    x: float
    y: float
    width: float
    title: tuple[str, ...]
    rows: tuple[tuple[Line, tuple[str, ...]], ...]

    @property
    def height(self) -> float:
        """Of all its rows."""
        rows = sum(len(texts) for _, texts in self.rows) + bool(self.box.address)
        return 2 * PAD + TITLE * len(self.title) + ROW * rows

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def middle(self) -> float:
        """Half its height."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Stroke:
    """A line. ``end``: where its arrow's tip is, if it has one, or the sign that nothing goes through."""

    path: str
    state: State = State.PLAIN
    busy: bool = True
    end: tuple[float, float] | None = None
    backwards: bool = False


@dataclass
class Layout:
    """Everything with its place. ``captions``: x, y, text, and whether the text ends at x."""

    width: float
    height: float = 0
    places: dict[str, Place] = field(default_factory=dict)
    strokes: list[Stroke] = field(default_factory=list)
    captions: list[tuple[float, float, str, bool]] = field(default_factory=list)

    def put(self, boxes: Iterable[Box], caption: str, x: float, y: float, width: float) -> float:
        """Places boxes of one tier below each other, and says where the next one may begin."""
        stacked = list(boxes)
        if not stacked:
            return y
        self.captions.append((x, y + 14, caption, False))
        y += CAPTION
        for box in stacked:
            place = _place(box, x, y, width)
            self.places[box.key] = place
            y += place.height + GAP
        self.height = max(self.height, y - GAP + 2)
        return y + GAP / 2


def wide(drawn: Graph, captions: dict[Tier, str], peers: str) -> Layout:
    """From left to right, a tier a column; hubs lie below the masters."""
    layout = Layout(WIDE)
    below_masters = _column(layout, drawn, captions, Tier.MASTERS, 0)
    _column(layout, drawn, captions, Tier.HUBS, below_masters)
    _column(layout, drawn, captions, Tier.STORES, below_masters)
    for tier in (Tier.CLIENTS, Tier.ADDRESS, Tier.BALANCERS):
        own = _column(Layout(WIDE), drawn, captions, tier, 0) - GAP * 1.5
        _column(layout, drawn, captions, tier, max(0, (layout.height - own) / 2))
    layout.strokes = [_curve(layout, drawn, link) for link in drawn.links]
    _peers(layout, drawn, COLUMNS[Tier.MASTERS][0] + COLUMNS[Tier.MASTERS][1] + 18)
    bus = [layout.places[one] for one in drawn.peers]
    if len(bus) > 1:
        middle = (bus[0].middle + bus[-1].middle) / 2
        layout.captions.append((bus[0].right + 26, middle + 4, peers, False))
    return layout


def tall(drawn: Graph, captions: dict[Tier, str], peers: str) -> Layout:
    """From top to bottom, with lanes for the links: those of requests on the left, others on the right."""
    layout = Layout(TALL)
    balancers = drawn.of(Tier.BALANCERS)
    left = OUTER + LANE * len(balancers) + INTO
    y = 0.0
    for tier in Tier:
        if tier == Tier.MASTERS and len(drawn.peers) > 1:
            layout.captions.append((TALL, y + 14, peers, True))
        y = layout.put(drawn.of(tier), captions[tier], left, y, TALL - left - RIGHT)
    lanes = {box.key: OUTER + LANE * (index + 1) for index, box in enumerate(balancers)}
    for source in dict.fromkeys(link.source for link in drawn.links):
        links = [link for link in drawn.links if link.source == source]
        if layout.places[source].box.tier == Tier.HUBS:
            layout.strokes += [_right_lane(layout, link) for link in links]
        else:
            layout.strokes += _left_lane(layout, drawn, links, lanes.get(source, OUTER))
    _peers(layout, drawn, TALL - RIGHT + 14)
    return layout


def _column(layout: Layout, drawn: Graph, captions: dict[Tier, str], tier: Tier, y: float) -> float:
    x, width = COLUMNS[tier]
    return layout.put(drawn.of(tier), captions[tier], x, y, width)


def _place(box: Box, x: float, y: float, width: float) -> Place:
    inner = width - 2 * PAD
    # The title has its sign before it, and a line has one when it says more than plain.
    title = textwrap.wrap(box.title, int((inner - SIGN) / TITLE_CHARACTER))
    rows = [
        (line, tuple(textwrap.wrap(line.text, int((inner - SIGN * (line.state != State.PLAIN)) / CHARACTER))))
        for line in box.lines
    ]
    return Place(box, x, y, width, tuple(title), tuple(rows))


def _landing(layout: Layout, drawn: Graph, link: Link, part: float = 0.5) -> float:
    """Where at the target's side this one of its links ends; together they are at this part of its height."""
    place = layout.places[link.target]
    links = [one for one in drawn.links if one.target == link.target]
    spread = min(SPREAD, (place.height - 2 * PAD) / max(1, len(links) - 1))
    return place.y + place.height * part + spread * (links.index(link) - (len(links) - 1) / 2)


def _curve(layout: Layout, drawn: Graph, link: Link) -> Stroke:
    source, target = layout.places[link.source], layout.places[link.target]
    y = _landing(layout, drawn, link)
    bend = (target.x - source.right) / 2
    start = f"M{source.right:g} {source.middle:g}"
    path = f"{start}C{source.right + bend:g} {source.middle:g} {target.x - bend:g} {y:g} {target.x - 8:g} {y:g}"
    return Stroke(path, link.state, link.busy, (target.x, y))


def _left_lane(layout: Layout, drawn: Graph, links: Sequence[Link], lane: float) -> list[Stroke]:
    """A lane from a box, and from the lane an arrow for each of its links: the lane goes as far as anything does."""
    source = layout.places[links[0].source]
    landings = [_landing(layout, drawn, link, LANDS) for link in links]
    state = State.WELL if any(link.state == State.WELL for link in links) else State.PLAIN
    leave = source.y + source.height * LEAVES
    trunk = Stroke(f"M{source.x:g} {leave:g}H{lane:g}V{max(landings):g}", state, any(link.busy for link in links))
    ends = [(layout.places[link.target].x, y) for link, y in zip(links, landings, strict=True)]
    arrows = [
        Stroke(f"M{lane:g} {y:g}H{x - 8:g}", link.state, link.busy, (x, y))
        for link, (x, y) in zip(links, ends, strict=True)
    ]
    return [trunk, *arrows]


def _right_lane(layout: Layout, link: Link) -> Stroke:
    source, target = layout.places[link.source], layout.places[link.target]
    path = f"M{source.right:g} {source.middle:g}H{TALL - RIGHT + 14:g}V{target.middle:g}H{target.right + 8:g}"
    return Stroke(path, link.state, link.busy, (target.right, target.middle), backwards=True)


def _peers(layout: Layout, drawn: Graph, x: float) -> None:
    places = [layout.places[one] for one in drawn.peers]
    if len(places) < 2:
        return
    layout.strokes.append(Stroke(f"M{x:g} {places[0].middle:g}V{places[-1].middle:g}"))
    for place, member in zip(places, drawn.peers.values(), strict=True):
        path = f"M{place.right:g} {place.middle:g}H{x:g}"
        lost = Stroke(path, State.WRONG, end=(place.right, place.middle), backwards=True)
        layout.strokes.append(lost if member == State.WRONG else Stroke(path))
