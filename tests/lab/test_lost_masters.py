"""Masters that are lost with their disks: one is replaced by an ``up``, two of three are not.

One small cluster of spare hosts has both happen to it, in this order; a worker is added along the way.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from lab import hosts, ssh
from tests.lab.program import Run
from tests.lab.trial import Trial, on_spares

MASTERS = ("spare1", "spare2", "spare3")
FIRST = MASTERS[0]
BALANCER = "spare4"
ROLES: dict[str, list[str]] = {**{name: ["master"] for name in MASTERS}, BALANCER: ["lb"]}
LOAD_BALANCER: dict[str, Any] = {"address": hosts.ADDRESSES[BALANCER], "vip": None, "extraSans": []}
WITH_A_WORKER: dict[str, Any] = {"hosts": {BALANCER: {"roles": ["lb", "worker"]}}}
DATA = "/var/lib/etcd/member"

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Loss:
    """A cluster whose first master was lost and replaced; ``birth`` is the etcd cluster's id before that."""

    trial: Trial
    birth: int


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    """Three masters and a load balancer, with a ConfigMap to be found again."""
    with on_spares("loss", ROLES, {"loadBalancer": LOAD_BALANCER}) as made:
        made.program.up().ok()
        made.kubectl("create", "configmap", "before", "--from-literal=written=before")
        yield made


@pytest.fixture(scope="module")
def loss(trial: Trial) -> Loss:
    """The first master's machine is gone, another one has its name, and the same ``up`` adds a worker."""
    birth = trial.cluster_id(MASTERS[1])
    replace(FIRST)
    trial.program.up(WITH_A_WORKER).ok()
    return Loss(trial, birth)


def replace(*names: str) -> None:
    """Empty machines in the place of these, whose keys the operator has accepted."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(hosts.empty, names))
    ssh.ensure(names)


def test_a_replaced_master_joins_the_old_cluster_and_votes(loss: Loss) -> None:
    """It is the first of the stack, which in kubeadm's world is the one that may not be lost."""
    for master in MASTERS:
        assert loss.trial.voters(master) == list(MASTERS)
        members = loss.trial.etcd(master, "member list")["members"]
        assert sorted(member["name"] for member in members) == list(MASTERS), "a learner or a dead member is left"
        assert loss.trial.cluster_id(master) == loss.birth


def test_what_was_written_before_the_loss_is_read_from_the_new_master(loss: Loss) -> None:
    server = f"--server=https://{hosts.ADDRESSES[FIRST]}:6443"
    assert loss.trial.kubectl("get", "configmap", "before", "--output=jsonpath={.data.written}", server) == "before"


def test_there_is_one_node_a_host_and_the_new_machine_stands_behind_the_old_name(loss: Loss) -> None:
    nodes = json.loads(loss.trial.kubectl("get", "nodes", "--output=json"))["items"]
    machines = {node["metadata"]["name"]: node["status"]["nodeInfo"]["machineID"] for node in nodes}
    assert machines == {name: hosts.run(name, "cat /etc/machine-id").stdout.strip() for name in ROLES}
    assert len(nodes) == len(machines)
    first = next(node for node in nodes if node["metadata"]["name"] == FIRST)
    assert "node-role.kubernetes.io/control-plane" in first["metadata"]["labels"]
    assert [taint["key"] for taint in first["spec"]["taints"]] == ["node-role.kubernetes.io/control-plane"]


def test_an_added_worker_is_ready(loss: Loss) -> None:
    assert loss.trial.ready_nodes() == sorted(ROLES)


def test_the_load_balancer_sends_requests_to_the_new_master(loss: Loss) -> None:
    shown = hosts.run(BALANCER, f"curl -fs http://{hosts.ADDRESSES[BALANCER]}:8404/upstreams/apiserver", check=True)
    assert sorted(shown.stdout.splitlines()) == [f"{master} up" for master in MASTERS]


def test_after_a_replacement_nothing_is_left_to_do(loss: Loss) -> None:
    assert loss.trial.program.steps(WITH_A_WORKER) == []


@pytest.fixture(scope="module")
def majority_lost(loss: Loss) -> Run:
    """An ``up`` after two of the three have lost their disks."""
    replace(*MASTERS[:2])
    return loss.trial.program.up(WITH_A_WORKER)


def test_without_a_majority_an_up_stops_and_says_who_holds_data_and_what_to_read(majority_lost: Run) -> None:
    """What formed a new cluster here would throw away the last copy of everything."""
    assert majority_lost.code != 0
    told = f"evenkeel: {FIRST}: etcd: this host holds no etcd data, the cluster was formed before"
    (line,) = {line.partition("evenkeel: ")[2] for line in majority_lost.text.splitlines() if told in line}
    assert f"{MASTERS[2]} answers and holds data" in line
    assert f"{MASTERS[1]} does not answer" in line
    assert "docs/recover.md" in line


@pytest.mark.usefixtures("majority_lost")
def test_without_a_majority_nobody_forms_a_second_cluster_and_the_last_copy_stays() -> None:
    there = {master: hosts.run(master, f"test -d {DATA}").returncode == 0 for master in MASTERS}
    assert there == {MASTERS[0]: False, MASTERS[1]: False, MASTERS[2]: True}
