"""What a host is refused for, in the user's words, before anything is changed; and its downloads (preflight.sh)."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from tests.scripts.preflight_bench import Bench
from tests.settings import pem

HELD = 'LISTEN 0 128 0.0.0.0:{port} 0.0.0.0:* users:(("{program}",pid=4711,fd=3))'


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if "fetching" not in line]


def test_a_good_host_passes_and_holds_its_downloads(bench: Bench) -> None:
    done = bench.host.preflight(bench.stack, "shaolin")
    assert done.returncode == 0, done.stderr
    assert lines(done.stderr) == []
    assert bench.cached() == {hashlib.sha256(content).hexdigest() for content in bench.mirror.files.values()}


def test_what_it_prints_is_the_same_at_every_run(bench: Bench) -> None:
    first = bench.host.preflight(bench.stack, "shaolin").stdout
    assert first.splitlines()[:3] == ["architecture x86_64", "distribution debian 12", "cgroup v2"]
    time.sleep(1.1)
    assert bench.host.preflight(bench.stack, "shaolin").stdout == first


def test_nothing_but_the_cache_is_written(bench: Bench) -> None:
    bench.host.cache.mkdir(parents=True)
    before = {path for path in bench.host.root.rglob("*") if bench.host.cache not in path.parents}
    assert bench.host.preflight(bench.stack, "shaolin").returncode == 0
    after = {path for path in bench.host.root.rglob("*") if bench.host.cache not in path.parents}
    assert after == before


def _file(path: str, text: str) -> Callable[[Bench], None]:
    return lambda bench: bench.host.file(path, text)


def _stub(name: str, text: str) -> Callable[[Bench], None]:
    return lambda bench: bench.host.stub(name, text)


def _without(path: str) -> Callable[[Bench], None]:
    return lambda bench: (bench.host.root / path).unlink()


def _held(port: int, program: str) -> Callable[[Bench], None]:
    return _stub("ss", f"cat <<'END'\n{HELD.format(port=port, program=program)}\nEND")


def _no_bridge(bench: Bench) -> None:
    (bench.host.root / "proc/sys/net/bridge/bridge-nf-call-iptables").unlink()
    (bench.host.root / "proc/sys/net/bridge").rmdir()


def _no_vxlan(bench: Bench) -> None:
    """As Ubuntu's kernels for small machines come, without their package of more modules."""
    (bench.host.root / "sys/module/vxlan/parameters/udp_port").unlink()
    (bench.host.root / "sys/module/vxlan/parameters").rmdir()
    (bench.host.root / "sys/module/vxlan").rmdir()


def _no_systemd(bench: Bench) -> None:
    (bench.host.root / "run/systemd/system/marker").unlink()
    (bench.host.root / "run/systemd/system").rmdir()
    bench.host.file("proc/1/comm", "openrc-init\n")


def _loadable_bridge(bench: Bench) -> None:
    _no_bridge(bench)
    bench.host.stub("modprobe", '[ "$*" = "-n -q br_netfilter" ]')


def _no_interface(bench: Bench) -> None:
    (bench.host.root / "sys/class/net/eth0/address").unlink()
    (bench.host.root / "sys/class/net/eth0").rmdir()


def _no_commands(bench: Bench) -> None:
    for name in ("conntrack", "ss", "ip"):
        bench.host.remove(name)


def _no_image(bench: Bench) -> None:
    digest = bench.stack.release.image("etcd").split("@")[1]
    bench.mirror.missing.add(f"/v2/registry.k8s.io/etcd/manifests/{digest}")


def _old_curl(bench: Bench) -> None:
    """As Red Hat 8 has it: an option that it doesn't know ends it before anything is asked."""
    curl = (bench.host.bin / "curl").resolve()
    bench.host.stub("curl", f'case "$*" in *--parallel*) exit 2 ;; esac\nexec {curl} "$@"')


def _runs(**minors: str) -> Callable[[Bench], None]:
    """A master whose programs are of these minor versions."""

    def changed(bench: Bench) -> None:
        for name in {"etcd", "kube-apiserver"} & minors.keys():
            image = f"registry.lab/mine/{name}:v{minors[name]}.13-0@sha256:{'1' * 64}"
            bench.host.file(f"etc/kubernetes/manifests/{name}.yaml", f"spec:\n  containers:\n    image: {image}\n")
        if "kubelet" in minors:
            bench.host.stub("systemctl", "[ \"$*\" = 'show --property MainPID --value kubelet' ] && echo 4711")
            bench.host.file("proc/4711/exe", f"#!/bin/sh\necho Kubernetes v{minors['kubelet']}.2\n")
            (bench.host.root / "proc/4711/exe").chmod(0o755)

    return changed


REFUSED: dict[str, tuple[str, Callable[[Bench], None], str, str]] = {
    "not root": ("shaolin", _stub("id", "echo 1000"), "not as root", "evenkeel:ssh.user"),
    "another init": ("shaolin", _no_systemd, "openrc-init, not systemd", "boots with systemd"),
    "architecture": ("shaolin", _stub("uname", "echo riscv64"), "riscv64", "ops lock 2026.11"),
    "cores": ("shaolin", _stub("nproc", "echo 1"), "1 cores, and a host with roles master needs 2", "more cores"),
    "memory": ("shaolin", _file("proc/meminfo", "MemTotal: 1000000 kB\n"), "976 MB of memory", "more memory"),
    "disk": (
        "shaolin",
        _stub("df", "printf 'a\\nb 1 1 1048576\\n'"),
        "/var/lib has 1024 MB free, and 4096",
        "free some",
    ),
    "swap": (
        "shaolin",
        _file("proc/swaps", "Filename Type\n/dev/vdb partition\n"),
        "swap is on (/dev/vdb)",
        "evenkeel:cluster.kubelet.config.failSwapOn",
    ),
    "cgroup v1": (
        "huashan",
        _stub("stat", "echo tmpfs"),
        "cgroup v1, and the kubelet 1.36",
        "evenkeel:cluster.kubelet.config.failCgroupV1",
    ),
    "controller": (
        "shaolin",
        _file("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n"),
        "no cgroup controller memory",
        "cgroup_disable=memory",
    ),
    "a minor version of Kubernetes left out": (
        "shaolin",
        _runs(**{"kube-apiserver": "1.34", "etcd": "3.6"}),
        "its kube-apiserver is 1.34, and only one of 1.35, 1.36 can become 1.36.3",
        "a release of each minor version between",
    ),
    "an older Kubernetes": ("shaolin", _runs(**{"kube-apiserver": "1.37"}), "its kube-apiserver is 1.37", "a backup"),
    "an older etcd": ("shaolin", _runs(etcd="3.7"), "its etcd is 3.7, and only one of 3.5, 3.6 can", "recover.md"),
    "a kubelet too old": ("huashan", _runs(kubelet="1.32"), "its kubelet is 1.32, and only one of 1.33", "promote"),
    "other addresses of Services": (
        "shaolin",
        _file("etc/kubernetes/manifests/kube-apiserver.yaml", "    - --service-cluster-ip-range=10.95.0.0/16\n"),
        "evenkeel:cluster.serviceCidr: 10.96.0.0/16: the cluster was made with 10.95.0.0/16",
        "set it back to 10.95.0.0/16",
    ),
    "other addresses of pods": (
        "wudang",
        _file("etc/kubernetes/manifests/kube-controller-manager.yaml", '    - "--cluster-cidr=10.100.0.0/16"\n'),
        "the cluster was made with 10.100.0.0/16, and does not survive another one",
        "set it back",
    ),
    "another domain": (
        "huashan",
        _file("var/lib/kubelet/config.yaml", "clusterDNS: []\nclusterDomain: k8s.example.com\n"),
        "evenkeel:cluster.domain: cluster.local: the cluster was made with k8s.example.com",
        "docs/hosts.md",
    ),
    "br_netfilter": ("shaolin", _no_bridge, "br_netfilter is neither loaded nor can be", "6.1.0"),
    "the pod network's module": ("huashan", _no_vxlan, "vxlan is neither loaded nor can be", "6.1.0"),
    "overlay": ("huashan", _file("proc/filesystems", "nodev proc\n"), "overlay is neither loaded", "6.1.0"),
    "address": (
        "wudang",
        _stub("ip", "echo '2: eth0 inet 172.16.0.9/24'"),
        "192.0.2.12 is on none of its interfaces (172.16.0.9)",
        "evenkeel:hosts.wudang.address",
    ),
    "VIP's interface": (
        "lb1",
        _no_interface,
        "no interface eth0",
        "evenkeel:loadBalancer.vip.interface",
    ),
    "foreign port": (
        "shaolin",
        _held(10250, "python3"),
        "port 10250, which kubelet needs, is held by python3 (pid 4711)",
        "systemctl status 4711",
    ),
    "LB's port": ("lb1", _held(6443, "haproxy"), "port 6443, which nginx needs, is held by haproxy", "another port"),
    "foreign cluster": (
        "shaolin",
        _held(10257, "kube-controller"),
        "held by a kube-controller (pid 4711) that this stack did not start",
        "kubeadm reset",
    ),
    "commands": (
        "shaolin",
        _no_commands,
        "it lacks the commands conntrack ip ss",
        "apt-get install conntrack iproute2; Red Hat: dnf install conntrack-tools iproute",
    ),
    "no nginx": ("lb1", lambda bench: bench.host.remove("nginx"), "lacks the commands nginx", "nginx-light"),
    "no keepalived": ("lb1", lambda bench: bench.host.remove("keepalived"), "commands keepalived", "keepalived"),
    "no stream": (
        "lb1",
        _stub("nginx", "echo 'configure arguments: --with-http_ssl_module' >&2"),
        "no stream module",
        "libnginx-mod-stream",
    ),
    "stream not installed": (
        "lb1",
        _without("usr/lib/nginx/modules/ngx_stream_module.so"),
        "no stream module",
        "libnginx-mod-stream",
    ),
    "curl too old for the check": ("lb1", _old_curl, "curl cannot ask several upstreams at once", "a newer one"),
    "clock behind": ("shaolin", lambda bench: setattr(bench.mirror, "ahead", 3.0), "s behind that of", "timedatectl"),
    "clock ahead": ("lb1", lambda bench: setattr(bench.mirror, "ahead", -2.6), "s ahead of that of", "timedatectl"),
    "resolver on a loopback": (
        "shaolin",
        _file("etc/resolv.conf", "nameserver 127.0.0.53\n"),
        "/etc/resolv.conf names a loopback address (127.0.0.53)",
        "kubelet.config.resolvConf",
    ),
    "no name server": ("shaolin", _file("etc/resolv.conf", "search x\n"), "names no name server", "resolvConf"),
    "image": ("shaolin", _no_image, "the mirror does not have image registry.k8s.io/etcd@sha256:", "release.mirror"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_host_is_refused_by_cause_and_remedy_and_fetches_nothing(case: str, bench: Bench) -> None:
    name, arrange, cause, remedy = REFUSED[case]
    arrange(bench)
    done = bench.host.preflight(bench.stack, name)
    assert done.returncode == 1
    (line,) = lines(done.stderr)
    assert line.startswith(f"evenkeel: {name}: preflight: ")
    said_cause, said_remedy = line.split("; ", 1)
    assert cause in said_cause
    assert remedy in said_remedy
    assert not bench.host.cache.exists()


def test_everything_that_is_wrong_is_said_at_once(bench: Bench) -> None:
    for case in ("cores", "memory", "swap", "controller", "overlay", "foreign port", "clock behind", "image"):
        REFUSED[case][1](bench)
    done = bench.host.preflight(bench.stack, "shaolin")
    assert len(lines(done.stderr)) == 8, done.stderr


ALLOWED: dict[str, tuple[str, Callable[[Bench], None], dict[str, str]]] = {
    "a network of the user's own": ("shaolin", _no_vxlan, {"POD_MODULES": ""}),
    "swap": ("shaolin", REFUSED["swap"][1], {"FAIL_SWAP_ON": "false"}),
    "cgroup v1": ("shaolin", _stub("stat", "echo tmpfs"), {"FAIL_CGROUP_V1": "false"}),
    "a module that can be loaded": (
        "shaolin",
        _loadable_bridge,
        {},
    ),
    "the minor versions before": (
        "shaolin",
        _runs(**{"kube-apiserver": "1.35", "etcd": "3.5", "kubelet": "1.33"}),
        {},
    ),
    "the same addresses of pods": (
        "shaolin",
        _file("etc/kubernetes/manifests/kube-controller-manager.yaml", "    - --cluster-cidr=10.244.0.0/16\n"),
        {},
    ),
    "a clock 1.4 s off": ("shaolin", lambda bench: setattr(bench.mirror, "ahead", 1.4), {}),
    "built-in stream": ("lb1", _stub("nginx", "echo 'configure arguments: --with-stream' >&2"), {}),
    "swap on a load balancer": ("lb1", REFUSED["swap"][1], {}),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_the_settings_allow_passes(case: str, bench: Bench) -> None:
    name, arrange, changed = ALLOWED[case]
    arrange(bench)
    done = bench.host.preflight(bench.stack, name, **changed)
    assert done.returncode == 0, done.stderr


def test_a_node_of_the_cluster_that_is_adopted_may_run_it_already(tmp_path: Path, bench: Bench) -> None:
    held = [(10250, "kubelet"), (10249, "kube-proxy")]
    listing = "\n".join(HELD.format(port=port, program=program) for port, program in held)
    bench.host.stub("ss", f"cat <<'END'\n{listing}\nEND")
    authority = bench.host.root / "etc/kubernetes/pki/ca.crt"
    authority.parent.mkdir(parents=True)
    ours, other = pem.issued("kubernetes"), pem.issued("kubernetes")
    fingerprint = ours.certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    authority.write_text(ours.text)
    assert bench.host.preflight(bench.stack, "huashan", CLUSTER_CA=fingerprint).returncode == 0
    assert bench.host.preflight(bench.stack, "huashan").returncode == 1, "a stack that founds its cluster"
    authority.write_text(other.text)
    assert bench.host.preflight(bench.stack, "huashan", CLUSTER_CA=fingerprint).returncode == 1, "another cluster"


def test_our_own_programs_may_hold_their_ports_on_a_host_that_was_prepared(bench: Bench) -> None:
    held = [(6443, "kube-apiserver"), (2379, "etcd"), (10250, "kubelet"), (10257, "kube-controller")]
    listing = "\n".join(HELD.format(port=port, program=program) for port, program in held)
    bench.host.stub("ss", f"cat <<'END'\n{listing}\nEND")
    bench.host.state.mkdir(parents=True)
    assert bench.host.preflight(bench.stack, "shaolin").returncode == 0


def test_a_prepared_host_is_not_refused_for_the_disk_that_it_has_filled_since(bench: Bench) -> None:
    REFUSED["disk"][1](bench)
    bench.host.state.mkdir(parents=True)
    assert bench.host.preflight(bench.stack, "shaolin").returncode == 0


def test_names_that_downloads_need_must_resolve_and_others_should(bench: Bench) -> None:
    bench.host.stub("getent", "case $2 in mirror.example.com|shaolin) exit 2 ;; esac")
    done = bench.host.preflight(bench.stack, "shaolin", NAMES="mirror.example.com")
    assert done.returncode == 1
    assert "preflight: the name mirror.example.com does not resolve; " in done.stderr
    assert "preflight: warning: the name shaolin does not resolve here" in done.stderr


def _firewalld(bench: Bench) -> None:
    bench.host.stub("systemctl", '[ "$*" = "is-active --quiet firewalld" ]')


def _ufw(bench: Bench) -> None:
    bench.host.file("etc/ufw/ufw.conf", "# comment\nENABLED=yes\nLOGLEVEL=low\n")


@pytest.mark.parametrize(("name", "runs"), [("firewalld", _firewalld), ("ufw", _ufw)])
def test_a_firewall_that_runs_is_named_with_what_it_must_let_in(
    bench: Bench, name: str, runs: Callable[[Bench], None]
) -> None:
    """It is no fault: its rules may be right. Where they aren't, nothing said more than that etcd was not healthy."""
    runs(bench)
    done = bench.host.preflight(bench.stack, "shaolin")
    assert done.returncode == 0
    entrances = "TCP 2379 2380 6443 10250, UDP 8472 and what pods send each other"
    assert f"preflight: warning: {name} runs here; see that it lets in {entrances}" in done.stderr


def test_a_host_without_a_firewall_is_not_warned(bench: Bench) -> None:
    bench.host.file("etc/ufw/ufw.conf", "ENABLED=no\n")
    assert "warning" not in bench.host.preflight(bench.stack, "shaolin").stderr


def test_a_host_whose_selinux_enforces_is_warned(bench: Bench) -> None:
    """Red Hat's default: it lets nginx listen on few ports, and says so in a log of its own alone."""
    bench.host.file("sys/fs/selinux/enforce", "1")
    done = bench.host.preflight(bench.stack, "shaolin")
    assert done.returncode == 0
    assert "preflight: warning: SELinux enforces its rules here; let it only report" in done.stderr
    bench.host.file("sys/fs/selinux/enforce", "0")
    assert "warning" not in bench.host.preflight(bench.stack, "shaolin").stderr


def test_a_load_balancer_whose_own_address_is_not_where_keepalived_speaks_is_warned(bench: Bench) -> None:
    """VRRP goes through the virtual address's interface: two that don't hear each other both take the address."""
    bench.host.file("sys/class/net/eth1/address", "02:42:0a:4d:00:0c\n")
    bench.host.stub("ip", "printf '2: eth0 inet 10.0.0.9/24\\n3: eth1 inet %s/24\\n' \"$ADDRESS_OF_HOST\"")
    done = bench.host.preflight(bench.stack, "lb1")
    assert done.returncode == 0
    assert "warning: its address 192.0.2.31 is on eth1, and keepalived speaks through eth0; " in done.stderr
    assert "warning" not in bench.host.preflight(bench.stack, "lb1", VIP_INTERFACE="eth1").stderr
    assert "warning" not in bench.host.preflight(bench.stack, "lb1", VIP_INTERFACE="").stderr


def test_a_mirror_that_does_not_answer_is_named_with_the_reason(bench: Bench) -> None:
    done = bench.host.preflight(bench.stack, "shaolin", CLOCK_URL="http://127.0.0.1:1/kubelet", IMAGES="")
    assert done.returncode == 1
    assert "http://127.0.0.1:1/kubelet" in done.stderr
    assert "(7)" in done.stderr


def test_a_load_balancer_needs_no_mirror(bench: Bench) -> None:
    done = bench.host.preflight(bench.stack, "lb1", CLOCK_URL="http://127.0.0.1:1/kubelet")
    assert done.returncode == 0
    assert "warning: its clock was not compared" in done.stderr


def test_images_that_the_host_has_pulled_are_not_asked_for_again(bench: Bench) -> None:
    _no_image(bench)
    image = bench.stack.release.image("etcd")
    bench.host.file("var/lib/evenkeel/images", f"{image.rpartition(':3')[0]}@{image.split('@')[1]}\n")
    assert bench.host.preflight(bench.stack, "shaolin").returncode == 0


def test_a_missing_file_is_refused_with_its_address(bench: Bench) -> None:
    address = bench.artifact("runc")
    del bench.mirror.files[address]
    done = bench.host.preflight(bench.stack, "shaolin")
    assert done.returncode == 1
    (line,) = lines(done.stderr)
    assert f"runc cannot be fetched from {bench.mirror.url}{address}: (22) " in line
    assert "404" in line
    assert "evenkeel:release.mirror" in line


def test_a_changed_file_is_refused_and_not_kept(bench: Bench) -> None:
    bench.mirror.files[bench.artifact("etcd")] = b"something else"
    done = bench.host.preflight(bench.stack, "shaolin")
    assert done.returncode == 1
    (line,) = lines(done.stderr)
    expected = bench.stack.release.artifact("etcd", "amd64").sha256
    got = hashlib.sha256(b"something else").hexdigest()
    assert f"etcd from {bench.mirror.url}{bench.artifact('etcd')} has sha256 {got}" in line
    assert f"lock says {expected}; lock the release anew (python -m ops lock 2026.11)" in line
    assert expected not in bench.cached()
    assert not list(bench.host.cache.glob(f".{expected}*"))


def test_a_second_run_fetches_nothing(bench: Bench) -> None:
    bench.host.preflight(bench.stack, "shaolin")
    bench.mirror.served.clear()
    assert bench.host.preflight(bench.stack, "shaolin").returncode == 0
    assert bench.mirror.served == []


def test_an_unfinished_download_goes_on_where_it_ended(bench: Bench) -> None:
    artifact = bench.stack.release.artifact("kubelet", "amd64")
    bench.host.file(f"var/cache/evenkeel/.{artifact.sha256}.part", "kubel")
    assert bench.host.preflight(bench.stack, "shaolin").returncode == 0
    assert bench.mirror.ranges == ["bytes=5-"]
    assert (bench.host.cache / artifact.sha256).read_bytes() == b"kubeletamd64"


def test_a_download_that_was_whole_but_not_yet_named_is_kept(bench: Bench) -> None:
    artifact = bench.stack.release.artifact("kubelet", "amd64")
    bench.host.file(f"var/cache/evenkeel/.{artifact.sha256}.part", "kubeletamd64")
    assert bench.host.preflight(bench.stack, "shaolin").returncode == 0
    assert bench.artifact("kubelet") not in bench.mirror.served
    assert artifact.sha256 in bench.cached()


def test_an_unfinished_download_of_something_else_starts_anew(bench: Bench) -> None:
    artifact = bench.stack.release.artifact("kubelet", "amd64")
    bench.host.file(f"var/cache/evenkeel/.{artifact.sha256}.part", "other words")
    assert bench.host.preflight(bench.stack, "shaolin").returncode == 0
    assert (bench.host.cache / artifact.sha256).read_bytes() == b"kubeletamd64"


def test_two_runs_at_once_fetch_each_file_once(bench: Bench) -> None:
    runs: list[Any] = [bench.host.start(bench.stack, "shaolin") for _ in range(2)]
    said = [run.communicate(timeout=60)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sorted(bench.mirror.served) == sorted(bench.mirror.files)
