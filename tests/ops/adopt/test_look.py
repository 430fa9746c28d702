"""look.sh, run here over a folder of files instead of a host; and the way to one."""

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from ops.adopt import look as looking
from ops.adopt.look import SCRIPT, Look, LookError, read
from tests.ops.adopt.drawn import SSH


def test_lines_are_read_back_as_the_host_has_them() -> None:
    printed = "file /etc/x.crt YQpiCg==\nanswer clock 0 MTc=\nanswer nodes 7 bm8=\nanswer adopted 1 \n"
    look = read(printed)
    assert look.files == {"/etc/x.crt": "a\nb\n"}
    assert {name: (one.status, one.text) for name, one in look.answers.items()} == {
        "clock": (0, "17"),
        "nodes": (7, "no"),
        "adopted": (1, ""),
    }


def test_a_host_without_a_cluster_answers_every_question_too() -> None:
    done = subprocess.run(["sh", "-s"], input=SCRIPT.read_text(), capture_output=True, text=True, check=True)
    look: Look = read(done.stdout)
    assert look.answers["clock"].status == 0
    assert look.answers["nodes"].status != 0
    assert look.answers["etcd-members"].status != 0


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `ssh` that writes its words down, and greets in Latin-1."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho \"$@\" >{tmp_path}/words\nprintf 'caf\\351\\n' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return tmp_path / "words"


def test_a_greeting_of_any_encoding_is_no_error(ssh: Path) -> None:
    assert looking.run(SSH, "id\n").returncode == 0
    assert f"-i {Path('~/.ssh/id_ed25519').expanduser()}" in ssh.read_text()


def test_a_key_that_an_agent_has_needs_no_file(ssh: Path) -> None:
    looking.run(dataclasses.replace(SSH, private_key_file=None), "id\n")
    assert "IdentitiesOnly=no" in ssh.read_text()


def test_a_machine_without_ssh_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LookError, match="ssh is not on PATH here; install"):
        looking.at(SSH)
