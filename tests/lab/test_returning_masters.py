"""What an ``up`` makes of etcd members that are not where, or what, the stack last had: out of space, moved, sent away.

One small cluster of spare hosts has all of it happen to it, in this order.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from lab import hosts, ssh
from tests.lab.program import Program, spares
from tests.lab.trial import ETCDCTL, Trial, fresh, on_spares
from tests.waiting import eventually

NAME = "return"
MASTERS = ("spare9", "spare10", "spare11")
BALANCER, ELSEWHERE, INSTEAD = "spare12", "bench4", "spare13"
MOVED, AWAY = MASTERS[1:]
LOAD_BALANCER: dict[str, Any] = {"address": hosts.ADDRESSES[BALANCER], "vip": None, "extraSans": []}
MEBIBYTE = 1 << 20
FULL, LARGER = 16 * MEBIBYTE, 256 * MEBIBYTE

pytestmark = [pytest.mark.lab, pytest.mark.long]


def quota(size: int) -> dict[str, Any]:
    """The settings that give etcd so many bytes."""
    return {"cluster": {"etcd": {"extraArgs": {"quota-backend-bytes": str(size)}}}}


AT_ITS_NEW_ADDRESS = {MOVED: {"address": hosts.ADDRESSES[ELSEWHERE], "ssh": {"host": hosts.ADDRESSES[MOVED]}}}
AFTERWARDS = {**quota(LARGER), "hosts": AT_ITS_NEW_ADDRESS}


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    """Three masters whose etcd has little space."""
    roles = {**{name: ["master"] for name in MASTERS}, BALANCER: ["lb"]}
    with on_spares(NAME, roles, {"loadBalancer": LOAD_BALANCER}) as made:
        made.program.up(quota(FULL)).ok()
        try:
            yield made
        finally:
            hosts.destroy(INSTEAD)


def alarms(trial: Trial) -> list[int]:
    """The members that have raised one."""
    return [alarm["memberID"] for alarm in trial.etcd(MASTERS[0], "alarm list").get("alarms", [])]


def test_a_larger_quota_comes_to_an_etcd_that_is_out_of_space(trial: Trial) -> None:
    """Neither etcdctl nor /health calls such a member healthy, so that the first master's turn refused to stop it."""
    value = f"head -c {MEBIBYTE} /dev/zero | tr '\\0' x"
    hosts.run(MASTERS[0], f"for i in $(seq 40); do {value} | ({ETCDCTL} put filler$i) || break; done")
    eventually(lambda: bool(alarms(trial)), 30, "etcd is out of space")
    trial.program.up(quota(LARGER)).ok()
    for master in MASTERS:
        assert (
            f"--quota-backend-bytes={LARGER}"
            in hosts.run(master, "tr '\\0' '\\n' </proc/$(pgrep -xo etcd)/cmdline").stdout
        )
    hosts.run(MASTERS[0], f"{ETCDCTL} alarm disarm && {ETCDCTL} del filler --prefix", check=True)
    trial.kubectl("create", "configmap", "written", "--from-literal=when=before")


def test_a_master_whose_address_changes_stays_the_member_that_it_was(trial: Trial) -> None:
    """The others knew it by the old address, and the end of the ``up`` removed it as nobody's."""
    before = {member["name"]: member["ID"] for member in trial.etcd(MASTERS[0], "member list")["members"]}
    old, new = hosts.ADDRESSES[MOVED], hosts.ADDRESSES[ELSEWHERE]
    # What it sends comes from the new one; the old one stays for the lab's SSH.
    lines = ["sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1", f"ip address add {new}/24 dev eth0"]
    lines += [f"ip address del {old}/24 dev eth0", f"ip address add {old}/24 dev eth0"]
    hosts.run(MOVED, " && ".join(lines), check=True)
    trial.program.up(AFTERWARDS).ok()
    members = trial.etcd(MASTERS[0], "member list")["members"]
    assert {member["name"]: member["ID"] for member in members} == before
    assert next(member for member in members if member["name"] == MOVED)["peerURLs"] == [f"https://{new}:2380"]
    eventually(lambda: trial.ready_nodes() == sorted(MASTERS), 60, "every node is ready")


def test_a_master_that_left_and_comes_back_with_its_data_joins_anew(trial: Trial) -> None:
    """Its etcd ended at each start, and so did each of its turns."""
    hosts.stop(AWAY)
    fresh(INSTEAD)
    ssh.ensure([INSTEAD])
    everybody = trial.program.values["hosts"] | spares([INSTEAD], {INSTEAD: ["master"]})
    without = {name: host for name, host in everybody.items() if name != AWAY}
    Program(NAME, {**trial.program.values, "hosts": without}).up(AFTERWARDS).ok()
    assert trial.voters(MASTERS[0]) == sorted({*MASTERS, INSTEAD} - {AWAY})
    hosts.start(AWAY)
    again = Program(NAME, {**trial.program.values, "hosts": everybody})
    again.up(AFTERWARDS).ok()
    assert trial.voters(AWAY) == sorted({*MASTERS, INSTEAD})
    assert trial.cluster_id(AWAY) == trial.cluster_id(MASTERS[0])
    assert hosts.run(AWAY, "ls -d /var/lib/etcd/removed-*/wal").returncode == 0, "what it held is kept"
    assert trial.kubectl("get", "configmap", "written", "--output=jsonpath={.data.when}") == "before"
    eventually(lambda: trial.ready_nodes() == sorted({*MASTERS, INSTEAD}), 60, "every node is ready")
    assert again.steps(AFTERWARDS) == []
