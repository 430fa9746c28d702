"""When certificates end, as a timeline: a bar for each day on which some do.

Owns which certificates share a bar, and the axis, on which a week that is near is as wide as a year that is far. Does
not own what is too soon (``ops.health``).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ops import health
from ops.health import Certificate
from ops.report.markup import State
from ops.report.timeline import Bar, Tick, Timeline, Zone

RENEWED = timedelta(days=30)  # an `up` renews what ends within it, as components/certificates.py has it
BARS = 9
NAMES = 5  # of files, in a bar's details
ROOTS = ("/etc/kubernetes/pki/", "/etc/kubernetes/", "/var/lib/kubelet/pki/", "/etc/evenkeel/")
AXIS = {0: "today", 7: "1 week", 14: "2 weeks", 30: "1 month", 90: "3 months", 365: "1 year", 3650: "10 years"}
SHORTEST_DAYS = 400


@dataclass(frozen=True)
class Day:
    """The certificates that end on one day."""

    day: date
    left: timedelta
    held: tuple[Certificate, ...]

    @property
    def state(self) -> State:
        """As ``ops status`` has it, and whether the next ``up`` renews them."""
        if self.left < health.SOON:
            return State.WRONG
        return State.SOON if self.left < RENEWED else State.WELL


def days(certificates: Iterable[Certificate], now: datetime) -> list[Day]:
    """By day, those that end first at the beginning."""
    found: dict[date, list[Certificate]] = {}
    for one in sorted(certificates, key=lambda one: (one.not_after, one.path, one.host)):
        found.setdefault(one.not_after.date(), []).append(one)
    return [Day(day, held[0].not_after - now, tuple(held)) for day, held in found.items()]


def timeline(found: Sequence[Day]) -> Timeline:
    """The first of them, drawn."""
    longest = max([SHORTEST_DAYS, *(day.left.days for day in found)]) * 1.1
    shown, more = found[:BARS], len(found) - BARS
    words = [f"{day.day}: {left(day.left)}, {_details(day)}." for day in shown]
    words += [f"{more} later days are in the table."] if more > 0 else []
    return Timeline(
        name="ends",
        title="When certificates end",
        description=" ".join(words),
        bars=[
            Bar(
                f"{day.day}", left(day.left), 0, at(day.left.total_seconds() / 86400, longest), day.state, _details(day)
            )
            for day in shown
        ],
        ticks=[Tick(at(days, longest), name) for days, name in AXIS.items() if days <= longest],
        zones=[
            Zone(0, at(health.SOON.days, longest), State.WRONG),
            Zone(at(health.SOON.days, longest), at(RENEWED.days, longest), State.SOON),
        ],
    )


def left(time: timedelta) -> str:
    """How long until then, in words."""
    if time < timedelta(0):
        ago = -time.days - 1
        return f"ended {ago} {_plural('day', ago)} ago"
    return f"{time.days} {_plural('day', time.days)} left"


def short(path: str) -> str:
    """A file's name within the folder where all of its kind lie."""
    return next((path.removeprefix(root) for root in ROOTS if path.startswith(root)), path)


def at(days: float, longest: float) -> float:
    """Where on the axis."""
    return math.log1p(max(0.0, days)) / math.log1p(longest)


def _details(day: Day) -> str:
    names = list(dict.fromkeys(short(one.path) for one in day.held))
    hosts = list(dict.fromkeys(one.host for one in day.held))
    more = len(names) - NAMES
    files = ", ".join(names[:NAMES]) + (f" and {more} more {_plural('file', more)}" if more > 0 else "")
    return f"{files} on {', '.join(hosts)}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
