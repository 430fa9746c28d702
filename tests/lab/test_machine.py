"""What the lab reads of the machine and leaves on it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import engine, hosts, node, stack, venv
from lab.errors import LabError
from lab.paths import BIN

DEB822 = "Types: deb\n# a note\nURIs: http://mirror.example/debian\nSuites: stable\nComponents: main\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (DEB822, "http://mirror.example/debian"),
        ("deb http://mirror.example/debian/ stable main\n", "http://mirror.example/debian"),
        (
            "deb [signed-by=/k.gpg arch=amd64] https://m.example/pub/debian stable main\n",
            "https://m.example/pub/debian",
        ),
        ("deb http://m.example/debian-security stable main\n" + DEB822, "http://mirror.example/debian"),
    ],
)
def test_debians_mirror_is_read_from_the_machines_own_sources(tmp_path: Path, text: str, address: str) -> None:
    (tmp_path / "sources").write_text(text)
    assert node.debian_mirror((tmp_path / "missing", tmp_path / "sources")) == address


def test_a_machine_that_is_not_debian_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "sources").write_text("deb http://archive.example/ubuntu noble main\n")
    with pytest.raises(LabError, match="Debian"):
        node.debian_mirror((tmp_path / "sources",))


def test_the_labs_own_pulumi_is_not_taken_for_the_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After ``.lab/env`` is sourced the lab's own is on PATH; taking it for official would drop its plugins."""
    program = tmp_path / "pulumi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{BIN}:/nonexistent")
    assert engine.official() is None
    monkeypatch.setenv("PATH", f"{BIN}:{tmp_path}")
    assert engine.official() == program


def test_only_a_dead_engines_lock_is_released(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi" / "locks" / "organization" / "evenkeel" / "dev"
    folder.mkdir(parents=True)
    ended = subprocess.Popen(["true"])
    ended.wait()
    holders = {"alive": (os.getpid(), os.uname().nodename), "dead": (ended.pid, os.uname().nodename)}
    holders["elsewhere"] = (ended.pid, "another-machine")
    for name, (pid, hostname) in holders.items():
        (folder / f"{name}.json").write_text(json.dumps({"pid": pid, "hostname": hostname}))
    monkeypatch.setattr(stack, "STATE", tmp_path)
    stack.release_abandoned_locks()
    assert sorted(file.stem for file in folder.iterdir()) == ["alive", "elsewhere"]


def test_a_python_without_pip_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Debian's has its part for it in a package of its own; `make` ended with a traceback."""
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        venv._build(tmp_path / "venv")


@pytest.mark.parametrize("goes", [lambda: hosts.destroy("shaolin"), hosts.remove_all])
def test_a_host_that_a_killed_test_has_left_frozen_goes_on_before_it_is_removed(
    goes: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A frozen pod does not die: Docker waited for it in vain, and ``make down`` failed until somebody thawed it."""
    state = tmp_path / "freezer/lab/shaolin/freezer.state"
    found: list[str] = []
    state.parent.mkdir(parents=True)
    state.write_text("FROZEN")

    def execute(command: list[str], **_: object) -> None:
        if command[:2] == ["docker", "rm"]:
            found.append(state.read_text())

    monkeypatch.setattr(hosts, "CGROUP", tmp_path)
    monkeypatch.setattr(hosts, "execute", execute)
    monkeypatch.setattr(hosts, "names", lambda owner: ["shaolin"])
    monkeypatch.setattr(hosts, "network_owner", lambda: tmp_path)
    goes()
    assert found == ["THAWED"]


@pytest.fixture
def another_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A clone that has made the lab on this machine, and left its state."""
    (tmp_path / ".lab").mkdir()
    commands: list[list[object]] = []
    monkeypatch.setattr(hosts, "network_owner", lambda: tmp_path)
    monkeypatch.setattr(hosts, "execute", commands.append)
    monkeypatch.setattr(hosts, "remove_all", lambda owner: commands.append(["removed", owner]))
    return tmp_path


def test_a_lab_of_another_clone_that_runs_is_left_alone(another_lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "_listed", lambda owner, *options: ["shaolin"])
    with pytest.raises(LabError, match=f"belongs to the clone {another_lab}.*make down"):
        hosts.claim_network()
    assert (another_lab / ".lab").is_dir()


def test_a_lab_of_another_clone_that_has_ended_gives_way(another_lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the machine was restarted no clone could bring a lab up but the one that had it before."""
    monkeypatch.setattr(hosts, "_listed", lambda owner, *options: ["shaolin"] if "--all" in options else [])
    hosts.claim_network()
    assert not (another_lab / ".lab").exists()
