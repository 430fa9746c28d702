"""What ``ops status`` takes for well and what for a trouble."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ops import health
from settings import Stack
from tests.ops.readings import NOW, certificate, etcd, leases, listed, nodes, well
from tests.settings import samples

SOON = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return samples.stack(tmp_path)


def troubles(stack: Stack, said: dict[str, list[str]], of_cluster: str | None = None) -> list[str]:
    texts = {host: "\n".join(lines) for host, lines in said.items()}
    return health.report("sample", stack, texts, listed() if of_cluster is None else of_cluster, NOW).troubles


def test_a_healthy_stack_has_no_troubles(stack: Stack) -> None:
    assert troubles(stack, well()) == []


def test_the_report_holds_what_an_operator_asks_for(stack: Stack) -> None:
    texts = {host: "\n".join(lines) for host, lines in well().items()}
    found = health.report("sample", stack, texts, listed(), NOW)
    assert [(one.host, one.leader, one.lag) for one in found.etcd] == [
        ("shaolin", True, 0),
        ("wudang", False, 0),
        ("emei", False, 0),
    ]
    assert found.leaders == {"kube-controller-manager": "shaolin", "kube-scheduler": "wudang"}
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
        ("emei", 3, certificate("/a.crt", SOON), "emei: /a.crt ends on 2026-12-01"),
        ("emei", 3, certificate("/a.conf", SOON, Encoding.PEM), "emei: /a.conf ends on 2026-12-01"),
        ("emei", 3, "certificate /a.crt AAAA", "emei: /a.crt holds no certificate that can be read"),
        ("emei", 1, 'members {"members": [{"name": "old"}]}', "etcd: old is no master of the stack"),
        (
            "emei",
            0,
            etcd(3, errors=["memberID:3 alarm:NOSPACE "]),
            "etcd is out of space and takes no write: see 'etcd is out of space' in docs/recover.md",
        ),
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


def test_a_cluster_without_a_leader_is_told_and_so_is_a_member_that_knows_nothing_yet(stack: Stack) -> None:
    """etcd's JSON leaves out what is 0: with two masters of three away `status` ended in a traceback."""
    said, whole = well(), json.loads(etcd(1).partition(" ")[2])
    del said["wudang"], said["emei"]
    for key in ("leader", "raftIndex", "raftAppliedIndex", "dbSize"):
        del whole[0]["Status"][key]
        said["shaolin"][0] = f"etcd {json.dumps(whole)}"
        assert troubles(stack, said) == ["etcd has 0 leaders among the members that answer"]


def test_a_node_that_reaches_no_service_is_named_with_its_kube_proxy(stack: Stack) -> None:
    """Each second start of kube-proxy, in an image without /etc/protocols, lost all Services; all else looked well."""
    said = well()
    said["huashan"].append("unreached 10.96.0.1")
    (trouble,) = troubles(stack, said)
    assert trouble.startswith("huashan: reaches no Service (10.96.0.1 does not answer); look at its kube-proxy")


def test_a_node_is_well_only_while_every_condition_is(stack: Stack) -> None:
    assert "huashan: node DiskPressure" in troubles(stack, well(), listed(DiskPressure="True"))
    assert "huashan: node NotReady" in troubles(stack, well(), listed(Ready="Unknown"))
    without_it = json.dumps({"items": nodes()[:-1] + leases()})
    assert troubles(stack, well(), without_it) == ["huashan: is no node of the cluster"]


def test_a_lease_that_nobody_renews_or_holds_has_no_leader(stack: Stack) -> None:
    nobody = ["nobody leads as kube-scheduler"]
    overdue = [*nodes(), *leases(scheduler_renewed="2026-11-24T23:59:28.000000Z")]
    assert troubles(stack, well(), json.dumps({"items": overdue})) == nobody
    assert troubles(stack, well(), json.dumps({"items": [*nodes(), *leases()[:-1]]})) == nobody


def test_a_lease_that_another_is_about_to_take_over_is_no_trouble(stack: Stack) -> None:
    """A master's turn restarts whoever leads there; `status` at the end of an `up` shall not cry for that."""
    overdue = [*nodes(), *leases(scheduler_renewed="2026-11-24T23:59:40.000000Z")]
    assert troubles(stack, well(), json.dumps({"items": overdue})) == []


def test_who_leads_is_unknown_while_the_api_is_silent(stack: Stack) -> None:
    assert troubles(stack, well(), "") == []


def test_a_hub_whose_keys_differ_or_are_not_looked_at_is_a_trouble(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path, samples.with_harbor())
    said = well() | {
        "hub1": ["keys ok every container has the stack's own keys"],
        "hub2": ["keys wrong core: its file /k differs"],
    }
    assert troubles(stack, said) == ["hub2: core: its file /k differs"]
    assert troubles(stack, said | {"hub2": []}) == ["hub2: its keys could not be looked at"]
