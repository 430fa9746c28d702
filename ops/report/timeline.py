"""A drawing of bars over time, as SVG.

Owns how bars, an axis and zones become SVG, for wide and for narrow screens. Does not own what they stand for
(``ends``, ``roll``), nor colours (page.css).
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from ops.report.layout import CHARACTER, SIGN, TALL, TITLE_CHARACTER, WIDE
from ops.report.markup import State, add, sign, tag

LABEL, NOTE = 200, 150  # the columns beside a wide drawing's bars
BAR, STRIP, ROW, AXIS = 12, 24, 18, 24
NEAR_AN_END = 0.08  # of the axis: a name there does not lie on both sides of its tick
APART = 66  # what the axis' names need on a narrow screen


@dataclass(frozen=True)
class Bar:
    """From ``start`` to ``end``, as fractions of the axis; ``note`` says how much that is, ``details`` what it is."""

    label: str
    note: str
    start: float
    end: float
    state: State
    details: str = ""


@dataclass(frozen=True)
class Tick:
    """A name on the axis."""

    at: float
    name: str


@dataclass(frozen=True)
class Zone:
    """A part of the axis that means something."""

    start: float
    end: float
    state: State


@dataclass(frozen=True)
class Timeline:
    """What is drawn, and in words what that shows."""

    name: str
    title: str
    description: str
    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    zones: Sequence[Zone] = ()


def draw(shown: Timeline) -> list[Element]:
    """The drawing twice: for wide screens and for narrow ones. The page's stylesheet shows one of them."""
    wide = _svg(shown, f"{shown.name}-wide", WIDE, (LABEL, WIDE - NOTE))
    tall = _svg(shown, f"{shown.name}-tall", TALL, (0, TALL))
    return [tag("div", wide, class_="wide"), tag("div", tall, class_="tall")]


def _svg(shown: Timeline, name: str, width: float, span: tuple[float, float]) -> Element:
    narrow = width == TALL
    drawing = tag("svg", class_="drawing", role="img", aria_labelledby=f"{name}-title {name}-desc")
    add(drawing, tag("title", shown.title, id=f"{name}-title"), tag("desc", shown.description, id=f"{name}-desc"))
    add(drawing, *_axis(shown.ticks, span, narrow))
    y = float(AXIS)
    for bar in shown.bars:
        add(drawing, tag("text", bar.note, class_="line", x=width, y=y + 17, text_anchor="end"))
        room = width - CHARACTER * len(bar.note) if narrow else LABEL
        below = y + _label(drawing, bar, room, y)
        # On a narrow screen the bar is below its label.
        strip = below if narrow else y
        add(drawing, *_strip(shown, bar, span, strip + 2))
        y = max(below, strip + STRIP) + 2
        y += _details(drawing, bar, span, y)
    drawing.set("viewBox", f"0 0 {width:g} {y + 4:g}")
    return drawing


def _label(drawing: Element, bar: Bar, room: float, y: float) -> float:
    """Writes it behind the sign of the bar's state, and says how high it is."""
    lines = textwrap.wrap(bar.label, int((room - SIGN - 4) / TITLE_CHARACTER))
    add(drawing, sign(bar.state, 0, y + 4))
    for index, line in enumerate(lines):
        add(drawing, tag("text", line, class_="title", x=SIGN + 4, y=y + 17 + ROW * index))
    return ROW * len(lines)


def _strip(shown: Timeline, bar: Bar, span: tuple[float, float], y: float) -> list[Element]:
    """A bar, on the part of axis and zones behind it."""
    zones = [_rectangle("zone", zone.state, (zone.start, zone.end), span, (y, STRIP - 2)) for zone in shown.zones]
    grid = [tag("path", d=f"M{_at(tick.at, span):g} {y:g}v{STRIP - 2}", class_="grid") for tick in shown.ticks]
    inset = (STRIP - 2 - BAR) / 2
    return [*zones, *grid, _rectangle("bar", bar.state, (bar.start, bar.end), span, (y + inset, BAR), rx=3)]


def _rectangle(
    kind: str,
    state: State,
    part: tuple[float, float],
    span: tuple[float, float],
    rows: tuple[float, float],
    rx: int = 0,
) -> Element:
    left, right = (_at(one, span) for one in part)
    width = max(3.0, right - left)
    return tag("rect", class_=f"{kind} {state}", x=left, y=rows[0], width=width, height=rows[1], rx=rx)


def _details(drawing: Element, bar: Bar, span: tuple[float, float], y: float) -> float:
    """Writes them below the bar, and says how high they are."""
    lines = textwrap.wrap(bar.details, int((span[1] - span[0]) / CHARACTER)) if bar.details else []
    for index, line in enumerate(lines):
        add(drawing, tag("text", line, class_="address", x=span[0], y=y + 13 + ROW * index))
    return ROW * len(lines) + (8 if lines else 0)


def _axis(ticks: Sequence[Tick], span: tuple[float, float], narrow: bool) -> list[Element]:
    """The names of those ticks that have room for one."""
    drawn: list[Element] = []
    free = 0.0
    for tick in ticks:
        x = _at(tick.at, span)
        if x >= free:
            anchor = "start" if tick.at < NEAR_AN_END else "end" if tick.at > 1 - NEAR_AN_END else "middle"
            drawn.append(tag("text", tick.name, class_="caption", x=x, y=15, text_anchor=anchor))
            free = x + (APART if narrow else 0)
    return drawn


def _at(fraction: float, span: tuple[float, float]) -> float:
    return span[0] + (span[1] - span[0]) * min(1.0, max(0.0, fraction))
