"""The last roll: when each host had its turn, as the engine's state has it.

The engine writes down when it last changed a resource, so a turn ended when its command's resource did. It began when
the last thing that it waits for had ended, or with the run. Owns that reading. Does not own asking (``engine``), nor
which commands are turns (``ops.review.turns``).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.report.markup import State
from ops.report.timeline import Bar, Tick, Timeline
from ops.review.preview import host_of
from ops.review.turns import BALANCER, HUB, NODE, TURNS

WHOLE_SECONDS = timedelta(seconds=1)  # a run's times may have no fractions
ORDER = (NODE, BALANCER, HUB)
STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)  # seconds between two names on the axis
NAMES = 6
SUCCEEDED = "succeeded"


@dataclass(frozen=True)
class Turn:
    """A host's turn as one of its roles.

    ``exact``: what it waited for has not changed since; else it began then or later, and took at most so long.
    """

    host: str
    role: str
    began: datetime
    ended: datetime
    exact: bool = True

    @property
    def took(self) -> str:
        """From the end of what it waited for to its own, in words."""
        return f"{'' if self.exact else 'at most '}{duration(self.ended - self.began)}"


@dataclass(frozen=True)
class Roll:
    """The last run in which hosts had their turn. ``result``: what the engine says of it, None where it never ended.

    ``failed_since``: when the newest run began, if that came later and failed before any turn had ended.
    """

    began: datetime
    result: str | None
    turns: Sequence[Turn]
    failed_since: datetime | None = None


@dataclass(frozen=True)
class Run:
    """An ``up`` that ended."""

    began: datetime
    ended: datetime
    result: str


def last_roll(state: str, history: str, hosts: Iterable[str]) -> Roll | None:
    """``state``: what ``pulumi stack export`` prints; ``history``: ``pulumi stack history --json``."""
    resources = _changed(json.loads(state)["deployment"].get("resources") or [])
    names = list(hosts)
    steps = {urn: turn for urn in resources if (turn := _turn(urn, names))}
    newest = max((resources[urn].ended for urn in steps), default=None)
    if newest is None:
        return None
    runs = [_run(one) for one in json.loads(history) if _is_run(one)]
    began, result = _window(runs, newest, [one.ended for one in resources.values()])
    of_run: dict[tuple[str, str], list[_Changed]] = {}
    for urn, whose in steps.items():
        if resources[urn].ended >= began:
            of_run.setdefault(whose, []).append(resources[urn])
    turns = [_whole(whose, changed, resources, began) for whose, changed in of_run.items()]
    turns.sort(key=lambda one: (one.began, one.ended, ORDER.index(one.role), one.host))
    return Roll(began, result, turns, _failed_since(runs, newest))


@dataclass(frozen=True)
class _Changed:
    ended: datetime
    after: Sequence[str]


def _changed(resources: Iterable[Mapping[str, Any]]) -> dict[str, _Changed]:
    return {
        one["urn"]: _Changed(_time(one["modified"]), one.get("dependencies") or ())
        for one in resources
        if one.get("modified") and not one.get("delete")
    }


def _whole(
    whose: tuple[str, str], steps: Sequence[_Changed], all_of_them: Mapping[str, _Changed], run: datetime
) -> Turn:
    """A turn of one step or several, which began with the first of them."""
    first, last = min(steps, key=lambda one: one.ended), max(steps, key=lambda one: one.ended)
    before = [all_of_them[urn].ended for urn in first.after if urn in all_of_them]
    known = [ended for ended in before if ended <= first.ended]
    return Turn(*whose, max([run, *known]), last.ended, exact=known == before)


def _turn(urn: str, hosts: Sequence[str]) -> tuple[str, str] | None:
    name = urn.rpartition("::")[2]
    host = host_of(name, hosts)
    role = TURNS.get(name.removeprefix(f"{host}-"))
    return (host, role) if host and role else None


def _is_run(entry: Mapping[str, Any]) -> bool:
    return entry.get("kind") == "update" and bool(entry.get("endTime"))


def _run(entry: Mapping[str, Any]) -> Run:
    return Run(_time(entry["startTime"]), _time(entry["endTime"]), entry.get("result", ""))


def _window(runs: Sequence[Run], newest: datetime, changes: Sequence[datetime]) -> tuple[datetime, str | None]:
    """When the run that held ``newest`` began, and its result.

    One that goes on, or was killed, is in no history: it began at the latest with the first change after the others.
    """
    for run in runs:
        if run.began <= newest <= run.ended + WHOLE_SECONDS:
            return run.began, run.result
    others = [run.ended for run in runs if run.ended < newest]
    return min(change for change in changes if not others or change > max(others)), None


def _failed_since(runs: Sequence[Run], newest: datetime) -> datetime | None:
    last = max(runs, key=lambda run: run.began, default=None)
    return last.began if last and last.began > newest and last.result != SUCCEEDED else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def timeline(roll: Roll) -> Timeline:
    """A bar for each turn, from the beginning of the first."""
    first, last = min(turn.began for turn in roll.turns), max(turn.ended for turn in roll.turns)
    whole = max(1.0, (last - first).total_seconds())
    step = next((step for step in STEPS if whole / step <= NAMES), STEPS[-1])
    return Timeline(
        name="roll",
        title=f"Each host's turn in the run of {roll.began:%Y-%m-%d %H:%M} UTC",
        description=" ".join(f"{turn.host}, {turn.role}: {turn.took}." for turn in roll.turns),
        bars=[
            Bar(
                f"{turn.host}, {turn.role}" if turn.role != NODE else turn.host,
                turn.took,
                (turn.began - first).total_seconds() / whole,
                (turn.ended - first).total_seconds() / whole,
                State.WELL,
            )
            for turn in roll.turns
        ],
        ticks=[Tick(at / whole, f"{at // 60}:{at % 60:02}") for at in range(0, int(whole) + 1, step)],
    )


def duration(time: timedelta) -> str:
    """Seconds, and minutes where there are any."""
    seconds = time.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds % 1 and seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
