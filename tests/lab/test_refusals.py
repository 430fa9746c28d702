"""Bad input is refused with key, value and remedy before any host is changed, by the real engine on hosts of its own.

What settings alone can tell is refused by the program; the rest by each host's preflight, or by its silence. Every run
here has several things at fault: a user who is told one of them at a time runs the program as many times.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from lab import hosts, ssh, stack
from lab.paths import CLONE, KNOWN_HOSTS
from releases.store import FOLDER as RELEASES
from releases.store import known_releases
from tests.lab.program import Program, Run, spares
from tests.lab.untouched import fingerprints, no_host_changed

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("refusals")]

NAMES = ["spare9", "spare10", "spare11", "spare12"]
ADDRESSES = [hosts.ADDRESSES[name] for name in NAMES]
NOWHERE = "10.77.0.199"
LOCK = CLONE / ".lab" / "2026.11.lock.yaml"
SKEWED_RELEASE = "skewed"
ZEROES = "0" * 64
SHIFTED_CLOCK = """#!/bin/sh
[ "$*" = +%s%N ] || exec /usr/bin/date "$@"
echo $(($(/usr/bin/date +%s%N) + 4000000000))
"""


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """Three masters and a load balancer, with the release and the mirror of stack ``dev``."""
    roles = {name: ["master"] for name in NAMES} | {"spare12": ["lb"]}
    balancer = {"address": hosts.ADDRESSES["spare12"], "vip": None}
    program = Program("refusals", {"hosts": spares(NAMES, roles), "loadBalancer": balancer})
    for name in NAMES:
        if name in hosts.names():
            hosts.destroy(name)
    hosts.ensure(NAMES)
    ssh.ensure(NAMES)
    for name in NAMES:
        hosts.run(name, "systemctl is-system-running --wait", timeout=60)
    program.forget()
    program.create()
    try:
        yield program
    finally:
        program.forget()
        for name in NAMES:
            hosts.destroy(name)


def refused(program: Program, changes: Mapping[str, Any]) -> Run:
    """An ``up`` that fails and leaves every host, those that are well included, as it was."""
    with no_host_changed(NAMES):
        run = program.up(changes)
    assert run.code != 0, run.text
    assert "retrying create" not in run.text
    assert "Traceback" not in run.text
    return run


def assert_told(run: Run, *lines: str) -> None:
    """Each line, up to and into its remedy, among the problems that the run ends with."""
    ending = run.text[run.text.index("Diagnostics:") :]
    for line in lines:
        assert line in ending, f"not told: {line}\n{ending}"


def lock_with(tmp_path: Path, artifacts: Mapping[str, str], images: Mapping[str, str]) -> str:
    """A copy of the lab's lock that holds other checksums and digests."""
    lock = yaml.safe_load(LOCK.read_text())
    for name, sha256 in artifacts.items():
        lock["artifacts"][name] = dict.fromkeys(lock["artifacts"][name], sha256)
    lock["images"] |= images
    path = tmp_path / "lock.yaml"
    path.write_text(yaml.safe_dump(lock))
    return str(path)


def test_a_changed_file_unit_or_kernel_setting_shows_in_the_fingerprint(program: Program) -> None:
    """The other tests rest on it."""
    before = fingerprints(NAMES)
    hosts.run("spare9", "mkdir /var/lib/evenkeel && sysctl -qw net.ipv4.tcp_retries2=5", check=True)
    changed = fingerprints(NAMES)
    hosts.run("spare9", "rmdir /var/lib/evenkeel && sysctl -qw net.ipv4.tcp_retries2=15", check=True)
    assert any(line.startswith("/var/lib/evenkeel ") for line in changed["spare9"] - before["spare9"])
    assert "/proc/sys/net/ipv4/tcp_retries2:5" in changed["spare9"] - before["spare9"]
    assert changed["spare10"] == before["spare10"]


def test_settings_that_do_not_go_together_are_all_told_at_once_and_no_host_is_asked(program: Program) -> None:
    """Two masters, one of them twice; nobody's key; a port, ranges and a release that cannot be."""
    clashing = {
        "spare10": {"address": ADDRESSES[1], "roles": ["master", "lb"]},
        "spare9": {"address": ADDRESSES[1], "roles": ["master"]},
        "stranger": {"address": NOWHERE, "roles": ["worker"]},
    }
    faulty = Program(program.stack, {"hosts": clashing, "loadBalancer": {"address": ADDRESSES[1], "vip": None}})
    changes = {
        "cluster": {"podCidr": "10.96.0.0/24", "serviceCidr": "10.96.0.0/28"},
        "loadBalancer": {"port": 6443},
        "release": {"name": "1999.01"},
    }
    run = refused(faulty, changes)
    assert_told(
        run,
        "evenkeel:hosts: spare10, spare9 as masters: is one master fewer than quorum needs to survive the loss of one: "
        "with two, losing either stops etcd; add a third master",
        f"evenkeel:hosts.spare9.address: {ADDRESSES[1]}: is the address of spare10 too; give spare9 its own address",
        f"evenkeel:hosts.stranger.address: {NOWHERE}: has no host key for port 22 in .lab/known_hosts; read it with",
        "evenkeel:loadBalancer.port: 6443: is the port of kube-apiserver on host spare10; choose another port, like",
        "evenkeel:cluster.serviceCidr: 10.96.0.0/28: overlaps cluster.podCidr 10.96.0.0/24; choose two ranges",
        "evenkeel:cluster.serviceCidr: 10.96.0.0/28: is too small for Services; choose a /24 or larger",
        "evenkeel:cluster.podCidr: 10.96.0.0/24: is too small: it holds 1 subnets of /24, and there are 3 nodes; "
        "choose a /22 or larger",
        f"evenkeel:release.name: 1999.01: is not a release that there is; choose one of {', '.join(known_releases())}",
    )
    assert "command:remote:Command" not in run.text


def test_a_host_named_twice_is_refused_by_its_name_and_line(program: Program, tmp_path: Path) -> None:
    """YAML's last one would win: a master would be gone from the stack without a word."""
    content = yaml.safe_load(stack.SETTINGS.read_text())
    content["config"] = {"evenkeel:hosts": {"spare9": {"address": ADDRESSES[0], "roles": ["master"]}}}
    path = tmp_path / "Pulumi.twice.yaml"
    path.write_text(f"{yaml.safe_dump(content, sort_keys=False)}    spare9:\n      address: {ADDRESSES[1]}\n")
    options = ["--yes", "--skip-preview", "--stack", program.stack, "--config-file", str(path)]
    with no_host_changed(NAMES):
        done = stack.pulumi("up", *options, check=False)
    assert done.returncode != 0
    assert re.search(r'line \d+: mapping key "spare9" already defined at line \d+', done.stdout + done.stderr), done


def test_versions_that_do_not_go_together_are_refused_by_their_names(program: Program) -> None:
    release = yaml.safe_load((RELEASES / "2026.11.yaml").read_text())
    release["name"] = SKEWED_RELEASE
    release["versions"] |= {"kubelet": "1.37.0", "etcd": "3.5.21", "containerd": "1.7.28"}
    path = RELEASES / f"{SKEWED_RELEASE}.yaml"
    path.write_text(yaml.safe_dump(release))
    try:
        run = refused(program, {"release": {"name": SKEWED_RELEASE}})
    finally:
        path.unlink()
    key = f"evenkeel:release.name: {SKEWED_RELEASE}"
    assert_told(
        run,
        f"{key}: its kubelet 1.37.0 is newer than its kube-apiserver 1.36.3; leave versions.kubelet out",
        f"{key}: its etcd 3.5.21 does not go with kubernetes 1.36.3; use 3.6.0+",
        f"{key}: its containerd 1.7.28 does not go with kubernetes 1.36.3; use 2.2.0+, 2.3.0+",
    )
    assert "command:remote:Command" not in run.text


@contextmanager
def hosts_at_fault() -> Iterator[None]:
    """One where somebody else listens, one whose clock is 4 s ahead; each as its own script sees it."""
    hosts.run("spare9", "systemd-run --quiet --unit=squatter socat TCP-LISTEN:2379,fork SYSTEM:true", check=True)
    hosts.run("spare10", "cat >/usr/local/bin/date && chmod 755 /usr/local/bin/date", stdin=SHIFTED_CLOCK, check=True)
    try:
        yield
    finally:
        hosts.run("spare9", "systemctl stop squatter", check=True)
        hosts.run("spare10", "rm /usr/local/bin/date", check=True)


def test_each_hosts_own_faults_are_told_together_and_stop_all_hosts(program: Program, tmp_path: Path) -> None:
    """A port in use, a clock ahead, a user without sudo, and an image that the mirror lacks: one run tells them all."""
    changes = {
        "hosts": {
            "spare11": {"ssh": {"user": "visitor"}},
            "spare12": {"ssh": {"user": "operator"}, "roles": ["master", "lb"]},
        },
        "loadBalancer": {"port": 8443},
        "release": {"lock": lock_with(tmp_path, {}, {"coredns": f"sha256:{ZEROES}"})},
    }
    with hosts_at_fault():
        run = refused(program, changes)
    image = (
        f"preflight: the mirror does not have image registry.k8s.io/coredns/coredns@sha256:{ZEROES} (status 404 from "
    )
    assert_told(
        run,
        "evenkeel: spare9: preflight: port 2379, which etcd needs, is held by socat (pid ",
        "evenkeel: spare11: preflight: user visitor may not become root without a password; let sudo do so (visitor "
        "ALL=(ALL) NOPASSWD: ALL, in /etc/sudoers.d), or set evenkeel:ssh.user",
        *(f"evenkeel: {name}: {image}" for name in ("spare9", "spare10", "spare12")),
        "; put it there, or correct evenkeel:release.mirror",
        "evenkeel:hosts: spare10, spare11, spare12, spare9 as masters: survives the loss of 1, as 3 masters would: an "
        "even number adds no safety; use 3 or 5 masters",
    )
    clock = r"evenkeel: spare10: preflight: its clock is about (3\.[4-9]|[45]\.\d) s ahead of that of http\S+ \(2 s are"
    assert re.search(rf"{clock} allowed\); set the clocks by NTP", run.text), run.text


class PoorMirror(BaseHTTPRequestHandler):
    """Has one file, which is not what its name says."""

    def do_GET(self) -> None:
        found = b"not runc" if "runc" in self.path else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(found)))
        self.end_headers()
        self.wfile.write(found if self.command == "GET" else b"")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what it was asked is of no interest."""


@pytest.fixture
def poor_mirror() -> Iterator[str]:
    with ThreadingHTTPServer((hosts.GATEWAY, 0), PoorMirror) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{hosts.GATEWAY}:{server.server_port}"
        server.shutdown()


def test_a_file_that_the_mirror_lacks_and_one_that_is_not_the_locked_one_are_refused(
    program: Program, poor_mirror: str
) -> None:
    """Nothing is unpacked that is not what the release's lock says, and the load balancer's host does not go ahead."""
    run = refused(program, {"release": {"mirror": {"artifacts": poor_mirror}}})
    lock = yaml.safe_load(LOCK.read_text())["artifacts"]["runc"]["amd64"]
    for name in ("spare9", "spare10", "spare11"):
        assert_told(
            run,
            f"evenkeel: {name}: preflight: kubelet cannot be fetched from {poor_mirror}/dl.k8s.io/release/",
            f", and the release's lock says {lock}; lock the release anew (python -m ops lock 2026.11)",
        )
        assert re.search(rf"{name}: preflight: kubelet .* error: 404; put it there, or correct evenkeel:rel", run.text)
        assert re.search(rf"{name}: preflight: runc from {poor_mirror}/\S+ has sha256 [0-9a-f]{{64}}, and", run.text)
    assert "spare12-prepare" not in run.text


def known_hosts_with_foreign_key(tmp_path: Path, name: str, other: str) -> str:
    """A copy of the lab's file in which ``name`` is known by the key of ``other``."""
    lines = KNOWN_HOSTS.read_text().splitlines()
    key = next(line.split()[2] for line in lines if line.startswith(f"{other},"))
    path = tmp_path / "known_hosts"
    changed = [" ".join([*line.split()[:2], key]) if line.startswith(f"{name},") else line for line in lines]
    path.write_text("".join(f"{line}\n" for line in changed))
    return str(path)


def fingerprint(name: str) -> str:
    """Of the host's key, as a person on its console sees it."""
    shown = hosts.run(name, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub", check=True).stdout
    return shown.split()[1]


def test_each_host_that_cannot_be_reached_is_told_by_name_with_the_key_to_correct(
    program: Program, tmp_path: Path
) -> None:
    """The SSH client's own words name neither the host nor what to do; the last host, which is well, must wait."""
    changes = {
        "hosts": {"spare11": {"ssh": {"user": "stranger"}}, "spare12": {"ssh": {"user": "operator"}}},
        "ssh": {"knownHosts": known_hosts_with_foreign_key(tmp_path, "spare10", "spare9")},
    }
    pinned = fingerprint("spare9")
    hosts.disconnect("spare9")
    try:
        run = refused(program, changes)
    finally:
        hosts.connect("spare9")
    assert run.seconds < 60
    assert_told(
        run,
        f"evenkeel: spare9 ({ADDRESSES[0]}): preflight: the host does not answer at port 22 (",
        "correct evenkeel:hosts.spare9.address",
        f"evenkeel: spare10 ({ADDRESSES[1]}): preflight: the host shows another host key than {pinned}, which the file "
        f"of evenkeel:ssh.knownHosts holds for {ADDRESSES[1]} (",
        f"evenkeel: spare11 ({ADDRESSES[2]}): preflight: the host does not let user stranger in with the key that "
        "evenkeel:ssh.privateKeyFile or evenkeel:sshPrivateKey has (",
        "correct evenkeel:ssh.user (or evenkeel:hosts.spare11.ssh.user)",
    )
    assert re.search(r"spare12-preflight (created|updated)", run.text), "the host that is well was not even checked"
