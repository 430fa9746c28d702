"""What the engine's state and history tell of the last roll."""

import json
from datetime import datetime, timedelta
from typing import Any

from ops.report import roll, sections
from tests.ops.readings import NOW

HOSTS = ("shaolin", "wudang", "lb1", "lb", "hub1")
URN = "urn:pulumi:dev::evenkeel::evenkeel:index:Roll$command:remote:Command::"


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def resource(name: str, ended: float, *after: str) -> dict[str, Any]:
    return {"urn": URN + name, "modified": at(ended), "dependencies": [URN + one for one in after]}


def state(*resources: dict[str, Any]) -> str:
    return json.dumps({"version": 3, "deployment": {"resources": list(resources)}})


def history(*runs: tuple[str, int, int, str]) -> str:
    """Newest first, as the engine has them, in whole seconds."""
    entries = [
        {"kind": kind, "startTime": at(start), "endTime": at(end), "result": result}
        for kind, start, end, result in runs
    ]
    return json.dumps(entries)


def told(found: roll.Roll | None) -> list[tuple[str, str, float, float]]:
    assert found is not None
    return [(one.host, one.role, seconds(one.began), seconds(one.ended)) for one in found.turns]


def seconds(moment: datetime) -> float:
    return (moment - NOW).total_seconds()


ROLLED = state(
    resource("shaolin-files", 20),
    resource("wudang-files", 22),
    resource("shaolin-activate", 51.5, "shaolin-files"),
    resource("wudang-activate", 80.25, "wudang-files", "shaolin-activate"),
    resource("lb1-activate-lb", -500, "shaolin-files"),
    resource("hub1-leave", 30, "shaolin-files"),
    resource("hub1-return", 44, "hub1-leave"),
    {"urn": URN + "shaolin", "dependencies": []},
)


def test_a_turn_lasts_from_the_end_of_what_it_waits_for_to_its_own() -> None:
    found = roll.last_roll(ROLLED, history(("update", 0, 80, "succeeded"), ("update", -900, -400, "succeeded")), HOSTS)
    assert told(found) == [
        ("hub1", "hub", 20, 44),
        ("shaolin", "node", 20, 51.5),
        ("wudang", "node", 51.5, 80.25),
    ]
    assert found is not None
    assert found.result == "succeeded"


def test_a_run_that_changed_no_host_is_not_the_last_roll() -> None:
    runs = history(("update", 900, 903, "succeeded"), ("update", 0, 81, "failed"), ("update", -900, -400, "succeeded"))
    found = roll.last_roll(ROLLED, runs, HOSTS)
    assert found is not None
    assert (seconds(found.began), found.result) == (0, "failed")


def test_a_run_that_failed_before_any_turn_had_ended_is_told_beside_the_roll_before_it() -> None:
    runs = history(("update", 900, 903, "failed"), ("update", 0, 81, "succeeded"))
    found = roll.last_roll(ROLLED, runs, HOSTS)
    assert found is not None
    assert (seconds(found.began), found.result) == (0, "succeeded")
    assert found.failed_since == NOW + timedelta(seconds=900)
    assert "A later run, of 2026-11-25 00:15 UTC, failed" in "".join(sections.outcome(found).itertext())


def test_a_run_that_was_killed_is_shown_as_far_as_it_came() -> None:
    """It is in no history, so it began when the first thing after the run before it changed."""
    found = roll.last_roll(ROLLED, history(("update", -900, -400, "succeeded")), HOSTS)
    assert [host for host, *_ in told(found)] == ["hub1", "shaolin", "wudang"]
    assert found is not None
    assert (seconds(found.began), found.result) == (20, None)


def test_a_turn_that_waited_for_nothing_began_with_its_run() -> None:
    found = roll.last_roll(state(resource("lb1-activate-lb", 5)), history(("update", 2, 6, "succeeded")), HOSTS)
    assert told(found) == [("lb1", "load balancer", 2, 5)]


def test_a_turn_whose_beginning_was_written_over_says_how_long_it_took_at_most() -> None:
    """A later run stages a host's files anew and fails before its turn: the state knows only when that was."""
    changed = state(resource("shaolin-files", 905), resource("shaolin-activate", 51.5, "shaolin-files"))
    found = roll.last_roll(changed, history(("update", 900, 906, "failed"), ("update", 0, 81, "succeeded")), HOSTS)
    assert told(found) == [("shaolin", "node", 0, 51.5)]
    assert found is not None
    assert found.turns[0].took == "at most 52 s"


def test_a_stack_that_was_never_up_has_no_roll() -> None:
    assert roll.last_roll(state(), history(), HOSTS) is None
    assert roll.last_roll(json.dumps({"deployment": {}}), "[]", HOSTS) is None


def test_the_bars_begin_with_the_first_turn_and_say_how_long_each_took() -> None:
    found = roll.last_roll(ROLLED, history(("update", 0, 81, "succeeded")), HOSTS)
    assert found is not None
    shown = roll.timeline(found)
    assert [(bar.label, bar.note) for bar in shown.bars] == [
        ("hub1, hub", "24 s"),
        ("shaolin", "32 s"),
        ("wudang", "29 s"),
    ]
    assert (shown.bars[0].start, shown.bars[-1].end) == (0, 1)
    assert [tick.name for tick in shown.ticks] == ["0:00", "0:20", "0:40", "1:00"]
