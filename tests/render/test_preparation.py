"""Which limits, commands, programs and images go with each role (render.preparation)."""

import dataclasses
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import settings
from render import containerd, preparation
from render.files import wrap
from render.scripts import ON_ANY_HOST, ON_HOST, ON_HOSTS_OF, host_scripts, privileged_shell
from tests.settings import samples

SCRIPTS = host_scripts()
CALLED = re.compile(r"(?:\$here|/usr/local/lib/evenkeel)/([a-z-]+\.sh)")


@pytest.fixture
def stack(tmp_path: Path) -> settings.Stack:
    return samples.stack(tmp_path)


def changed(root: Path, section: str, **values: Any) -> settings.Stack:
    return samples.stack(root, {section: {**samples.values()[section], **values}})


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize("name", [*SCRIPTS])
def test_a_script_travels_without_its_comments_and_still_is_a_script(name: str) -> None:
    """The engine writes every text of every host with each step: with comments each host more cost a first run more."""
    lines = SCRIPTS[name].splitlines()
    assert [line for line in lines if line.lstrip().startswith("#")] in ([], ["#!/bin/sh"])
    subprocess.run(["sh", "-n"], input=SCRIPTS[name], text=True, check=True)


def test_limits_are_those_of_the_hungriest_role(stack: settings.Stack) -> None:
    both = dataclasses.replace(stack.hosts["lb1"], roles=("lb", "master"))
    variables = preparation.preflight_variables(stack, both)
    assert (variables["MIN_CORES"], variables["MIN_MEMORY_MB"]) == ("2", "1700")
    assert preparation.preflight_variables(stack, stack.hosts["lb1"])["MIN_CORES"] == "1"


@pytest.mark.parametrize(
    ("config", "swap", "cgroup"),
    [({}, "true", "true"), ({"failSwapOn": False, "failCgroupV1": False}, "false", "false")],
)
def test_the_kubelets_own_settings_decide_what_it_refuses(
    config: dict[str, Any], swap: str, cgroup: str, tmp_path: Path
) -> None:
    stack = changed(tmp_path, "cluster", kubelet={"config": config})
    variables = preparation.preflight_variables(stack, stack.hosts["huashan"])
    assert (variables["FAIL_SWAP_ON"], variables["FAIL_CGROUP_V1"]) == (swap, cgroup)


@pytest.mark.parametrize(("minor", "fails"), [(34, "false"), (35, "true"), (36, "true")])
def test_cgroup_v1_is_refused_from_the_kubelet_that_refuses_it(minor: int, fails: str, stack: settings.Stack) -> None:
    versions = stack.release.versions.model_copy(update={"kubelet": f"1.{minor}.1"})
    file = stack.release.file.model_copy(update={"versions": versions})
    older = dataclasses.replace(stack, release=dataclasses.replace(stack.release, file=file))
    assert preparation.preflight_variables(older, older.hosts["huashan"])["FAIL_CGROUP_V1"] == fails


def test_the_proxys_mode_decides_which_firewall_command_is_needed(tmp_path: Path) -> None:
    plain = samples.stack(tmp_path)
    nftables = changed(tmp_path, "cluster", kubeProxy={"config": {"mode": "nftables"}})
    assert "iptables" in {row[0] for row in preparation.commands(plain, plain.hosts["huashan"])}
    commands = {row[0] for row in preparation.commands(nftables, nftables.hosts["huashan"])}
    assert "nft" in commands
    assert "iptables" not in commands


def test_only_a_load_balancer_with_a_vip_needs_keepalived(tmp_path: Path) -> None:
    with_vip = samples.stack(tmp_path)
    alone = changed(tmp_path, "loadBalancer", vip=None, address="192.0.2.31")
    assert "keepalived" in {row[0] for row in preparation.commands(with_vip, with_vip.hosts["lb1"])}
    assert "keepalived" not in {row[0] for row in preparation.commands(alone, alone.hosts["lb1"])}
    assert "nginx" not in {row[0] for row in preparation.commands(with_vip, with_vip.hosts["shaolin"])}


def test_etcds_tools_and_the_control_planes_images_go_to_masters_alone(stack: settings.Stack) -> None:
    master, worker, balancer = (stack.hosts[name] for name in ("shaolin", "huashan", "lb1"))
    programs = {name: {p.artifact for p in preparation.programs(stack, stack.hosts[name])} for name in stack.hosts}
    assert programs["shaolin"] - programs["huashan"] == {"etcd"}
    assert programs["lb1"] == set()
    extra = set(preparation.images(stack, master)) - set(preparation.images(stack, worker))
    assert extra == {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    assert preparation.images(stack, balancer) == []


def test_without_flannel_neither_its_plugin_nor_its_image_nor_its_module_is_asked_for(tmp_path: Path) -> None:
    stack = changed(tmp_path, "cluster", cni="none")
    host = stack.hosts["shaolin"]
    assert "flannel-cni" not in preparation.preflight_variables(stack, host)["DOWNLOADS"]
    assert preparation.preflight_variables(stack, host)["POD_MODULES"] == ""
    assert "flannel" not in preparation.prepare_variables(stack, host)["IMAGES"]


def test_downloads_are_listed_for_each_locked_architecture_in_the_hosts_own_words(stack: settings.Stack) -> None:
    rows = table(preparation.preflight_variables(stack, stack.hosts["huashan"])["DOWNLOADS"])
    assert {row[0] for row in rows} == {"x86_64", "aarch64"}
    for machine, name, sha256, url in rows:
        artifact = stack.release.artifact(name, {"x86_64": "amd64", "aarch64": "arm64"}[machine])
        assert (sha256, url) == (artifact.sha256, artifact.url)


def test_archives_are_told_from_plain_programs(stack: settings.Stack) -> None:
    rows = table(preparation.prepare_variables(stack, stack.hosts["shaolin"])["ARTIFACTS"])
    forms = {row[3]: row[5] for row in rows}
    assert {name for name, form in forms.items() if form == "plain"} == {"kubelet", "kubectl", "runc"}
    assert set(forms.values()) == {"plain", "tar"}
    versions = stack.release.versions
    told = {row[3]: row[2] for row in rows}
    assert (told["kubectl"], told["cni-plugins"]) == (versions.kubernetes, versions.cni_plugins)


def test_images_are_given_by_digest_and_by_tag(stack: settings.Stack) -> None:
    rows = dict(table(preparation.prepare_variables(stack, stack.hosts["huashan"])["IMAGES"]))
    digest = samples.lock()["images"]["coredns"]
    version = stack.release.versions.coredns
    assert rows[f"registry.k8s.io/coredns/coredns@{digest}"] == f"registry.k8s.io/coredns/coredns:v{version}"


def test_images_are_asked_of_a_mirror_only(tmp_path: Path) -> None:
    assert preparation.preflight_variables(stack := samples.stack(tmp_path), stack.hosts["shaolin"])["IMAGES"] == ""
    mirror = {"artifacts": "http://files.example.com", "images": "http://192.0.2.2:5000"}
    stack = changed(tmp_path, "release", mirror=mirror)
    variables = preparation.preflight_variables(stack, stack.hosts["huashan"])
    image = containerd.by_digest(stack.release.image("pause"))
    repository, digest = image.split("@")
    assert dict(table(variables["IMAGES"]))[image] == f"http://192.0.2.2:5000/v2/{repository}/manifests/{digest}"
    assert variables["NAMES"] == "files.example.com"
    assert "api.example.com" in variables["OWN_NAMES"]


def test_without_a_mirror_the_publishers_names_must_resolve(stack: settings.Stack) -> None:
    names = preparation.preflight_variables(stack, stack.hosts["huashan"])["NAMES"].split()
    assert names == ["dl.k8s.io", "ghcr.io", "github.com", "registry.k8s.io"]


def test_every_host_is_held_against_the_same_clock(stack: settings.Stack) -> None:
    assert len({preparation.preflight_variables(stack, host)["CLOCK_URL"] for host in stack.hosts.values()}) == 1


def test_a_host_has_the_scripts_of_its_roles_and_all_that_these_call(stack: settings.Stack) -> None:
    for host in stack.hosts.values():
        here = {file.path: file for file in preparation.parts(stack, host, SCRIPTS)["scripts"]}
        assert {file.mode for file in here.values()} == {"0755"}
        called = {path for file in here.values() for path in CALLED.findall(file.content)}
        assert {f"{ON_HOST}/{name}" for name in called} <= set(here)


def test_every_script_comes_on_standard_input_or_lies_on_some_host() -> None:
    for_commands = {"etcd-restore.sh", "status.sh", "verify.sh"}
    on_standard_input = {*preparation.PREFLIGHT, "hub-preflight.sh", "prepare.sh", *for_commands}
    lying = {*ON_ANY_HOST, *(name for names in ON_HOSTS_OF.values() for name in names)}
    assert set(SCRIPTS) == on_standard_input | lying
    assert on_standard_input.isdisjoint(lying)


def test_a_load_balancer_gets_kernel_settings_but_no_runtime(stack: settings.Stack) -> None:
    balancer = preparation.parts(stack, stack.hosts["lb1"], SCRIPTS)
    assert set(balancer) == {"scripts", "system", "silent-peers"}
    sysctls, place = balancer["system"]
    assert dict(line.split(" = ") for line in sysctls.content.splitlines()) == preparation.BALANCER_SYSCTLS
    assert (place.path, place.content) == ("/var/lib/evenkeel/place", "name lb1\nroles lb\n")
    node = preparation.parts(stack, stack.hosts["huashan"], SCRIPTS)
    assert set(node) == {"scripts", "system", "silent-peers", "registries", "runtime"}
    assert node["silent-peers"] == []
    assert {file.path for file in node["system"]} == {
        "/etc/sysctl.d/90-evenkeel.conf",
        "/etc/modules-load.d/evenkeel.conf",
        "/var/lib/evenkeel/place",
    }


def test_a_load_balancer_gives_up_a_silent_master_within_eight_seconds(stack: settings.Stack) -> None:
    """A master was cut off with a request on it that it had acknowledged: the client waited for its own end of time."""
    sysctl = {key.rpartition(".")[2]: int(value) for key, value in preparation.BALANCER_SYSCTLS.items()}
    shortest_timeout = 0.2
    assert shortest_timeout * (2 ** (sysctl["tcp_retries2"] + 1) - 1) <= 8
    probing = sysctl["tcp_keepalive_intvl"] * sysctl["tcp_keepalive_probes"]
    assert sysctl["tcp_keepalive_time"] + probing <= 8


def test_the_files_come_before_the_preparation_and_behind_the_lock(stack: settings.Stack) -> None:
    body = preparation.prepare_body(stack, stack.hosts["shaolin"], SCRIPTS)
    assert body.startswith(SCRIPTS["lib.sh"])
    assert body.endswith(SCRIPTS["prepare.sh"])
    assert body.index("EVENKEEL_HOST=shaolin") < body.index("\nlock\nstage_begin scripts\n")


def test_a_body_is_a_script_that_the_shell_reads(stack: settings.Stack) -> None:
    for body in (preparation.preflight_body, preparation.prepare_body):
        text = wrap(body(stack, stack.hosts["shaolin"], SCRIPTS))
        subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_the_revision_changes_with_what_waits_for_the_hosts_turn_and_with_nothing_else(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    before = preparation.revision(stack, stack.hosts["shaolin"])
    mirror = changed(tmp_path, "release", mirror={"artifacts": "http://m:1", "images": "http://m:2"})
    assert preparation.revision(mirror, mirror.hosts["shaolin"]) == before
    tuned = changed(tmp_path, "cluster", containerd={"config": {"oom_score": 1}})
    assert preparation.revision(tuned, tuned.hosts["shaolin"]) != before
    for artifact, waits in (("kubelet", True), ("containerd", True), ("runc", True), ("kubectl", False)):
        locked = {**stack.release.lock.artifacts, artifact: {"amd64": "0" * 64, "arm64": "1" * 64}}
        lock = stack.release.lock.model_copy(update={"artifacts": locked})
        other = dataclasses.replace(stack, release=dataclasses.replace(stack.release, lock=lock))
        assert (preparation.revision(other, other.hosts["shaolin"]) != before) is waits, artifact


def test_hosts_cloned_from_one_disk_are_named() -> None:
    said = {name: f"architecture x86_64\nmachine {machine}\n" for name, machine in (("a", "1"), ("b", "2"), ("c", "1"))}
    (warning,) = preparation.same_machine(said)
    assert warning.startswith("hosts a, c: the same /etc/machine-id")
    assert preparation.same_machine({"a": "machine 1\n", "b": "machine 2\n"}) == []


def as_user(stack: settings.Stack, user: str) -> settings.Host:
    host = stack.hosts["shaolin"]
    return dataclasses.replace(host, ssh=dataclasses.replace(host.ssh, user=user))


def test_root_needs_no_sudo(stack: settings.Stack) -> None:
    assert privileged_shell(stack.hosts["shaolin"]) == "sh -s"


@pytest.mark.parametrize("allowed", [True, False])
def test_a_user_without_sudo_is_told_so_in_our_words(allowed: bool, stack: settings.Stack, tmp_path: Path) -> None:
    sudo = tmp_path / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text('#!/bin/sh\nshift\nexec "$@"\n' if allowed else "#!/bin/sh\nexit 1\n")
    sudo.chmod(0o755)
    command = privileged_shell(as_user(stack, "operator"))
    environment = os.environ | {"PATH": f"{sudo.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", f"{command} -- first"],
        input="echo step $1\n",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if allowed:
        assert (done.returncode, done.stdout) == (0, "step first\n")
    else:
        assert done.returncode == 1
        assert done.stderr.startswith(
            "evenkeel: shaolin: preflight: user operator may not become root without a password; let sudo do so"
        )
