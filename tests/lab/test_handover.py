"""The moment in which etcd's lead moves, on the masters of stack ``dev`` and with the scripts that lie there."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from lab import hosts
from tests.lab.program import Load
from tests.lab.readiness import ready
from tests.waiting import eventually

MASTERS = ("emei", "shaolin", "wudang")
MEMBERS = " ".join(f"{name}=https://{hosts.ADDRESSES[name]}:2380" for name in MASTERS)
UNIT = "evenkeel-handover"
APISERVER = "$(grep -lsx kube-apiserver /proc/[0-9]*/comm | cut -d / -f 3)"

pytestmark = [pytest.mark.lab, pytest.mark.alone]


@pytest.fixture(scope="module", autouse=True)
def _standing_by() -> Iterator[None]:
    """As in a roll of etcd, from the masters' staging until the last one's turn is over."""
    for name in MASTERS:
        shell(name, "etcd_stand_by")
    yield
    shell(MASTERS[-1], "etcd_roll_over")
    eventually(lambda: not any(stands_by(name) for name in MASTERS), 10, "nobody stands by any more")


def shell(name: str, lines: str) -> "subprocess.CompletedProcess[str]":
    """Lines of shell on a master that see what etcd.sh offers."""
    library = "".join(f". /usr/local/lib/evenkeel/{script}\n" for script in ("lib.sh", "etcd.sh"))
    variables = f"NODE={name} ADDRESS={hosts.ADDRESSES[name]} ETCD_MEMBERS='{MEMBERS}'"
    return hosts.run(name, f"set -eu\n{variables}\n{library}{lines}", check=True)


def stands_by(name: str) -> bool:
    return hosts.run(name, f"systemctl is-active {UNIT}").stdout.strip() == "active"


def member_id(name: str) -> int:
    return int(json.loads(shell(name, "etcd_status").stdout)[0]["Status"]["header"]["member_id"])


def leader() -> str:
    leads = json.loads(shell(MASTERS[0], "etcd_status").stdout)[0]["Status"]["leader"]
    return next(name for name in MASTERS if member_id(name) == leads)


def stopped(name: str) -> bool:
    return hosts.run(name, f"cut -d ' ' -f 3 /proc/{APISERVER}/stat").stdout.strip() == "T"


def hold_still(name: str) -> None:
    """Makes a master's apiserver wait for a lead that does not move."""
    shell(leader(), f'etcd_local put "$HANDOVER" "nobody {member_id(leader())}"')
    eventually(lambda: stopped(name), 3, f"{name} holds still")


def test_no_request_fails_while_etcds_lead_moves() -> None:
    """raft refuses what it is asked while its lead moves, or loses it: without the others' holding still, every second
    move cost a client an HTTP 500, of which a roll of etcd has one or two. The leader's own apiserver is away then."""
    load = Load.start()
    try:
        for _ in range(10):
            name = leader()
            moved = shell(name, f"kill -s STOP {APISERVER}; sleep 0.1; etcd_yield; kill -s CONT {APISERVER}")
            assert moved.stderr == ""
            assert leader() != name
    finally:
        reports = load.stop()
    for kind, report in reports.items():
        assert report["failures"] == 0, f"{kind}: {report['errors']}"
        assert report["requests"] > 50, kind


def test_an_apiserver_goes_on_though_the_lead_never_moves() -> None:
    """The member that was to hand it over may be killed just then."""
    name = next(name for name in MASTERS if name != leader())
    hold_still(name)
    eventually(lambda: not stopped(name) and ready(name), 6, f"{name} serves again")


def test_an_apiserver_goes_on_when_what_holds_it_is_killed() -> None:
    """Only systemd is left then; an apiserver that stays stopped would be noticed by its probes, a minute later."""
    name = next(name for name in MASTERS if name != leader())
    hold_still(name)
    hosts.run(name, f"systemctl kill --kill-whom=all --signal=KILL {UNIT}", check=True)
    eventually(lambda: not stopped(name) and ready(name), 2, f"{name} serves again")
    shell(name, "etcd_stand_by")


def test_an_apiserver_goes_on_after_three_seconds_though_etcd_does_not_answer() -> None:
    """Each question to a member that hangs waits 5 s, and there are several."""
    name = next(name for name in MASTERS if name != leader())
    etcd = "$(grep -lsx etcd /proc/[0-9]*/comm | cut -d / -f 3)"
    hold = "ETCD_WATCH_VALUE='nobody 1' /usr/local/lib/evenkeel/etcd-handover.sh hold >/dev/null 2>&1 &"
    hosts.run(name, f"kill -s STOP {etcd}", check=True)
    try:
        shell(name, f"export NODE ADDRESS ETCD_MEMBERS; {hold}")
        eventually(lambda: stopped(name), 3, f"{name} holds still")
        eventually(lambda: not stopped(name), 4, f"{name} goes on")
    finally:
        hosts.run(name, f"kill -s CONT {etcd}", check=True)
    eventually(lambda: ready(name), 10, f"{name} serves again")
