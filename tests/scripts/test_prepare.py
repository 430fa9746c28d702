"""What a preparation leaves on a host, and that it leaves alone what runs there (prepare.sh, activate-runtime.sh)."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import pytest

import settings
from releases.schema import IMAGES
from render import preparation
from tests.scripts.bare_host import SCRIPTS
from tests.scripts.prepared_host import SYSCTLS, PreparedHost, artifacts, stack
from tests.settings import samples

BIN, CNI = "usr/local/bin", "opt/cni/bin"
TUNED = {"plugins": {"io.containerd.cri.v1.runtime": {"restrict_oom_score_adj": True}}}
WATCH = "evenkeel-silent-peers"
WATCH_STARTS = ["daemon-reload", f"enable --quiet --no-reload {WATCH}", f"restart {WATCH}"]
PROGRAMS = {
    f"{BIN}/{name}": name for name in ("kubelet", "kubectl", "runc", "ctr", "etcdctl", "etcdutl", "containerd")
} | {f"{CNI}/{name}": name for name in ("bridge", "loopback", "flannel")}


@pytest.fixture
def host(tmp_path: Path) -> PreparedHost:
    host = PreparedHost(tmp_path)
    host.cached(artifacts("1"))
    return host


@pytest.fixture
def first(tmp_path: Path) -> settings.Stack:
    return stack(tmp_path, "1", artifacts("1"))


@pytest.fixture
def second(tmp_path: Path, host: PreparedHost) -> settings.Stack:
    """The next release, and another setting of containerd."""
    host.cached(artifacts("2"))
    return stack(tmp_path, "2", artifacts("2"), TUNED)


def runs_pods_since(host: PreparedHost) -> None:
    """What activation leaves, and by which a host is known to be in service."""
    host.file("etc/kubernetes/kubelet.conf", "")
    (host.root / "systemctl.log").unlink()


def test_a_fresh_host_has_every_program_and_containerd_runs(host: PreparedHost, first: settings.Stack) -> None:
    done = host.prepare(first, "shaolin")
    assert done.returncode == 0, done.stderr
    assert set(host.programs()) == set(PROGRAMS)
    assert host.programs()[f"{CNI}/flannel"] == "flannel 1"
    assert {path.stat().st_mode & 0o777 for path in (host.root / BIN).iterdir()} == {0o755}
    runtime = ["daemon-reload", "enable --quiet --no-reload containerd", "restart containerd"]
    assert host.systemctl_calls == [*WATCH_STARTS, *runtime]
    assert (host.root / "etc/containerd/certs.d/registry.k8s.io/hosts.toml").exists()


def test_every_image_has_both_its_names(host: PreparedHost, first: settings.Stack) -> None:
    host.prepare(first, "shaolin")
    listed = {tuple(line.split()) for line in (host.root / "images.list").read_text().splitlines()}
    tagged, digest = first.release.image("kube-apiserver").split("@")
    assert {(f"registry.k8s.io/kube-apiserver@{digest}", "index", digest), (tagged, "index", digest)} <= listed
    assert len(listed) == 2 * len(IMAGES)
    assert f"registry.k8s.io/kube-apiserver@{digest}" in (host.state / "images").read_text().splitlines()


def test_kernel_settings_are_in_force_and_survive_a_boot(host: PreparedHost, first: settings.Stack) -> None:
    host.prepare(first, "shaolin")
    for key, value in SYSCTLS.items():
        assert (host.root / "proc/sys" / key.replace(".", "/")).read_text() == f"{value}\n", key
    assert "net.ipv4.ip_forward = 1\n" in (host.root / "etc/sysctl.d/90-evenkeel.conf").read_text()
    assert (host.root / "etc/modules-load.d/evenkeel.conf").read_text() == "overlay\nbr_netfilter\n"


def test_a_second_run_changes_nothing(host: PreparedHost, first: settings.Stack) -> None:
    host.prepare(first, "shaolin")
    before = {path: path.stat().st_ino for path in (host.root / BIN).iterdir()}
    (host.root / "systemctl.log").unlink()
    (host.root / "ctr.log").unlink()
    done = host.prepare(first, "shaolin")
    assert done.stderr == "evenkeel: shaolin: prepared\n"
    assert {path: path.stat().st_ino for path in (host.root / BIN).iterdir()} == before
    assert host.systemctl_calls == []
    assert host.pulls == []


def test_what_runs_is_left_alone_until_its_turn(
    host: PreparedHost, first: settings.Stack, second: settings.Stack
) -> None:
    host.prepare(first, "shaolin")
    runs_pods_since(host)
    assert host.prepare(second, "shaolin").returncode == 0
    programs = host.programs()
    assert {programs[f"{BIN}/{name}"] for name in ("kubelet", "runc", "ctr")} == {"kubelet 1", "runc 1", "ctr 1"}
    assert "restrict_oom" not in (host.root / "etc/containerd/config.toml").read_text()
    assert host.systemctl_calls == []
    assert {programs[f"{BIN}/kubectl"], programs[f"{CNI}/bridge"]} == {"kubectl 2", "bridge 2"}
    assert len(host.pulls) == 2 * len(IMAGES)


def test_its_turn_puts_the_new_runtime_to_work_once(
    host: PreparedHost, first: settings.Stack, second: settings.Stack
) -> None:
    host.prepare(first, "shaolin")
    runs_pods_since(host)
    host.prepare(second, "shaolin")
    assert host.runtime_activate().returncode == 0
    assert host.programs()[f"{BIN}/runc"] == "runc 2"
    assert host.programs()[f"{BIN}/kubelet"] == "kubelet 1"
    assert "restrict_oom_score_adj = true" in (host.root / "etc/containerd/config.toml").read_text()
    assert host.systemctl_calls == ["daemon-reload", "enable --quiet --no-reload containerd", "restart containerd"]
    assert host.runtime_activate().stderr == ""
    assert host.systemctl_calls[3:] == []


def test_the_kubelets_own_turn_installs_its_program(
    host: PreparedHost, first: settings.Stack, second: settings.Stack
) -> None:
    host.prepare(first, "shaolin")
    runs_pods_since(host)
    host.prepare(second, "shaolin")
    here = host.root / "usr/local/lib/evenkeel"
    done = host.shell(
        f". {here}/lib.sh\n. {here}/artifacts.sh\ninstall_part kubelet.artifacts\ninstall_artifacts kubelet"
    )
    assert done.returncode == 0, done.stderr
    assert host.programs()[f"{BIN}/kubelet"] == "kubelet 2"


def test_a_containerd_that_is_down_is_started_on_a_host_in_service(host: PreparedHost, first: settings.Stack) -> None:
    host.prepare(first, "shaolin")
    runs_pods_since(host)
    (host.root / "run/containerd.up").unlink()
    assert host.prepare(first, "shaolin").returncode == 0
    assert host.systemctl_calls == ["enable --quiet --no-reload containerd", "start containerd"]


def test_a_containerd_that_does_not_come_up_says_why(host: PreparedHost, first: settings.Stack) -> None:
    host.stub("systemctl", 'case "$*" in "restart containerd") exit 1 ;; esac')
    done = host.prepare(first, "shaolin")
    assert done.returncode == 1
    assert "    level=error what containerd said\n" in done.stderr
    assert "evenkeel: shaolin: activate containerd: containerd does not start; " in done.stderr
    assert not (host.state / "applied/runtime").exists()


def test_a_configuration_that_containerd_cannot_read_stops_nothing(
    host: PreparedHost, first: settings.Stack, tmp_path: Path
) -> None:
    host.prepare(first, "shaolin")
    runs_pods_since(host)
    done = host.prepare(stack(tmp_path, "1", artifacts("1"), {"broken": True}), "shaolin")
    assert done.returncode == 1
    assert (
        "prepare containerd: it does not read its configuration: containerd: cannot read; "
        "correct evenkeel:cluster.containerd.config" in done.stderr
    )
    assert host.systemctl_calls == []


def test_a_key_that_containerd_does_not_know_is_named(host: PreparedHost, tmp_path: Path) -> None:
    done = host.prepare(stack(tmp_path, "1", artifacts("1"), {"novel": 1}), "shaolin")
    assert done.returncode == 0
    assert "warning: containerd does not know the key novel; " in done.stderr


def test_an_upgrade_keeps_no_older_programs(host: PreparedHost, first: settings.Stack, second: settings.Stack) -> None:
    host.prepare(first, "shaolin")
    host.prepare(second, "shaolin")
    unpacked = [path.name for path in (host.root / "usr/local/lib/evenkeel/unpacked").iterdir()]
    assert sorted(name[:-65] for name in unpacked) == sorted(artifacts("2"))
    assert host.programs()[f"{BIN}/kubelet"] == "kubelet 2"


def test_a_program_that_somebody_removed_or_changed_is_put_back(host: PreparedHost, first: settings.Stack) -> None:
    host.prepare(first, "shaolin")
    (host.root / BIN / "kubectl").unlink()
    (host.root / CNI / "bridge").unlink()
    (host.root / CNI / "bridge").write_text("something else")
    host.prepare(first, "shaolin")
    assert host.programs()[f"{BIN}/kubectl"] == "kubectl 1"
    assert host.programs()[f"{CNI}/bridge"] == "bridge 1"


def test_a_load_balancer_gets_scripts_kernel_settings_and_its_watch_alone(
    host: PreparedHost, first: settings.Stack
) -> None:
    assert host.prepare(first, "lb1").returncode == 0
    assert host.programs() == {}
    assert host.systemctl_calls == WATCH_STARTS
    assert (host.root / "proc/sys/net/ipv4/tcp_retries2").read_text() == "4\n"
    assert (host.root / "proc/sys/kernel/panic").read_text() == "0\n"
    assert (host.root / "usr/local/lib/evenkeel/lib.sh").stat().st_mode & 0o777 == 0o755


def test_a_watch_is_restarted_for_other_peers_alone_and_stops_where_there_are_none(
    host: PreparedHost, tmp_path: Path
) -> None:
    """A host that balances nothing any more would go on ending connections by an old list."""
    three = samples.stack(tmp_path)
    hosts = dict(three.hosts)
    two = dataclasses.replace(three, hosts={name: one for name, one in hosts.items() if name != "emei"})
    balances_nothing = dataclasses.replace(hosts["lb1"], roles=("hub",))
    none = dataclasses.replace(three, hosts=hosts | {"lb1": balances_nothing})
    calls = []
    for wanted in (three, three, two, none):
        assert host.prepare(wanted, "lb1").returncode == 0
        calls.append(host.systemctl_calls)
        (host.root / "systemctl.log").write_text("")
    assert calls == [WATCH_STARTS, [], WATCH_STARTS, [f"disable --now --quiet {WATCH}"]]
    assert not (host.root / f"etc/systemd/system/{WATCH}.service").exists()


def test_an_image_that_cannot_be_pulled_is_named_with_the_reason(host: PreparedHost, first: settings.Stack) -> None:
    done = host.prepare(first, "shaolin", REFUSED_IMAGE="/etcd@")
    assert done.returncode == 1
    assert "prepare images: registry.k8s.io/etcd@sha256:" in done.stderr
    assert "cannot be pulled: ctr: not found: registry.k8s.io/etcd@" in done.stderr
    assert not (host.state / "images").exists()


def test_a_kernel_setting_that_is_not_taken_is_named(host: PreparedHost, first: settings.Stack) -> None:
    (host.root / "proc/sys/net/ipv4/ip_forward").unlink()
    (host.root / "proc/sys/net/ipv4/ip_forward").mkdir()
    done = host.prepare(first, "huashan")
    assert done.returncode == 1
    assert "prepare sysctl: the kernel keeps net.ipv4.ip_forward at '' and does not take 1; " in done.stderr


def test_a_module_that_cannot_be_loaded_is_named(host: PreparedHost, first: settings.Stack) -> None:
    host.file("proc/filesystems", "nodev proc\n")
    done = host.prepare(first, "huashan")
    assert done.returncode == 1
    assert "prepare modules: the kernel module overlay cannot be loaded; " in done.stderr


def test_an_archive_without_its_program_is_named(host: PreparedHost, tmp_path: Path) -> None:
    contents = artifacts("1") | {"etcd": artifacts("1")["cni-plugins"]}
    done = host.prepare(stack(tmp_path, "1", contents), "shaolin")
    assert done.returncode == 1
    assert "prepare: the archive of etcd holds no etcdctl; " in done.stderr
    assert f"{BIN}/etcdctl" not in host.programs()


@pytest.mark.parametrize("moment", range(12))
def test_a_run_that_was_killed_is_finished_by_the_next(moment: int, host: PreparedHost, first: settings.Stack) -> None:
    """At a different moment each: some 30 ms apart, over as long as a whole run takes here."""
    body = preparation.prepare_body(first, first.hosts["shaolin"], SCRIPTS)
    with host.process(body) as run:
        time.sleep(0.02 + 0.03 * moment)
        os.killpg(run.pid, signal.SIGKILL)
    done = host.prepare(first, "shaolin")
    assert done.returncode == 0, done.stderr
    assert set(host.programs()) == set(PROGRAMS)
    assert (host.state / "applied/runtime").exists()
    assert len((host.state / "images").read_text().splitlines()) == len(IMAGES)
