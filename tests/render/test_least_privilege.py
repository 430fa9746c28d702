"""The sudoers file of docs/least-privilege.md lets through what the program really runs on hosts, and nothing else."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import settings
from ops import restore, ssh
from ops.adopt import look
from render.scripts import privileged_shell, retiring
from tests.components.composed import control_plane
from tests.components.recorder import commands, run
from tests.pages import DOCS, block
from tests.settings import samples

SUDOERS = block("least-privilege", "sudoers")
USER = "deploy"
SECURE_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Says what it was asked to run, and lets it pass.
SUDO = """#!/bin/sh
printf '%s\\n' "$*" >>"$ASKED"
[ "$2" = true ] || cat >/dev/null
"""

# Keeps the command that the host's shell would be given, and lets no host be asked.
SSH = """#!/bin/sh
for command; do :; done
printf '%s' "$command" >{typed}
"""


def allowed(command: str) -> bool:
    """Whether the file lets the user run it, by the rules of sudoers(5) as far as the file uses them.

    A command by itself may have any arguments, ``""`` none, and a pattern matches over all of them.
    """
    lines = SUDOERS.replace("\\\n", "").splitlines()
    aliases = dict(line.removeprefix("Cmnd_Alias ").split(" = ") for line in lines if line.startswith("Cmnd_Alias"))
    (grant,) = [line for line in lines if line.startswith(f"{USER} ")]
    names = grant.removeprefix(f"{USER} ALL=(root) NOPASSWD: ").split(", ")
    return any(_matches(entry.strip(), command) for name in names for entry in aliases[name].split(","))


def _matches(entry: str, command: str) -> bool:
    path, _, arguments = entry.partition(" ")
    program, _, given = command.partition(" ")
    found = program if "/" in program else shutil.which(program, path=SECURE_PATH)
    same = found is not None and Path(path).name == Path(found).name and _same_file(path, found)
    return same and (not arguments or fnmatchcase(given, "" if arguments == '""' else arguments))


def _same_file(path: str, found: str) -> bool:
    return path == found or (Path(path).exists() and Path(found).exists() and Path(path).samefile(found))


@pytest.fixture
def stack(tmp_path: Path) -> settings.Stack:
    return samples.stack(tmp_path, {"ssh": {**samples.values()["ssh"], "user": USER}})


def asked(command: str, folder: Path) -> list[str]:
    """What sudo is asked to run when a host's shell is given this command."""
    place = folder / "sudo"
    place.mkdir(exist_ok=True)
    (place / "sudo").write_text(SUDO)
    (place / "sudo").chmod(0o755)
    (place / "asked").write_text("")
    environment = {"PATH": f"{place}:{SECURE_PATH}", "ASKED": str(place / "asked")}
    subprocess.run(["/bin/sh", "-c", command], env=environment, input="", text=True, check=True)
    said = (place / "asked").read_text().splitlines()
    assert said, f"{command} asks sudo for nothing"
    assert all(line.startswith("-n ") for line in said), "sudo must never ask for a password"
    return [line.removeprefix("-n ") for line in said]


def test_every_command_of_an_up_is_let_through(stack: settings.Stack, tmp_path: Path) -> None:
    """All that a whole control plane registers: creating, updating again, and roles that leave."""
    found = commands(run(lambda: control_plane(stack)))
    typed = {
        str(text)
        for one in found.values()
        for key in ("create", "update", "delete")
        if (text := one.inputs.get(key)) is not None
    }
    wanted = {line for command in typed for line in asked(command, tmp_path)}
    assert {"true", "sh -s -- first", "sh -s -- again", "/usr/local/lib/evenkeel/retire.sh master"} <= wanted
    assert any(line.startswith("sh -s -- again ") for line in wanted)
    assert [line for line in wanted if not allowed(line)] == []


def test_every_step_that_is_mended_is_let_through(stack: settings.Stack, tmp_path: Path) -> None:
    shell = privileged_shell(stack.hosts["shaolin"])
    assert all(map(allowed, asked(f"{shell} -- again 2026-11-24 1a2b3c4d 5e6f7a8b", tmp_path)))


def test_every_role_that_may_leave_a_host_is_let_through(stack: settings.Stack, tmp_path: Path) -> None:
    source = "".join(path.read_text() for path in (DOCS.parent / "components").glob("*.py"))
    roles = set(re.findall(r'retires="(\w+)"', source))
    assert roles == {"master", "node", "lb", "hub", "trust"}
    for role in roles:
        assert all(map(allowed, asked(retiring(stack.hosts["shaolin"], role), tmp_path)))


def test_what_operators_ask_a_host_is_let_through(
    stack: settings.Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every way that `ops` has to a host: `status`, `preflight` and the like, a snapshot sent, an adoption."""
    host = stack.hosts["shaolin"]
    snapshot = tmp_path / "etcd.db"
    snapshot.write_bytes(b"all of it")
    digest = hashlib.sha256(b"all of it").hexdigest()
    ways: dict[str, Callable[[], object]] = {
        "ops/ssh.py ask": lambda: ssh.ask(host, "id\n"),
        "ops/ssh.py ask_all": lambda: ssh.ask_all([host], lambda _: "id\n"),
        "ops/ssh.py send": lambda: ssh.send(host, snapshot, digest, restore.RECEIVED, ssh.SECONDS),
        "ops/adopt/look.py at": lambda: look.at(host.ssh),
        "ops/adopt/look.py run": lambda: look.run(host.ssh, "id\n"),
    }
    assert set(ways) == ways_of_ops()
    (tmp_path / "ssh").write_text(SSH.format(typed=shlex.quote(str(tmp_path / "typed"))))
    (tmp_path / "ssh").chmod(0o755)
    for name, goes in ways.items():
        with monkeypatch.context() as patch:
            patch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
            goes()
        typed = (tmp_path / "typed").read_text()
        (tmp_path / "typed").unlink()
        wanted = asked(typed, tmp_path)
        assert "sh -s" in wanted, name
        assert [line for line in wanted if not allowed(line)] == [], name


def ways_of_ops() -> set[str]:
    """The functions of modules that make a command for `ssh`, by which others run something on a host."""
    modules = {path: path.read_text() for path in (DOCS.parent / "ops").rglob("*.py")}
    return {
        f"{path.relative_to(DOCS.parent)} {name}"
        for path, text in modules.items()
        if "openssh.command(" in text
        for name in re.findall(r"^def ([a-z]\w*)\(\s*(?:hosts?|ssh):", text, re.MULTILINE)
    }


@pytest.mark.parametrize(
    "command",
    [
        "id",
        "bash -s",
        "sh",
        "sh -c id",
        "sh /tmp/script",
        "sh -s first",
        "true now",
        "/tmp/sh -s",
        "/usr/local/lib/evenkeel/retire.sh everything shaolin",
        "/usr/local/lib/evenkeel/status.sh",
    ],
)
def test_nothing_else_is_let_through(command: str) -> None:
    assert not allowed(command)


def test_what_comes_on_standard_input_is_not_logged() -> None:
    """Secrets travel there, and a site may have sudo keep what it reads."""
    assert f"Defaults:{USER} !requiretty, !log_input" in SUDOERS


def test_the_file_is_one_that_sudo_reads(tmp_path: Path) -> None:
    (tmp_path / "evenkeel").write_text(SUDOERS)
    (tmp_path / "evenkeel").chmod(0o440)
    done = subprocess.run(["visudo", "-c", "-f", tmp_path / "evenkeel"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
