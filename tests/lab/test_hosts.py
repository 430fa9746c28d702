"""A host of the lab behaves as one that a user would own, on a spare one."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import hosts, ssh
from lab.errors import LabError
from lab.paths import CLONE, SSH_CONFIG

SPARE = "spare5"

pytestmark = pytest.mark.lab


def over_ssh(command: str) -> subprocess.CompletedProcess[str]:
    options = ["-F", str(SSH_CONFIG), "-o", "ConnectTimeout=2"]
    return subprocess.run(["ssh", *options, SPARE, command], capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def spare() -> Iterator[str]:
    if SPARE in hosts.names():
        hosts.destroy(SPARE)
    hosts.create(SPARE)
    ssh.ensure([SPARE])
    yield SPARE
    hosts.destroy(SPARE)


def test_a_host_is_back_by_itself_with_its_disk_and_its_key_after_its_power_was_cut(spare: str) -> None:
    over_ssh("echo kept >/var/lib/mark && sync")
    hosts.kill(spare)
    assert over_ssh("true").returncode != 0
    hosts.start(spare)
    assert over_ssh("cat /var/lib/mark").stdout == "kept\n"


def test_an_emptied_host_has_nothing_on_its_disk_and_another_key_that_is_not_trusted(spare: str) -> None:
    over_ssh("touch /etc/mark /var/lib/mark")
    hosts.empty(spare)
    ssh.authorize(spare)
    assert "Host key verification failed" in over_ssh("true").stderr
    ssh.trust(spare)
    assert over_ssh("ls /etc/mark /var/lib/mark").stdout == ""


def test_a_host_that_is_cut_off_is_silent_while_its_link_stays_up(spare: str) -> None:
    hosts.disconnect(spare)
    assert "timed out" in over_ssh("true").stderr
    assert hosts.run(spare, "cat /sys/class/net/eth0/carrier").stdout == "1\n"
    hosts.connect(spare)
    assert over_ssh("true").returncode == 0


def test_a_frozen_hosts_processes_do_nothing_until_it_goes_on(spare: str) -> None:
    over_ssh("while sleep 0.05; do date +%s%N >/tmp/ticks; done >/dev/null 2>&1 &")
    hosts.pause(spare)
    with pytest.raises(LabError, match="paused"):
        hosts.run(spare, "cat /tmp/ticks", check=True)
    frozen = time.time_ns()
    time.sleep(1)
    hosts.unpause(spare)
    last = int(hosts.run(spare, "cat /tmp/ticks", check=True).stdout)
    assert last <= frozen or last >= frozen + 1_000_000_000


def test_one_user_may_become_root_and_one_may_not(spare: str) -> None:
    assert over_ssh("su operator -c 'sudo -n id -u'").stdout == "0\n"
    assert over_ssh("su visitor -c 'sudo -n id -u'").returncode != 0


def test_empty_groups_that_a_killed_host_left_are_gone_before_its_kubelet_starts(spare: str) -> None:
    """They cost a kubelet more than a minute, in which it ends each as a pod."""
    prepare = "/usr/local/lib/lab/own-cgroup"
    stale = f"/sys/fs/cgroup/pids/lab/{spare}/kubepods/pod1"
    live = f"/sys/fs/cgroup/pids/lab/{spare}/kubepods/pod2"
    make = f"mkdir -p {stale} {live} && (sleep 60 & echo $! >{live}/cgroup.procs)"
    hosts.run(spare, f"{prepare} && {make}", check=True)
    hosts.run(spare, prepare, check=True)
    assert hosts.run(spare, f"ls -d {stale} {live}").stdout == f"{live}\n"


def test_a_host_that_is_taken_away_leaves_no_group_on_the_machine(spare: str) -> None:
    hosts.run(spare, "/usr/local/lib/lab/own-cgroup", check=True)
    hosts.run(spare, f"mkdir -p /sys/fs/cgroup/pids/lab/{spare}/kubepods/pod1", check=True)
    hosts.empty(spare)
    assert list(Path("/sys/fs/cgroup").glob(f"*/lab/{spare}")) == []


def test_another_clone_is_told_whose_lab_it_is(tmp_path: Path) -> None:
    for name in ("lab", "releases"):
        shutil.copytree(CLONE / name, tmp_path / name)
    command = [str(CLONE / ".venv/bin/python"), "-m", "lab", "hosts"]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert f"belongs to the clone {CLONE}" in refused.stdout
    assert not (tmp_path / ".lab").exists()
