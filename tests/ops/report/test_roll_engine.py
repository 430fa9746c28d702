"""The last roll as the real engine tells of it, with nothing in the place of hosts."""

from pathlib import Path
from typing import Any

import pytest

from ops.report import engine
from ops.report.roll import Roll
from tests.hostless.site import Site, hostless, make
from tests.settings import samples

__all__ = ["hostless"]

pytestmark = pytest.mark.built

HOSTS = ("shaolin", "lb1")


def values(**of_shaolin: Any) -> dict[str, Any]:
    """One master and one load balancer."""
    hosts = {name: host for name, host in samples.values()["hosts"].items() if name in HOSTS}
    hosts["shaolin"] |= of_shaolin
    return samples.values() | {"hosts": hosts}


def last(site: Site, monkeypatch: pytest.MonkeyPatch) -> Roll:
    """Asked as the command asks, in the operator's folder and environment."""
    monkeypatch.chdir(site.folder)
    for name in ("PATH", *(name for name in site.environment if name.startswith("PULUMI_"))):
        monkeypatch.setenv(name, site.environment[name])
    found = engine.roll("dev", HOSTS)
    assert found is not None
    return found


def test_the_engine_tells_of_the_last_run_in_which_a_host_had_its_turn(
    hostless: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make(tmp_path / "clone", hostless)
    site.stack("dev", values())
    site.up("dev")
    birth = last(site, monkeypatch)
    assert {(turn.host, turn.role) for turn in birth.turns} == {("shaolin", "node"), ("lb1", "load balancer")}
    assert birth.result == "succeeded"
    assert all(birth.began <= turn.began <= turn.ended and turn.exact for turn in birth.turns)

    site.up("dev")
    assert last(site, monkeypatch) == birth, "a run that changed nothing is no roll"

    site.stack("dev", values(kubelet={"config": {"maxPods": 60}}))
    site.up("dev")
    change = last(site, monkeypatch)
    assert {(turn.host, turn.role) for turn in change.turns} == {("shaolin", "node")}
    assert change.began > birth.turns[-1].ended

    site.stack("dev", values(kubelet={"config": {"maxPods": 70}}))
    site.up("dev", fails=True, EVENKEEL_TEST_FAILING="shaolin-activate")
    stopped = last(site, monkeypatch)
    assert [(turn.host, turn.ended) for turn in stopped.turns] == [(turn.host, turn.ended) for turn in change.turns]
    assert stopped.turns[0].took.startswith("at most ")
    assert stopped.failed_since is not None
    assert stopped.failed_since > change.turns[-1].ended
