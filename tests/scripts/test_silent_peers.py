"""scripts/silent-peers.sh with an ss that says what it is told: whose connections end, and whose must not.

That ending them helps is seen where a master is cut off (tests/lab/test_failures.py).
"""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from render import silent_peers
from tests.waiting import eventually

CUT_OFF, WELL = "192.0.2.12:2379", "192.0.2.13:2379"
SS = """#!/bin/sh
echo "$*" >>"$STUB/asked"
case $1 in -tinOH) cat "$STUB/connections" ;; esac
"""
# As iproute2 prints them, shortened; what is 0 is left out.
IDLE = "0      0      192.0.2.11:53152 {} cubic rto:204 rtt:2.9/5.5 lastsnd:43340 lastrcv:43340 lastack:43340"
REPEATED = "0      31     192.0.2.11:53166 {} cubic rto:1632 backoff:3 rtt:0.5/0.7 lastsnd:920 lastrcv:{} unacked:1"
FULL = "0   3847680  192.0.2.11:53170 {} cubic rto:208 backoff:3 rtt:4.7/9.4 lastsnd:2300 lastrcv:2556 lastack:2556"
ANSWERED = "0      0      192.0.2.11:53188 {} cubic rto:204 rtt:0.5/0.7 lastsnd:8"


def looked(folder: Path, *connections: str) -> list[str]:
    """What ss was asked in two looks at these connections."""
    (folder / "connections").write_text("".join(f"{line}\n" for line in connections))
    (folder / "ss").write_text(SS)
    (folder / "ss").chmod(0o755)
    asked = folder / "asked"
    asked.touch()
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "STUB": str(folder)}
    command = ["sh", str(silent_peers.SCRIPT), CUT_OFF, WELL]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            eventually(lambda: asked.read_text().count("-tinOH") > 1, 10, "it has looked twice")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    return asked.read_text().splitlines()


def ended(asked: list[str]) -> set[str]:
    """The peers to which connections were ended."""
    return {line.rpartition(" ")[2] for line in asked if line.startswith("-tK state established dst = ")}


def test_it_looks_at_connections_to_these_peers_alone(tmp_path: Path) -> None:
    assert f"-tinOH state established dst = {CUT_OFF} or dst = {WELL}" in looked(tmp_path)


def test_all_connections_to_a_peer_that_is_silent_end_and_no_others(tmp_path: Path) -> None:
    """Idle ones as well: the next request on them would wait for as long."""
    shown = [REPEATED.format(CUT_OFF, 2500), IDLE.format(CUT_OFF), IDLE.format(WELL), ANSWERED.format(WELL)]
    assert ended(looked(tmp_path, *shown)) == {CUT_OFF}


@pytest.mark.parametrize(
    "other",
    [
        IDLE.format(CUT_OFF),
        REPEATED.format(CUT_OFF, 500),
        REPEATED.format(CUT_OFF, 2500).replace("backoff:3", "backoff:2"),
    ],
    ids=["idle", "heard of just now", "repeated twice only"],
)
def test_a_peer_that_has_nothing_to_say_or_lost_a_packet_keeps_its_connections(tmp_path: Path, other: str) -> None:
    assert ended(looked(tmp_path, other, IDLE.format(WELL))) == set()


def test_a_peer_that_has_no_room_for_more_keeps_its_connections(tmp_path: Path) -> None:
    """TCP asks it ever less often whether it has, and it says no: a push waited for a hub's storage, and was ended."""
    assert ended(looked(tmp_path, FULL.format(CUT_OFF), IDLE.format(CUT_OFF))) == set()


def test_a_peer_that_answers_on_one_connection_keeps_all(tmp_path: Path) -> None:
    assert ended(looked(tmp_path, REPEATED.format(WELL, 9000), ANSWERED.format(WELL))) == set()
