"""Masters that are lost with their disks: an ``up`` replaces one; two or three are restored as docs/recover.md says.

One small cluster of spare hosts has all of it happen to it, in this order; roles come and go along the way.
"""

import base64
import json
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import hosts, ssh
from ops.restore import part
from tests.lab.program import Run
from tests.lab.restoring import restore, turns
from tests.lab.trial import Trial, on_spares
from tests.pages import command, step
from tests.waiting import eventually

MASTERS = ("spare1", "spare2", "spare3")
FIRST = MASTERS[0]
BALANCER = "spare4"
ROLES: dict[str, list[str]] = {**{name: ["master"] for name in MASTERS}, BALANCER: ["lb"]}
LOAD_BALANCER: dict[str, Any] = {"address": hosts.ADDRESSES[BALANCER], "vip": None, "extraSans": []}
WORKING_MASTER, SURVIVOR = MASTERS[1], MASTERS[2]
WITH_WORKERS: dict[str, Any] = {
    "hosts": {BALANCER: {"roles": ["lb", "worker"]}, WORKING_MASTER: {"roles": ["master", "worker"]}}
}
TAINT = "node-role.kubernetes.io/control-plane"
DATA = "/var/lib/etcd/member"
AS_HOST = {"HOST": SURVIVOR, "ADDRESS": hosts.ADDRESSES[SURVIVOR]}

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lost-masters")]


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
    """The first master's machine is gone, another one has its name, and the same ``up`` makes workers of two hosts."""
    birth = trial.cluster_id(MASTERS[1])
    replace(FIRST)
    trial.program.up(WITH_WORKERS).ok()
    return Loss(trial, birth)


def taints(trial: Trial) -> dict[str, list[str]]:
    """What each node keeps pods away for."""
    nodes = json.loads(trial.kubectl("get", "nodes", "--output=json"))["items"]
    return {node["metadata"]["name"]: [taint["key"] for taint in node["spec"].get("taints", [])] for node in nodes}


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
    assert TAINT in first["metadata"]["labels"]


def test_an_added_worker_is_ready_and_a_master_that_became_a_worker_takes_any_pod(loss: Loss) -> None:
    """A kubelet names its taints when it registers, and never again."""
    assert loss.trial.ready_nodes() == sorted(ROLES)
    assert taints(loss.trial) == {MASTERS[0]: [TAINT], WORKING_MASTER: [], SURVIVOR: [TAINT], BALANCER: []}


def test_the_load_balancer_sends_requests_to_the_new_master(loss: Loss) -> None:
    shown = hosts.run(BALANCER, f"curl -fs http://{hosts.ADDRESSES[BALANCER]}:8404/upstreams/apiserver", check=True)
    assert sorted(shown.stdout.splitlines()) == [f"{master} up" for master in MASTERS]


def test_after_a_replacement_nothing_is_left_to_do(loss: Loss) -> None:
    assert loss.trial.program.steps(WITH_WORKERS) == []


@pytest.fixture(scope="module")
def majority_lost(loss: Loss) -> Run:
    """An ``up`` after two of the three have lost their disks."""
    replace(*MASTERS[:2])
    return loss.trial.program.up(WITH_WORKERS)


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


@pytest.fixture(scope="module")
def begun(loss: Loss, majority_lost: Run) -> Run:
    """What docs/recover.md says to do with what the survivor holds."""
    return restore(loss.trial, command("recover", "python -m ops restore --stack NAME", {"NAME": "loss"})).ok()


def test_a_restore_begins_with_the_survivor_and_names_the_up_in_which_the_others_join(begun: Run) -> None:
    assert f"The API answers, through {SURVIVOR} alone." in begun.text
    assert "    pulumi up --stack loss\n" in begun.text, "the machines are fresh: no turn of theirs is replaced"


@pytest.fixture(scope="module")
def restored(loss: Loss, begun: Run) -> Trial:
    """All masters are back."""
    turns(loss.trial, begun.text, WITH_WORKERS).ok()
    return loss.trial


def test_a_restore_where_a_majority_agrees_is_refused_and_changes_nothing(restored: Trial) -> None:
    """It would throw away what was written since a member's last word, for nothing."""
    before = restored.cluster_id(SURVIVOR)
    refused = restore(restored, "python -m ops restore --stack loss")
    assert refused.code == 1
    assert "agrees with a majority of its members, so nothing needs to be restored" in refused.text
    assert restored.cluster_id(SURVIVOR) == before


def test_a_restored_cluster_has_what_was_written_before_and_all_its_members_again(restored: Trial) -> None:
    assert restored.kubectl("get", "configmap", "before", "--output=jsonpath={.data.written}") == "before"
    restored.kubectl("create", "configmap", "after")
    for master in MASTERS:
        assert restored.voters(master) == list(MASTERS)
        assert restored.cluster_id(master) == restored.cluster_id(SURVIVOR)
    eventually(lambda: restored.ready_nodes() == sorted(ROLES), 30, "every node is ready")


def test_after_a_restore_nothing_is_left_to_do(restored: Trial) -> None:
    assert restored.program.steps(WITH_WORKERS) == []


@pytest.fixture(scope="module")
def given_back(restored: Trial) -> Trial:
    """The load balancer is no worker any more, and neither is the master."""
    restored.program.up().ok()
    return restored


def test_a_host_that_is_no_worker_any_more_is_rid_of_all_that_it_ran_as_one(given_back: Trial) -> None:
    """Unmanaged, its kubelet would go on running pods of an old version with keys that nobody renews."""
    assert sorted(given_back.ready_nodes()) == list(MASTERS)
    assert hosts.run(BALANCER, "systemctl is-active kubelet containerd").stdout.split() == ["inactive"] * 2
    assert hosts.run(BALANCER, "pgrep -x 'kube-proxy|flanneld|containerd-shim'").stdout == ""
    left = "ls -d /var/lib/kubelet /var/lib/containerd /etc/kubernetes/kubelet.conf /etc/kubernetes/pki/ca.crt"
    assert hosts.run(BALANCER, f"{left} /usr/local/bin/kubelet /opt/cni/bin/flannel 2>/dev/null").stdout == ""
    # Tables that iptables has made by looking for its rules are nobody's, and stay until the next boot.
    assert hosts.run(BALANCER, "nft list ruleset | grep -iE 'kube|flannel'").stdout == ""
    assert hosts.run(BALANCER, "ip -brief link show type vxlan").stdout == ""


def test_what_the_host_still_is_goes_on(given_back: Trial) -> None:
    assert given_back.kubectl("get", "--raw", "/readyz") == "ok"
    assert hosts.run(BALANCER, "systemctl is-active nginx evenkeel-upstreams").stdout.split() == ["active"] * 2


def test_a_master_that_is_no_worker_any_more_gets_its_taint_back(given_back: Trial) -> None:
    assert taints(given_back) == {name: [TAINT] for name in MASTERS}
    assert given_back.program.steps() == []


@pytest.mark.long
def test_what_survived_is_restored_by_hand_though_each_master_has_data(given_back: Trial) -> None:
    """Where the operator's machine is gone too."""
    given_back.kubectl("create", "configmap", "by-hand")
    hosts.run(SURVIVOR, "\n".join(step("recover-by-hand", 1)), check=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(set_aside, MASTERS))
    for script in step("recover-by-hand", 3, AS_HOST):
        hosts.run(SURVIVOR, script, check=True)
    for master in MASTERS[:2]:
        hosts.run(master, step("recover-by-hand", 4)[0], check=True)
    words = command("recover-by-hand", "pulumi up --replace", {"OTHER": MASTERS[0], "THIRD": MASTERS[1]})
    given_back.program.up(arguments=shlex.split(words)[2:]).ok()
    assert_whole(given_back)
    assert given_back.kubectl("get", "configmap", "by-hand", "--output=name") == "configmap/by-hand\n"


def set_aside(master: str) -> None:
    """What the page has to be done on every master that has data."""
    for script in step("recover-by-hand", 2):
        hosts.run(master, script, check=True)


@pytest.mark.long
def test_a_restore_that_was_killed_before_anybody_began_is_finished_by_the_next(given_back: Trial) -> None:
    """All have ended by then, and whoever was to join holds nothing any more."""
    given_back.kubectl("create", "configmap", "killed")
    stack = given_back.program.parsed()
    masters = stack.masters()
    for name, of in (("end", MASTERS), ("aside", MASTERS[:2])):
        assert {answer.fault for answer in part(stack, [masters[one] for one in of], name)} == {""}
    begun = restore(given_back, "python -m ops restore --stack loss").ok()
    assert f"The API answers, through {SURVIVOR} alone." in begun.text
    turns(given_back, begun.text).ok()
    assert_whole(given_back)
    assert given_back.kubectl("get", "configmap", "killed", "--output=name") == "configmap/killed\n"


@pytest.mark.long
def test_one_master_goes_on_alone_until_there_are_machines_for_the_lost_ones(given_back: Trial) -> None:
    given_back.kubectl("create", "configmap", "alone")
    for master in MASTERS[:2]:
        hosts.stop(master)
    begun = restore(given_back, f"python -m ops restore --stack loss --lost {MASTERS[0]} --lost {MASTERS[1]}").ok()
    assert given_back.voters(SURVIVOR) == [SURVIVOR]
    ask = ("get", "configmap", "alone", "--output=name")
    eventually(lambda: given_back.kubectl(*ask, check=False) == "configmap/alone\n", 10, "the load balancer has it up")
    replace(*MASTERS[:2])
    turns(given_back, begun.text).ok()
    assert_whole(given_back)


@pytest.fixture(scope="module")
def snapshot(given_back: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of now, on this machine; what comes after it is no part of what is restored."""
    save = command("recover", "etcdctl --cacert=ca.crt --cert=healthcheck-client.crt")
    hosts.run(FIRST, f"{command('recover', 'cd /etc/kubernetes/pki/etcd')} && {save}", check=True)
    path = tmp_path_factory.mktemp("snapshot") / "etcd.db"
    path.write_bytes(base64.b64decode(hosts.run(FIRST, "base64 /root/snapshot.db", check=True).stdout))
    given_back.kubectl("create", "configmap", "after-the-snapshot")
    return path


def assert_whole(trial: Trial) -> None:
    """Three members that vote, of one cluster, and nothing left to do."""
    for master in MASTERS:
        assert trial.voters(master) == list(MASTERS)
        assert trial.cluster_id(master) == trial.cluster_id(SURVIVOR)
    assert trial.program.steps() == []


def assert_as_of_the_snapshot(trial: Trial) -> None:
    """What was written since is gone, and what was there before is there."""
    assert_whole(trial)
    assert trial.kubectl("get", "configmap", "after-the-snapshot", "--ignore-not-found") == ""
    assert trial.kubectl("get", "configmap", "after", "--output=name") == "configmap/after\n"


def snapshot_words(snapshot: Path) -> str:
    """The page's command."""
    names = {"NAME": "loss", "backups/loss/TIME/etcd.db": str(snapshot)}
    return command("recover", "python -m ops restore --stack NAME --snapshot", names)


@pytest.mark.long
def test_all_masters_go_back_to_a_snapshot_though_a_majority_agrees(given_back: Trial, snapshot: Path) -> None:
    begun = restore(given_back, snapshot_words(snapshot)).ok()
    turns(given_back, begun.text).ok()
    assert_as_of_the_snapshot(given_back)


@pytest.mark.long
def test_a_snapshot_brings_back_a_cluster_of_which_every_master_is_lost(given_back: Trial, snapshot: Path) -> None:
    """An ``up`` prepares the empty machines and stops; a restore begins with the first, and the next one starts it."""
    replace(*MASTERS)
    assert given_back.program.up().code != 0
    begun = restore(given_back, snapshot_words(snapshot))
    assert f"{FIRST} has the data; nothing runs there yet." in begun.text
    turns(given_back, begun.text).ok()
    assert_as_of_the_snapshot(given_back)
