"""scripts/verify.sh on a folder that stands for a host: what it finds of files, and that it changes nothing."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from render.files import File, stage_script, wrap
from render.scripts import SCRIPTS, assignments

ME = f"{os.getuid()}:{os.getgid()}"
PLAIN = File("/etc/plain", "as it shall be\n", "0644", ME)
KEY = File("/etc/key", "secret\n", "0600", ME)


class Host:
    """A host on which one readable and one secret file were installed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "var/lib/evenkeel"
        parts = {"one": [PLAIN], "one.secret": [KEY]}
        self._run(stage_script(parts) + "install_part one\ninstall_part one.secret\napplied one one one.secret\n")

    def path(self, file: File) -> Path:
        return Path(f"{self.root}{file.path}")

    def findings(self) -> list[str]:
        """What the script prints, without its last line."""
        variables = {
            "PLAIN": f"{hashlib.sha256(PLAIN.content.encode()).hexdigest()} {PLAIN.mode} {PLAIN.owner} {PLAIN.path}",
            "HELD": "one.secret",
            "UNITS": "",
            "TURNS": "one one one.secret",
        }
        script = (SCRIPTS / "artifacts.sh").read_text() + assignments(variables) + (SCRIPTS / "verify.sh").read_text()
        before = self._tree()
        *lines, last = self._run(script).splitlines()
        assert last == "end"
        assert self._tree() == before
        return lines

    def _tree(self) -> dict[Path, tuple[int, int, bytes]]:
        """Mode, time and text of all that is on the host."""
        found = {path: path.lstat() for path in self.root.rglob("*")}
        return {
            path: (stat.st_mode, stat.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path, stat in found.items()
        }

    def again(self, body: str) -> str:
        return self._run(body)

    def _run(self, body: str) -> str:
        environment = os.environ | {"EVENKEEL_ROOT": str(self.root), "EVENKEEL_STATE": str(self.state)}
        script = wrap((SCRIPTS / "lib.sh").read_text() + body)
        done = subprocess.run(["sh", "-s"], input=script, env=environment, capture_output=True, text=True, check=True)
        return done.stdout


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_host_as_it_was_left_has_no_findings(host: Host) -> None:
    assert host.findings() == []


def test_each_kind_of_damage_to_a_file_is_found(host: Host) -> None:
    host.path(PLAIN).chmod(0o666)
    assert host.findings() == ["mode /etc/plain 0666 0644"]
    host.path(PLAIN).chmod(0o644)
    host.path(PLAIN).write_text("edited\n")
    assert host.findings() == ["content /etc/plain ZWRpdGVkCg=="]
    host.path(PLAIN).unlink()
    assert host.findings() == ["missing /etc/plain"]


def test_a_changed_secret_shows_as_two_fingerprints_that_differ_from_run_to_run(host: Host) -> None:
    """A digest that stays the same could be guessed at for a short password."""
    host.path(KEY).write_text("other\n")
    first, second = host.findings(), host.findings()
    assert [line.split()[:2] for line in first] == [["secret", "/etc/key"]]
    assert "other" not in "".join(first)
    assert first[0].split()[2] != first[0].split()[3]
    assert first != second


def test_a_staged_copy_that_was_never_put_to_work_is_found(host: Host) -> None:
    """Whoever changes a secret where it lies and its copy as well has left the record of the copy behind."""
    for path in (host.path(KEY), host.state / "staged/one.secret/files/etc/key"):
        path.write_text("other\n")
    assert host.findings() == ["turn one"]


def test_a_part_that_is_not_staged_is_found(host: Host) -> None:
    host.again(f"rm -r {host.state}/staged/one.secret\n")
    assert host.findings() == ["unstaged one.secret"]
