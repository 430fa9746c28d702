"""What ``ops status``, ``ops verify`` and ``ops report`` say of stack ``dev`` as it shall be.

On a machine that has no time left nothing is as it shall be: a load balancer keeps an apiserver out that needs more
than a second for its ``/readyz``, and it is right to say so.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import hosts
from tests.lab.commands import ops
from tests.lab.program import DEV

MASTERS = ("emei", "shaolin", "wudang")

pytestmark = [pytest.mark.lab, pytest.mark.alone]


@pytest.fixture(scope="module", autouse=True)
def dev_as_before() -> Iterator[None]:
    """What runs on the hosts is what this clone's ``up`` leaves there, before and after."""
    DEV.up().ok()
    yield
    DEV.up().ok()


@pytest.fixture
def cut_off() -> Iterator[str]:
    """A node from which no way leads to the Services' addresses."""
    cidr = DEV.settings()["cluster"]["serviceCidr"]
    hosts.run("huashan", ["ip", "route", "add", "unreachable", cidr], check=True)
    try:
        yield "huashan"
    finally:
        hosts.run("huashan", ["ip", "route", "del", "unreachable", cidr], check=True)


def test_a_stack_as_it_shall_be_is_well_and_nothing_differs() -> None:
    """A false alarm, once, and nobody looks at the next one."""
    said = json.loads(ops("status", "--json").stdout)
    assert said["troubles"] == []
    assert {one["host"] for one in said["etcd"]} == set(MASTERS)
    assert sum(one["leader"] for one in said["etcd"]) == 1
    assert len(said["vip_holders"]) == 1
    assert {one["host"] for one in said["certificates"]} >= {*MASTERS, "hub1", "hub2"}
    assert said["hub_keys"] == {"hub1": [], "hub2": []}
    assert ops("status").returncode == 0
    verified = ops("verify")
    assert verified.returncode == 0, verified.stdout


def test_a_node_that_reaches_no_service_is_named(cut_off: str) -> None:
    """kube-proxy had lost its map of Services, and node, pods and objects all looked well."""
    (trouble,) = json.loads(ops("status", "--json").stdout)["troubles"]
    assert trouble.startswith(f"{cut_off}: reaches no Service")


def test_its_report_says_so_on_one_page_with_the_last_rolls_turns(tmp_path: Path) -> None:
    done = ops("report", "--output", str(tmp_path / "dev.html"))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "dev.html").read_text()
    assert "All is well" in page
    assert "Turns, UTC" in page
