"""An ``up`` whose engine is killed with -9, plugins included, is finished by the next one with no hand on the hosts.

One birth of a cluster and one rolling change, each killed ten times in a row, each time further on. In the end a
master's turn itself is killed on its host, five times, each time further on.

Between two runs nobody touches a host. The one thing that is done is what ``pulumi cancel`` does: a killed engine
leaves the state's lock behind, and ``Program`` takes it away (``lab.stack.release_abandoned_locks``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lab import hosts
from lab.paths import STATE
from tests.lab.moments import Killed, Moment, deployment, finish, kill_at, kill_turn, killed_at
from tests.lab.trial import ETCDCTL, Trial, on_spares

pytestmark = [pytest.mark.lab, pytest.mark.long]

MASTERS = ("spare5", "spare6", "spare7")
BALANCER = "spare8"
ROLES: dict[str, list[str]] = {**{name: ["master"] for name in MASTERS}, BALANCER: ["lb"]}
LOAD_BALANCER: dict[str, Any] = {"address": hosts.ADDRESSES[BALANCER], "vip": None, "extraSans": []}

APISERVER_AWAY = "[ ! -e /etc/kubernetes/manifests/kube-apiserver.yaml ]"

BIRTH = (
    Moment("nothing is made yet", r"pulumi:Stack \S+ creating"),
    Moment("the hosts are fetching", r"-preflight creating .* fetching"),
    Moment("the first host has passed its preflight", r"-preflight created"),
    Moment("a host is unpacking", r"spare5-prepare creating .* unpacking etcd"),
    Moment("the first host is prepared", r"-prepare created"),
    Moment("the first secrets are on their way", r"-secrets creating"),
    Moment("the first secrets are laid out", r"-etcd-secrets created"),
    Moment(
        "a founder has its manifest of etcd",
        r"spare6-control-plane creating",
        "spare6",
        "[ -e /etc/kubernetes/manifests/etcd.yaml ]",
    ),
    Moment("the first master is well", r"spare5-activate created"),
    Moment("some add-ons are there and some are not", r"kubernetes:\S+:ConfigMap addons-\S+ created"),
)

FLAGS = {
    "cluster": {
        "apiServer": {"extraArgs": {"max-requests-inflight": "444"}},
        "etcd": {"extraArgs": {"snapshot-count": "9999"}},
    }
}
FLAGS_AS_SEEN = ("--max-requests-inflight=444", "--snapshot-count=9999")
ROLL = (
    Moment("the first manifest is on its way", r"spare\d-etcd updating"),
    Moment("one apiserver's manifest is laid out", r"-control-plane updated"),
    Moment("the first master's apiserver is away", r"spare5-activate .* out of service", "spare5", APISERVER_AWAY),
    Moment("a second turn waits for the abandoned one", r"spare5-activate .* waiting for an earlier step"),
    Moment("the second master's turn begins", r"spare6-activate updating"),
    Moment("the second master's turn goes on", r"spare6-activate .* (waiting for an earlier step|out of service)"),
    Moment("the third master's turn begins", r"spare7-activate updating"),
    Moment("the third master's turn goes on", r"spare7-activate .* (waiting for an earlier step|out of service)"),
    Moment("the third master's turn waits", r"spare7-activate .* waiting for an earlier step"),
    Moment("all masters have had their turn", r"spare7-activate updated"),
)


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    with on_spares("trial", ROLES, {"loadBalancer": LOAD_BALANCER}) as made:
        yield made


@pytest.fixture(scope="module")
def birth(trial: Trial) -> Killed:
    """A first ``up``, killed at every moment of ``BIRTH`` and then left alone."""
    return killed_at(trial, BIRTH, None)


@dataclass
class Rolled:
    """A rolling change, and what was written meanwhile."""

    killed: Killed
    cluster_id: int
    written: list[str]
    since: str


@pytest.fixture(scope="module")
def roll(trial: Trial, birth: Killed) -> Rolled:
    """A change of a flag of the apiserver and of one of etcd, killed at every moment of ``ROLL``; writes go on."""
    rolled = Rolled(Killed(), trial.cluster_id(MASTERS[0]), [], hosts.run(MASTERS[0], "date +%s").stdout.strip())
    for index, moment in enumerate(ROLL):
        _write(trial, rolled.written, f"round-{index}-before")
        kill_at(trial, moment, FLAGS, rolled.killed)
        _write(trial, rolled.written, f"round-{index}-after")
    finish(trial, FLAGS, rolled.killed)
    return rolled


def test_a_birth_that_was_killed_ten_times_ends_as_one_cluster_that_is_well(trial: Trial, birth: Killed) -> None:
    assert birth.moments == [moment.name for moment in BIRTH]
    _is_one_well_cluster(trial)


def test_no_founder_came_to_a_cluster_of_its_own(trial: Trial, birth: Killed) -> None:
    """A host whose staging is repeated after the cluster was formed must not get a second right to found one."""
    assert trial.program.outputs()["etcdCluster"] == f"etcd cluster {trial.cluster_id(MASTERS[0])}"
    for master in MASTERS:
        assert hosts.run(master, "ls /var/lib/evenkeel/etcd-founding-ticket").returncode != 0


def test_after_a_killed_birth_another_up_changes_nothing(trial: Trial, birth: Killed) -> None:
    _changes_nothing(trial, None)


def test_a_rolling_change_that_was_killed_ten_times_reaches_every_master(trial: Trial, roll: Rolled) -> None:
    assert roll.killed.moments == [moment.name for moment in ROLL]
    _is_one_well_cluster(trial)
    for master in MASTERS:
        running = hosts.run(master, "ps -ww -eo args").stdout
        assert all(flag in running for flag in FLAGS_AS_SEEN)


def test_a_killed_roll_lost_no_write(trial: Trial, roll: Rolled) -> None:
    """What was acknowledged before, between and after the kills is read from every member by itself."""
    assert len(roll.written) == 2 * len(ROLL)
    for master in MASTERS:
        assert trial.cluster_id(master) == roll.cluster_id
        keys = hosts.run(master, f"{ETCDCTL} {WRITTEN}", check=True).stdout.split()
        assert sorted(roll.written) == sorted(key.rpartition("/")[2] for key in keys)


def test_the_step_of_a_killed_engine_is_waited_for_and_not_done_twice(trial: Trial, roll: Rolled) -> None:
    """The step runs on to its end under the host's lock (scripts/lib.sh).

    Were it ended with its connection, an apiserver that it took out of service would stay away; were it not waited
    for, two steps would replace the same pods at once. So each master's etcd and apiserver are replaced exactly once.
    """
    assert "waiting for an earlier step that still runs on this host" in _said(trial, f"{MASTERS[0]}-activate")
    for master in MASTERS:
        assert _pods_made(master, "etcd", roll.since) == 1, master
        assert _pods_made(master, "kube-apiserver", roll.since) == 1, master


def test_a_host_never_sees_half_a_file(trial: Trial, roll: Rolled) -> None:
    """Nothing of an abandoned step lies about: neither a file that was being written nor a part being staged."""
    for host in trial.hosts:
        left = hosts.run(host, LEFT_OVER, check=True).stdout
        assert left == "", f"{host}: {left}"


def test_the_state_has_no_side_file_that_a_killed_engine_could_leave_empty(trial: Trial, roll: Rolled) -> None:
    """One did: the next engine said "failed to load checkpoint: EOF", and somebody had to remove the file by hand."""
    kept = [path.name for path in STATE.rglob(f"{trial.program.stack}.json*")]
    assert f"{trial.program.stack}.json" in kept
    assert [name for name in kept if name.endswith(".attrs")] == []


def test_after_a_killed_roll_another_up_changes_nothing(trial: Trial, roll: Rolled) -> None:
    _changes_nothing(trial, FLAGS)


def test_one_command_forgets_the_creations_that_killed_engines_left_open(trial: Trial, roll: Rolled) -> None:
    """The engine keeps a killed creation as pending, for good, and warns at each ``up``, though it was done again.

    It asks nobody and stops nothing; ``--clear-pending-creates`` ends the warning. No resource is lost by it.
    """
    before = deployment(trial)
    assert {one["type"] for one in before["pending_operations"]} == {"creating"}
    made = {one["urn"] for one in before["resources"]}
    assert {one["resource"]["urn"] for one in before["pending_operations"]} <= made
    trial.program.clear_pending()
    after = deployment(trial)
    assert "pending_operations" not in after
    assert {one["urn"] for one in after["resources"]} == made


# What is staged beside the engine's back for the turn that is killed: something of everything that a turn replaces.
STAGED_BY_HAND = """cd /var/lib/evenkeel/staged
sed -i 's/^    - --data-dir=.*/&\\n    - --max-snapshots=6/' etcd/files/etc/kubernetes/manifests/etcd.yaml
sed -i 's/^    - --advertise-address=.*/&\\n    - --v=1/' apiserver/files/etc/kubernetes/manifests/kube-apiserver.yaml
echo 'maxPods: 111' >>kubelet/files/var/lib/kubelet/config.yaml"""
TURN = {
    "its apiserver is out of service": APISERVER_AWAY,
    "its etcd member is away": "[ ! -e /etc/kubernetes/manifests/etcd.yaml ]",
    "etcd's new manifest is in place": "grep -q -- --max-snapshots=6 /etc/kubernetes/manifests/etcd.yaml",
    "the apiserver's new manifest is in place": "grep -q -- --v=1 /etc/kubernetes/manifests/kube-apiserver.yaml",
    "the kubelet has its new file and runs with its old one": "grep -q 'maxPods: 111' /var/lib/kubelet/config.yaml",
}


def test_a_turn_that_was_killed_on_its_host_at_five_moments_ends_well(trial: Trial, roll: Rolled) -> None:
    """Its own kill -9, not its engine's: nothing of it runs on, and the next one finds what it left half done.

    The engine's last ``up`` is told that the turn shall be replaced: ending the old one must take nothing away.
    """
    master = MASTERS[0]
    hosts.run(master, STAGED_BY_HAND, check=True)
    for until in TURN.values():
        kill_turn(trial, master, until)
    trial.program.up(FLAGS, ["--replace", f"**::{master}-activate"]).ok()
    _is_one_well_cluster(trial)
    running = hosts.run(master, "ps -ww -eo args").stdout
    assert all(flag in running for flag in ("--max-snapshots=6", "--v=1", *FLAGS_AS_SEEN))
    capacity = trial.kubectl("get", "node", master, "--output=jsonpath={.status.capacity.pods}")
    assert capacity == "111"
    assert hosts.run(master, LEFT_OVER, check=True).stdout == ""
    _changes_nothing(trial, FLAGS)


LEFT_OVER = (
    "find /etc/kubernetes /var/lib/evenkeel /usr/local/lib/evenkeel /usr/local/bin /opt/cni/bin /etc/nginx"
    " -name '.?*' ! -name .named 2>/dev/null || true"
)
WRITTEN = "get /registry/configmaps/default/round- --prefix --keys-only --consistency=s"


def _write(trial: Trial, written: list[str], name: str) -> None:
    """One acknowledged write."""
    trial.kubectl("create", "configmap", name)
    written.append(name)


def _is_one_well_cluster(trial: Trial) -> None:
    assert trial.ready_nodes() == list(MASTERS)
    assert len({trial.cluster_id(master) for master in MASTERS}) == 1
    for master in MASTERS:
        assert trial.voters(master) == list(MASTERS)
    assert trial.kubectl("get", "--raw", "/readyz") == "ok"


def _changes_nothing(trial: Trial, changes: dict[str, Any] | None) -> None:
    again = trial.program.up(changes).ok()
    assert re.search(r"Resources:\n +\d+ unchanged\n", again.text), again.text


def _said(trial: Trial, command: str) -> str:
    """What the last run of a command said on standard error."""
    found = [one for one in deployment(trial)["resources"] if one["urn"].endswith(f"::{command}")]
    assert len(found) == 1
    return str(found[0]["outputs"]["stderr"])


def _pods_made(master: str, pod: str, since: str) -> int:
    """How many pods of that name containerd has made since then."""
    journal = hosts.run(master, f"journalctl -u containerd --since=@{since} --no-pager -o cat", check=True).stdout
    made = [line for line in journal.splitlines() if "RunPodSandbox" in line and "returns sandbox id" in line]
    return sum(f'name:\\"{pod}-{master}\\"' in line for line in made)
