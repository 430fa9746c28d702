"""A stack that grows an existing cluster: its authorities, who founds, who goes first, what comes before."""

import hashlib
import stat
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import adoption
from components.adoption import Adoption, AdoptionArgs
from components.birth import Birth
from render import addons, kubelet, preparation
from settings import Stack
from tests.components.composed import control_plane
from tests.components.recorder import Registration, commands, is_secret, plain_texts, run, unwrapped
from tests.settings import adopted, samples

DATA = b"a whole database"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return samples.stack(tmp_path, adopted.sections())


@pytest.fixture
def registered(stack: Stack) -> list[Registration]:
    return run(lambda: control_plane(stack))


def test_masters_that_serve_have_their_turn_last(stack: Stack) -> None:
    def turns() -> None:
        assert list(control_plane(stack).turns) == ["wudang", "emei", "shaolin", "huashan"]

    assert "shaolin-activate" in commands(run(turns))


def test_certificates_are_signed_by_the_clusters_own_authorities(stack: Stack, registered: list[Registration]) -> None:
    assert stack.adopted is not None
    kinds = {one.type for one in registered}
    assert "tls:index/selfSignedCert:SelfSignedCert" not in kinds, "no authority is made"
    leaf = next(
        one for one in registered if one.name == "pki-apiserver-wudang" and one.type.endswith("LocallySignedCert")
    )
    assert leaf.inputs["caCertPem"] == stack.adopted.authorities["ca"].certificate
    assert is_secret(leaf.inputs["caPrivateKeyPem"])


def test_no_key_of_the_cluster_is_ever_registered_in_the_open(registered: list[Registration]) -> None:
    for one in registered:
        assert not any("PRIVATE KEY" in text for text in plain_texts(one.inputs)), one.name


def test_nobody_founds_a_cluster_that_there_is(registered: list[Registration]) -> None:
    """A ticket on a new master would have it found a second cluster where the first is not reached."""
    for name in ("shaolin", "wudang", "emei"):
        text = unwrapped(commands(registered)[f"{name}-etcd-secrets"].inputs["stdin"])
        assert "founding-ticket.sh 00000000-0000-4000-8000-000000000000 nobody\n" in text


def test_masters_that_serve_have_no_turn_at_once_even_in_the_stacks_first_run(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a cluster's birth all masters start together; here that would take the only one that serves."""

    def never(*_given: object) -> None:
        raise AssertionError("a turn asks whether this is the cluster's birth")

    monkeypatch.setattr(Birth, "either", never)
    assert "shaolin-activate" in commands(run(lambda: control_plane(stack)))


def test_only_masters_that_were_there_are_made_ready_for_others(registered: list[Registration]) -> None:
    found = {name for name in commands(registered) if name.endswith("-adopt")}
    assert found == {"shaolin-adopt"}


def test_a_stack_that_founds_its_cluster_has_none_of_this(tmp_path: Path) -> None:
    plain = samples.stack(tmp_path)

    def nothing() -> None:
        assert Adoption("adoption", AdoptionArgs(plain, {}, {})).done == []

    assert commands(run(nothing)) == {}


def test_kubeadms_drop_in_loses_its_hold_on_the_kubelet(stack: Stack, tmp_path: Path) -> None:
    """It replaces the whole command line, of whichever unit it finds."""
    paths = {file.path: file.content for file in kubelet.files(stack, stack.hosts["shaolin"])}
    assert "ExecStart" not in paths["/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"]
    plain = samples.stack(tmp_path)
    assert kubelet.KUBEADM_DROP_IN not in {file.path for file in kubelet.files(plain, plain.hosts["shaolin"])}


def test_addons_that_are_somebody_elses_are_left_alone(tmp_path: Path) -> None:
    sections = adopted.sections()
    sections["adopted"]["keeps"] = ["coredns"]
    assert set(addons.by_addon(samples.stack(tmp_path, sections))) == {"rbac", "kube-proxy", "flannel", "kubeadm"}


def test_nodes_are_known_by_the_authority_that_they_trust(stack: Stack, tmp_path: Path) -> None:
    assert stack.adopted is not None
    expected = stack.adopted.authorities["ca"].fingerprint
    variables = preparation.preflight_variables(stack, stack.hosts["huashan"])
    assert (variables["CLUSTER_CA"], variables["RUNTIMES"]) == (expected, "runc")
    plain = samples.stack(tmp_path)
    assert preparation.preflight_variables(plain, plain.hosts["huashan"])["CLUSTER_CA"] == ""


def fetch(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes, status: int = 0) -> list[Path]:
    """The snapshot that a host is asked for, which an ssh of ours answers."""
    (tmp_path / "said").write_bytes(said)
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ncat >{tmp_path}/asked\ncat {tmp_path}/said\necho no space left >&2\nexit {status}\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    arguments: Any = None
    adoption._Snapshot(stack.hosts["shaolin"], "etcd-snapshot.sh\n").fetch(arguments)
    return sorted((tmp_path / "snapshots").iterdir())


def test_a_snapshot_comes_here_whole_and_for_this_user_alone(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = fetch(stack, tmp_path, monkeypatch, hashlib.sha256(DATA).hexdigest().encode() + b"\n" + DATA)
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "asked").read_text() == "etcd-snapshot.sh\n"


@pytest.mark.parametrize(("data", "status"), [(DATA[:-1], 0), (DATA, 1)], ids=["cut off", "failed"])
def test_without_a_whole_snapshot_nothing_goes_on(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, status: int
) -> None:
    with pytest.raises(pulumi.RunError, match="nothing was changed"):
        fetch(stack, tmp_path, monkeypatch, hashlib.sha256(DATA).hexdigest().encode() + b"\n" + data, status)
    assert not (tmp_path / "snapshots").exists()


def test_a_snapshot_that_does_not_come_is_an_error_with_a_remedy(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large one over a slow line ended in a traceback."""
    monkeypatch.setattr(adoption, "SECONDS", 0.2)
    (tmp_path / "slow").mkdir()
    ssh = tmp_path / "slow/ssh"
    ssh.write_text("#!/bin/sh\nexec sleep 5\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/slow:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    arguments: Any = None
    with pytest.raises(pulumi.RunError, match=r"it is not here after 0\.2 s; nothing was changed; see what slows"):
        adoption._Snapshot(stack.hosts["shaolin"], "etcd-snapshot.sh\n").fetch(arguments)
