"""``ops backup`` without hosts: from whom a snapshot is taken, and what is left on this machine."""

import base64
import hashlib
import stat
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops import ssh, stacks
from ops.__main__ import commands
from settings import Host, Stack
from tests.settings import samples

DATA = bytes(range(256)) * 1000
STATE = b'{"version": 3}'


def whole(host: Host) -> ssh.Answer:
    return ssh.Answer(host.name, 0, f"{hashlib.sha256(DATA).hexdigest()}\n{base64.encodebytes(DATA).decode()}", "")


def cut_off(host: Host) -> ssh.Answer:
    return ssh.Answer(host.name, 0, whole(host).output[:-400], "")


def refused(host: Host) -> ssh.Answer:
    return ssh.Answer(host.name, 1, "", f"evenkeel: {host.name}: snapshot of etcd: this member does not agree; see")


class Site:
    """A stack whose masters answer as they are told to, and the command upon it."""

    def __init__(self, folder: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "backups"
        self.answers = dict.fromkeys(stack.masters(), whole)
        self.asked: list[str] = []
        monkeypatch.setattr(stacks, "read", lambda name: stack)
        monkeypatch.setattr(stacks, "exported", lambda name: STATE)
        monkeypatch.setattr(ssh, "ask", self._ask)

    def _ask(self, host: Host, script: str, seconds: float) -> ssh.Answer:
        assert "/usr/local/lib/evenkeel/etcd-snapshot.sh" in script
        self.asked.append(host.name)
        return self.answers[host.name](host)

    def run(self, *options: str) -> tuple[int, str]:
        words = ["--stack", "mine", "--folder", str(self.folder), *options]
        done = CliRunner().invoke(commands(["backup", "lock"]), ["backup", *words])
        return done.exit_code, done.output


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, samples.stack(tmp_path), monkeypatch)


def test_a_backup_is_a_folder_of_this_user_alone_with_checksums(site: Site) -> None:
    code, said = site.run()
    (made,) = (site.folder / "mine").iterdir()
    assert code == 0
    assert str(made) in said.replace("\n", "")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == dict.fromkeys(
        ["etcd.db", "state.json", "SHA256SUMS"], 0o600
    )
    assert (made / "etcd.db").read_bytes() == DATA
    assert (made / "state.json").read_bytes() == STATE
    assert subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=made, check=False).returncode == 0


def test_a_master_that_gives_none_is_told_of_and_the_next_is_asked(site: Site) -> None:
    """A member that is cut off from the others has a snapshot too: one that has been overtaken."""
    site.answers |= {"shaolin": refused, "wudang": cut_off}
    code, said = site.run()
    assert code == 0
    assert site.asked == ["shaolin", "wudang", "emei"]
    assert "evenkeel: shaolin: snapshot of etcd: this member does not agree" in said
    assert "wudang: its snapshot came here incomplete" in said


def test_without_a_snapshot_there_is_no_backup_that_looks_like_one(site: Site) -> None:
    site.answers = dict.fromkeys(site.answers, refused)
    code, said = site.run()
    assert code == 1
    assert "no master of shaolin, wudang, emei gave a snapshot; mend one of them and try again" in said
    assert not site.folder.exists()


def test_a_folder_that_takes_nothing_is_told_in_words(site: Site) -> None:
    site.folder.write_text("a file in its place")
    code, said = site.run()
    assert code == 1
    assert "Not a directory; free some space there, or choose another --folder" in said


def test_the_oldest_go_beyond_what_is_kept_and_nothing_else_does(site: Site) -> None:
    for name in ("20250101T000000Z", "20260101T000000Z", "notes", "2026"):
        (site.folder / "mine" / name).mkdir(parents=True)
    code, said = site.run("--keep", "2")
    assert code == 0
    left = sorted(path.name for path in (site.folder / "mine").iterdir())
    assert [name for name in left if not name.startswith("2026") or name == "2026"] == ["2026", "notes"]
    assert len(left) == 4
    assert "20250101T000000Z" not in left
    assert "removed" in said
