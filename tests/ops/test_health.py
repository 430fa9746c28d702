"""What ``ops status`` takes for well and what for a trouble."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops import health
from settings import Stack
from tests.settings import samples

NOW = datetime(2026, 11, 25, tzinfo=UTC)
MASTERS = {"shaolin": 1, "wudang": 2, "emei": 3}
LATER = "Nov 25 00:00:00 2027 GMT"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return samples.stack(tmp_path)


def etcd(number: int, leader: int = 1, applied: int = 100, **more: Any) -> str:
    status = {
        "header": {"member_id": number},
        "version": "3.6.14",
        "dbSize": 3_000_000,
        "leader": leader,
        "raftIndex": 100,
        "raftAppliedIndex": applied,
    }
    return f"etcd {json.dumps([{'Status': status | more}])}"


def well() -> dict[str, list[str]]:
    """What the hosts of the sample say when all is well."""
    members = {"members": [{"name": name} for name in MASTERS]}
    said = {
        name: [etcd(number), f"members {json.dumps(members)}", "apiserver 200 v1.36.3", f"certificate /a.crt {LATER}"]
        for name, number in MASTERS.items()
    }
    upstreams = [f"upstream apiserver {name} up" for name in MASTERS]
    return said | {
        "huashan": [],
        "lb1": ["nginx 1.22.1", *upstreams, "vip 192.0.2.30"],
        "lb2": ["nginx 1.22.1", *upstreams],
    }


def nodes(**conditions: str) -> str:
    items = [
        {
            "metadata": {"name": name},
            "spec": {},
            "status": {
                "nodeInfo": {"kubeletVersion": "v1.36.3", "containerRuntimeVersion": "containerd://2.2.7"},
                "conditions": [
                    {"type": kind, "status": status} for kind, status in ({"Ready": "True"} | conditions).items()
                ],
            },
        }
        for name in (*MASTERS, "huashan")
    ]
    return json.dumps({"items": items})


def troubles(stack: Stack, said: dict[str, list[str]], listed: str | None = None) -> list[str]:
    texts = {host: "\n".join(lines) for host, lines in said.items()}
    return health.report("sample", stack, texts, nodes() if listed is None else listed, NOW).troubles


def test_a_healthy_stack_has_no_troubles(stack: Stack) -> None:
    assert troubles(stack, well()) == []


def test_the_report_holds_what_an_operator_asks_for(stack: Stack) -> None:
    texts = {host: "\n".join(lines) for host, lines in well().items()}
    found = health.report("sample", stack, texts, nodes(), NOW)
    assert [(one.host, one.leader, one.lag) for one in found.etcd] == [
        ("shaolin", True, 0),
        ("wudang", False, 0),
        ("emei", False, 0),
    ]
    assert found.vip_holders == ["lb1"]
    assert {(node.kubelet, node.runtime) for node in found.nodes} == {("v1.36.3", "2.2.7")}
    assert {one.not_after for one in found.certificates} == {datetime(2027, 11, 25, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("host", "line", "instead", "trouble"),
    [
        ("emei", 2, "apiserver 500 v1.36.3", "emei: the apiserver is not ready"),
        ("emei", 0, "", "emei: its etcd member does not answer"),
        ("emei", 0, etcd(3, isLearner=True), "emei: etcd is still a learner"),
        ("emei", 0, etcd(3, applied=100 - health.MOST_LAG - 1), "emei: etcd is 1001 entries behind"),
        ("emei", 0, etcd(3, leader=3), "etcd has 2 leaders among the members that answer"),
        ("emei", 3, "certificate /a.crt Dec  1 00:00:00 2026 GMT", "emei: /a.crt ends on 2026-12-01"),
        ("emei", 1, 'members {"members": [{"name": "old"}]}', "etcd: old is no master of the stack"),
        ("lb2", 1, "upstream apiserver shaolin down", "lb2: keeps apiserver upstream shaolin out"),
        ("lb2", 1, "silent apiserver", "lb2: nginx's status page is silent about apiserver"),
        ("lb1", 4, "", "the virtual address is held by nobody, not by one load balancer"),
        ("lb2", 0, "vip 192.0.2.30", "the virtual address is held by lb1, lb2, not by one load balancer"),
    ],
)
def test_each_trouble_is_named(stack: Stack, host: str, line: int, instead: str, trouble: str) -> None:
    said = well()
    said[host][line] = instead
    said[host] = [one for one in said[host] if one]
    assert troubles(stack, said) == [trouble]


def test_a_node_is_well_only_while_every_condition_is(stack: Stack) -> None:
    assert "huashan: node DiskPressure" in troubles(stack, well(), nodes(DiskPressure="True"))
    assert "huashan: node NotReady" in troubles(stack, well(), nodes(Ready="Unknown"))
    one = json.loads(nodes())
    one["items"].pop()
    assert troubles(stack, well(), json.dumps(one)) == ["huashan: is no node of the cluster"]


def test_a_hub_whose_keys_differ_or_are_not_looked_at_is_a_trouble(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path, samples.with_harbor())
    said = well() | {
        "hub1": ["keys ok every container has the stack's own keys"],
        "hub2": ["keys wrong core: its file /k differs"],
    }
    assert troubles(stack, said) == ["hub2: core: its file /k differs"]
    assert troubles(stack, said | {"hub2": []}) == ["hub2: its keys could not be looked at"]
