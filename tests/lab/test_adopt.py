"""A cluster that the real kubeadm made grows in place, under a workload and under clients of its only master."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import hosts
from lab.paths import CLONE
from tests.lab import adopted_workload, kubeadm_cluster
from tests.lab.adoption import (
    ADDED_MASTERS,
    EVERYBODY,
    FOURTH,
    MASTER,
    NAME,
    SECOND,
    THIRD,
    VIP,
    WORKER,
    clear_away,
    like_dev,
    look,
    project,
    sections,
    undo,
)
from tests.lab.kubeadm_cluster import KubeadmCluster
from tests.lab.moments import Killed, Moment, finish, kill_at
from tests.lab.program import Load, Program, Run, spares
from tests.lab.quiet import dev_frozen
from tests.lab.subject import truths_hold
from tests.lab.trial import ETCDCTL, Trial
from tests.pages import command

pytestmark = [pytest.mark.lab, pytest.mark.long]

LEARNS = f"({ETCDCTL} member list | grep -q ', true$')"
APISERVER_AWAY = "[ ! -e /etc/kubernetes/manifests/kube-apiserver.yaml ]"
JOINING = Moment("the second master joins", rf"{SECOND}-activate creating", MASTER, LEARNS)
GROWTH = (
    Moment("the old master is prepared", rf"{MASTER}-prepare created"),
    Moment("the snapshot is here", r"etcd's snapshot from before the first change"),
    Moment("the old master's files are kept", rf"{MASTER}-adopt created"),
    Moment("the second master has its files", rf"{SECOND}-control-plane created"),
    JOINING,
    Moment("the second master is well", rf"{SECOND}-activate created"),
    Moment("the third master joins", rf"{THIRD}-activate creating"),
    Moment("the third master is well", rf"{THIRD}-activate created"),
    Moment("the old master's apiserver is away", rf"{MASTER}-activate creating", MASTER, APISERVER_AWAY),
    Moment("the old master is as the others", rf"{MASTER}-activate created"),
    Moment("some objects are turned and some are not", r"kubernetes:\S+ addons-\S+ created"),
)
CUT_AFTER = "the third master joins"
# Without /var/lib's churn: etcd's and containerd's data, and what the kubelet writes for its pods by itself.
LISTED = """find /etc /var/lib -type f -not -path '/var/lib/etcd/*' -not -path '/var/lib/containerd/*' \
-not -path '/var/lib/kubelet/pods/*' -not -path '/var/lib/systemd/*' -exec stat -c '%n %Y %s %a %u' {} + | sort
find /etc -type f -exec sha256sum {} + | sort"""
KEPT = (
    "find /etc/kubernetes /var/lib/kubelet/config.yaml /etc/containerd/config.toml -type f -exec sha256sum {} + | sort"
)


@dataclass(frozen=True)
class Seen:
    """What the workload and the cluster were at one moment."""

    containers: Mapping[str, str]
    objects: Mapping[str, str]
    asked: tuple[int, list[str]]
    counted: int


@dataclass(frozen=True)
class Looked:
    """Two looks at the master: the hosts before and after, and the stack's file after each."""

    hosts: tuple[str, str]
    files: tuple[str, str]
    said: str


@dataclass(frozen=True)
class Undone:
    """A join that was cut off and undone: what the master kept before it and had after it, and who was a member."""

    kept: str
    left: str
    members: str
    said: str


@dataclass(frozen=True)
class Grown:
    """The cluster after it grew, what was before, and what clients of its first master saw meanwhile.

    ``cut``: the run during which the third master could not be reached.
    """

    cluster: KubeadmCluster
    program: Program
    looked: Looked
    undone: Undone
    killed: Killed
    cut: Run
    before: Seen
    after: Seen
    clients: Mapping[str, Mapping[str, Any]]
    snapshots: list[Path]


@pytest.fixture(scope="module")
def quiet() -> Iterator[None]:
    """Else five clusters' worth of processes make etcd's answers take longer than the apiservers wait."""
    with dev_frozen():
        yield


@pytest.fixture(scope="module")
def grown(quiet: None) -> Iterator[Grown]:
    program = Program(NAME)
    program.forget()
    program.create()
    try:
        cluster = kubeadm_cluster.make(MASTER, WORKER, EVERYBODY[2:], like_dev())
        adopted_workload.start(cluster)
        kubeadm_cluster.label_as_before_1_24(cluster)
        looked = look_twice(cluster)
        program = Program(NAME, sections(looked.files[1]))
        before = seen(cluster)
        load = Load.start(kubeconfig=cluster.kubeconfig)
        try:
            undone = join_and_undo(program)
            killed, cut = grow(Trial(program, [MASTER, *ADDED_MASTERS], EVERYBODY))
        finally:
            clients = load.stop()
        snapshots = sorted((CLONE / "snapshots").glob(f"{NAME}-*.db"))
        yield Grown(cluster, program, looked, undone, killed, cut, before, seen(cluster), clients, snapshots)
    finally:
        clear_away(EVERYBODY)


def look_twice(cluster: KubeadmCluster) -> Looked:
    path = project()
    before = everything(cluster)
    said, first = look(), path.read_text()
    look()
    return Looked((before, everything(cluster)), (first, path.read_text()), said)


def join_and_undo(program: Program) -> Undone:
    """The second master is lost, and the engine with it, while it learns; the user wants no more of it."""
    kept = kubeadm_cluster.run(MASTER, KEPT)
    kill_at(Trial(program, [MASTER], EVERYBODY), JOINING, None, Killed())
    hosts.disconnect(SECOND)
    said = undo()
    members = kubeadm_cluster.run(MASTER, f"{ETCDCTL} member list")
    left = kubeadm_cluster.run(MASTER, KEPT)
    kubeadm_cluster.empty(EVERYBODY[2:])
    program.forget()
    program.create()
    return Undone(kept, left, members, said)


def grow(trial: Trial) -> tuple[Killed, Run]:
    """An ``up`` killed at every moment, once with the third master cut off, and then left alone."""
    killed = Killed()
    for moment in GROWTH:
        kill_at(trial, moment, None, killed)
        if moment.name == CUT_AFTER:
            hosts.disconnect(THIRD)
            cut = trial.program.up()
            hosts.connect(THIRD)
    finish(trial, None, killed)
    return killed, cut


def everything(cluster: KubeadmCluster) -> str:
    return "".join(kubeadm_cluster.run(name, LISTED) for name in (cluster.master, cluster.worker))


def seen(cluster: KubeadmCluster) -> Seen:
    return Seen(
        adopted_workload.containers(cluster),
        adopted_workload.objects(cluster),
        adopted_workload.asked(cluster),
        adopted_workload.counted(cluster),
    )


def test_looking_changes_nothing_on_the_hosts(grown: Grown) -> None:
    before, after = grown.looked.hosts
    assert before == after


def test_looking_twice_gives_the_same_files(grown: Grown) -> None:
    first, second = grown.looked.files
    assert first == second


def test_what_the_user_had_set_was_found_and_nothing_else(grown: Grown) -> None:
    cluster = yaml.safe_load(grown.looked.files[0])["config"]["evenkeel:cluster"]
    assert cluster["apiServer"] == {"extraArgs": {"event-ttl": "2h"}, "extraSans": ["api.before.lab"]}
    dev = like_dev().cluster
    assert cluster["kubelet"]["config"] == dev.kubelet.config
    assert cluster["kubeProxy"]["config"] == dev.kube_proxy.config
    assert {"controllerManager", "scheduler", "etcd"}.isdisjoint(cluster)


def test_a_join_that_was_cut_off_is_undone(grown: Grown) -> None:
    assert "undone; put back: nothing, all files are as they were" in grown.undone.said
    assert grown.undone.left == grown.undone.kept
    assert MASTER in grown.undone.members
    assert len(grown.undone.members.splitlines()) == 1


def test_a_growth_that_was_killed_at_eleven_moments_came_to_its_end(grown: Grown) -> None:
    assert grown.killed.moments == [moment.name for moment in GROWTH]


def test_a_master_that_is_cut_off_while_it_joins_is_named_and_the_next_run_goes_on(grown: Grown) -> None:
    assert grown.cut.code != 0
    assert f"evenkeel: {THIRD} ({hosts.ADDRESSES[THIRD]}): activate: " in grown.cut.text


def test_a_snapshot_from_before_lies_here_and_is_whole(grown: Grown) -> None:
    hosts.copy(MASTER, grown.snapshots[-1], "/var/tmp/snapshot.db")
    said = json.loads(kubeadm_cluster.run(MASTER, "etcdutl snapshot status /var/tmp/snapshot.db -w json"))
    assert said["totalKey"] > 100


def test_a_master_that_bore_only_the_old_label_is_found_and_bears_the_new_one(grown: Grown) -> None:
    """kubeadm called a master by it until 1.24, and the write-ups still do."""
    labelled = grown.cluster.kubectl("get", "nodes", "-lnode-role.kubernetes.io/control-plane", "-oname").split()
    assert labelled == [f"node/{name}" for name in (MASTER, SECOND, THIRD)]


def test_three_members_vote(grown: Grown) -> None:
    members = json.loads(kubeadm_cluster.run(MASTER, f"{ETCDCTL} member list -w json"))["members"]
    assert sorted(member["name"] for member in members if not member.get("isLearner")) == [MASTER, SECOND, THIRD]


def test_each_apiserver_answers_at_its_own_address_with_a_certificate_of_its_own(grown: Grown) -> None:
    serials = set()
    for name in (MASTER, SECOND, THIRD):
        address = hosts.ADDRESSES[name]
        trusted = f"curl -fsS --cacert /etc/kubernetes/pki/ca.crt https://{address}:6443/readyz"
        assert kubeadm_cluster.run(WORKER, trusted) == "ok"
        serials.add(kubeadm_cluster.run(name, "openssl x509 -in /etc/kubernetes/pki/apiserver.crt -noout -serial"))
    assert len(serials) == 3


def test_every_object_is_what_it_was(grown: Grown) -> None:
    assert len(grown.before.objects) > 15
    assert grown.after.objects == grown.before.objects


def test_no_pod_of_the_workload_or_the_network_was_restarted(grown: Grown) -> None:
    assert grown.before.containers.items() <= grown.after.containers.items()
    assert grown.after.counted > grown.before.counted


def test_no_request_between_pods_failed(grown: Grown) -> None:
    requests, failures = grown.after.asked
    assert requests - grown.before.asked[0] > 100
    assert failures == []


def test_clients_of_the_first_master_lost_no_write_and_waited_at_most_twice(grown: Grown) -> None:
    """Once while it restarts, and once more where that was cut off: the engine was killed when it was away."""
    for kind, seen_by in grown.clients.items():
        assert seen_by["lost_writes"] == 0, kind
        print(f"{kind}: {seen_by['interruptions']} interruptions, the longest {seen_by['longest_gap_seconds']:.1f} s")
        assert seen_by["interruptions"] <= 2, seen_by["errors"]
        assert seen_by["longest_gap_seconds"] < 30, kind


def test_all_that_holds_for_a_cluster_from_bare_hosts_holds_for_one_that_grew(grown: Grown) -> None:
    truths_hold(grown.program)


def test_workers_and_what_joins_by_kubeadm_find_the_load_balancer(grown: Grown) -> None:
    url = f"https://{VIP}:6443"
    assert url in kubeadm_cluster.run(WORKER, "cat /etc/kubernetes/kubelet.conf")
    for namespace, name in (("kube-system", "kube-proxy"), ("kube-public", "cluster-info")):
        assert url in grown.cluster.kubectl("get", "configmap", name, f"--namespace={namespace}", "--output=yaml")


def test_kubeadms_own_commands_still_understand_the_cluster(grown: Grown) -> None:
    said = kubeadm_cluster.run(MASTER, "kubeadm certs check-expiration")
    assert "apiserver-etcd-client" in said
    missing = [line.split()[1] for line in said.splitlines() if "MISSING" in line]
    assert missing == ["super-admin.conf"], "it is on no master, and kubeadm's own second masters have none"
    version = like_dev().release.versions.kubernetes
    planned = kubeadm_cluster.run(MASTER, f"kubeadm upgrade plan v{version}")
    assert f"Target version: v{version}" in planned


def test_a_second_up_changes_nothing(grown: Grown) -> None:
    again: Run = grown.program.up().ok()
    assert " unchanged" in again.text
    assert "changes." not in again.text


def test_a_look_at_the_cluster_says_that_a_stack_has_it(grown: Grown) -> None:
    assert "a stack has this cluster already" in look()


@dataclass(frozen=True)
class MovedOn:
    """The cluster without its first master, seen before and after that, and what the last ``up`` left to do."""

    trial: Trial
    before: Seen
    after: Seen


@pytest.fixture(scope="module")
def moved_on(grown: Grown) -> Iterator[MovedOn]:
    """Another master takes the first one's place, as docs/hosts.md says: it comes first, and then the old one goes."""
    kubeadm_cluster.empty([FOURTH])
    try:
        listed = grown.program.values["hosts"] | spares([FOURTH], {FOURTH: ["master"]})
        Program(NAME, {**grown.program.values, "hosts": listed}).up().ok()
        without = Program(NAME, {**grown.program.values, "hosts": {n: h for n, h in listed.items() if n != MASTER}})
        cluster = replace(grown.cluster, kubeconfig=without.kubeconfig())
        before = seen(cluster)
        without.up().ok()
        kubeadm_cluster.run(MASTER, command("hosts", "sh /usr/local/lib/evenkeel/retire.sh", {"NAME": MASTER}))
        masters = [*ADDED_MASTERS, FOURTH]
        yield MovedOn(Trial(without, masters, [*masters, WORKER]), before, seen(cluster))
    finally:
        hosts.destroy(FOURTH)


def test_the_first_master_leaves_like_any_other(moved_on: MovedOn) -> None:
    """In kubeadm's world it is the one that holds what the others lack."""
    for master in moved_on.trial.masters:
        assert moved_on.trial.voters(master) == sorted(moved_on.trial.masters)
    assert moved_on.trial.ready_nodes() == sorted(moved_on.trial.hosts)
    assert moved_on.trial.program.steps() == []


def test_nothing_of_the_cluster_is_left_on_it(moved_on: MovedOn) -> None:
    left = "ls -d /etc/kubernetes /var/lib/etcd /var/lib/kubelet /var/lib/evenkeel 2>/dev/null; "
    left += "grep -rlE 'BEGIN (RSA |EC )?PRIVATE KEY' /etc /var/lib /root; pgrep -x 'kubelet|containerd|etcd|flanneld'"
    assert hosts.run(MASTER, left).stdout == ""


def test_the_workload_does_not_notice_that_it_left(moved_on: MovedOn) -> None:
    assert moved_on.after.objects == moved_on.before.objects
    ours = {pod: container for pod, container in moved_on.before.containers.items() if "flannel" not in pod}
    assert ours.items() <= moved_on.after.containers.items()
    assert moved_on.after.asked[1] == moved_on.before.asked[1]
