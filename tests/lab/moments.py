"""Moments in a run: what has to be seen in the engine's log and on a host until something is killed.

Moments are events, not times, so that they are as different on a slow machine as on a fast one. Owns the killing of the
engine and of a host's turn. Does not own which moments there are, nor what must hold afterwards: the tests do.
"""

import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import hosts
from tests.lab.program import FOLDER, kill
from tests.lab.trial import Trial

LONGEST = 150.0  # seconds until a moment comes, on a busy machine
GLANCE = 0.02

# A turn in a session of its own, so that all of it can be killed at once, as nobody but an operator or a crash would.
TURN = """cat >/run/turn.sh
setsid sh /run/turn.sh again >/run/turn.log 2>&1 &
n=0
until {until}; do
    kill -0 $! || {{ cat /run/turn.log; echo 'the turn ended before'; exit 1; }}
    n=$((n + 1)); [ $n -lt {tries} ] || {{ cat /run/turn.log; echo 'too late'; exit 1; }}
    sleep {glance}
done
kill -9 -$!"""


@dataclass(frozen=True)
class Moment:
    """``log`` has appeared in the engine's log and, after that, ``on_host`` is true on ``host``."""

    name: str
    log: str
    host: str = ""
    on_host: str = ""


@dataclass
class Killed:
    """What happened: the moments that came, and the seconds that all runs took together, the last one included."""

    moments: list[str] = field(default_factory=list)
    seconds: float = 0.0


def killed_at(trial: Trial, moments: Sequence[Moment], changes: Mapping[str, Any] | None) -> Killed:
    """An ``up`` killed at each moment in turn, and then left alone."""
    killed = Killed()
    for moment in moments:
        kill_at(trial, moment, changes, killed)
    finish(trial, changes, killed)
    return killed


def kill_at(trial: Trial, moment: Moment, changes: Mapping[str, Any] | None, killed: Killed) -> None:
    """kill -9 of the engine, its plugins included, when the moment has come."""
    started = time.monotonic()
    log = FOLDER / f"{trial.program.stack}.{len(killed.moments)}.log"
    engine = trial.program.start(changes, log)
    try:
        _await(moment, engine, log)
        assert engine.poll() is None, f"the engine ended before it was killed:\n{_end(log)}"
    finally:
        kill(engine)
    killed.moments.append(moment.name)
    killed.seconds += time.monotonic() - started
    print(f"killed after {time.monotonic() - started:.1f} s: {moment.name}")


def finish(trial: Trial, changes: Mapping[str, Any] | None, killed: Killed) -> None:
    """The ``up`` that nobody kills."""
    done = trial.program.up(changes).ok()
    killed.seconds += done.seconds
    print(f"finished in {done.seconds:.1f} s; all runs together took {killed.seconds:.1f} s")


def kill_turn(trial: Trial, host: str, until: str) -> None:
    """Begins a master's turn as the engine did last, and kills all of it as soon as ``until`` is true there."""
    (turn,) = (one for one in deployment(trial)["resources"] if one["urn"].endswith(f"::{host}-activate"))
    script = TURN.format(until=until, tries=int(LONGEST / GLANCE), glance=GLANCE)
    done = hosts.run(host, script, stdin=turn["inputs"]["stdin"], timeout=LONGEST * 2)
    assert done.returncode == 0, done.stdout + done.stderr


def deployment(trial: Trial) -> dict[str, Any]:
    """The stack's state."""
    return dict(json.loads(trial.program.state())["deployment"])


def _await(moment: Moment, engine: "subprocess.Popen[str]", log: Path) -> None:
    deadline = time.monotonic() + LONGEST
    pattern = re.compile(moment.log)
    while not pattern.search(log.read_text(errors="replace")):
        assert engine.poll() is None, f"the engine ended before {moment.name}:\n{_end(log)}"
        assert time.monotonic() < deadline, f"{moment.name}: not within {LONGEST} s:\n{_end(log)}"
        time.sleep(GLANCE)
    if moment.host:
        tries = int(LONGEST / GLANCE)
        wait = f"n=0; until {moment.on_host}; do n=$((n+1)); [ $n -lt {tries} ] || exit 1; sleep {GLANCE}; done"
        hosts.run(moment.host, wait, check=True, timeout=LONGEST * 2)


def _end(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
