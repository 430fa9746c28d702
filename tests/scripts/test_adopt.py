"""scripts/adopt.sh: what a kubeadm master is made ready with before others join it. etcdctl and ss are stubs."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
URL = "https://192.0.2.11:2380"
MEMBER = "1a, started, shaolin, {url}, https://192.0.2.11:2379, false\n"
LEARNER = "2b, started, wudang, https://192.0.2.12:2380, https://192.0.2.12:2379, true\n"
ETCDCTL = """#!/bin/sh
case "$*" in
*"member list"*) cat "$STUB/members" ;;
*) printf '%s\\n' "$*" >>"$STUB/changes" ;;
esac
"""
MANIFEST = "etc/kubernetes/manifests/etcd.yaml"


@dataclass(frozen=True)
class Master:
    """The host shaolin as a folder; its state, and the stubs, lie in another."""

    root: Path
    stub: Path

    def adopt(self, when: str = "first") -> subprocess.CompletedProcess[str]:
        return self.run("adopt.sh", when)

    def undo(self) -> subprocess.CompletedProcess[str]:
        return self.run("adopt-undo.sh")

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.stub}:{os.environ['PATH']}",
            "STUB": str(self.stub),
            "EVENKEEL_ROOT": str(self.root),
            "EVENKEEL_STATE": str(self.stub / "state"),
            "EVENKEEL_LOCK": str(self.stub / "lock"),
            "EVENKEEL_HOST": "shaolin",
            "NODE": "shaolin",
            "ADDRESS": "192.0.2.11",
            "ETCD_MEMBERS": f"shaolin={URL}",
        }
        script = (SCRIPTS / name).read_text().replace("/usr/local/lib/evenkeel", str(SCRIPTS))
        command = ["sh", "-c", script, name, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def member_at(self, url: str) -> None:
        """What etcd's data says of where this member is."""
        (self.stub / "members").write_text(MEMBER.format(url=url))

    def listens_at(self, address: str) -> None:
        self.program("ss", f"#!/bin/sh\necho 'LISTEN 0 128 {address} 0.0.0.0:*'\n")

    def program(self, name: str, text: str) -> None:
        (self.stub / name).write_text(text)
        (self.stub / name).chmod(0o755)

    def changes(self) -> str:
        """What etcd was told."""
        path = self.stub / "changes"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def master(tmp_path: Path) -> Master:
    made = Master(tmp_path / "root", tmp_path / "stub")
    (made.stub / "state").mkdir(parents=True)
    made.program("etcdctl", ETCDCTL)
    made.program("systemctl", '#!/bin/sh\nprintf \'systemctl %s\\n\' "$*" >>"$STUB/changes"\n')
    made.listens_at("192.0.2.11:2380")
    made.member_at(URL)
    for path, text in ((MANIFEST, "as kubeadm wrote it\n"), ("var/lib/kubelet/config.yaml", "kind: x\n")):
        (made.root / path).parent.mkdir(parents=True)
        (made.root / path).write_text(text)
    return made


def test_files_are_kept_as_kubeadm_left_them_with_their_checksums(master: Master) -> None:
    assert master.adopt().returncode == 0
    kept = master.stub / "state/adopted"
    assert (kept / "files" / MANIFEST).read_text() == "as kubeadm wrote it\n"
    lines = [line.split("  ") for line in (kept / "sha256").read_text().splitlines()]
    sums = {path: digest for digest, path in lines}
    assert sums[f"./{MANIFEST}"] == hashlib.sha256(b"as kubeadm wrote it\n").hexdigest()
    assert set(sums) == {f"./{MANIFEST}", "./var/lib/kubelet/config.yaml"}


def test_the_copies_of_etcd_that_upgrades_by_kubeadm_leave_are_not_kept_again(master: Master) -> None:
    """After some years they are many times its data, and came twice more onto the disk that etcd writes to."""
    backup = master.root / "etc/kubernetes/tmp/kubeadm-backup-etcd-2025-03-01-10-00-00/etcd/member/snap/db"
    backup.parent.mkdir(parents=True)
    backup.write_text("gigabytes\n")
    assert master.adopt().returncode == 0
    kept = master.stub / "state/adopted"
    assert not (kept / "files/etc/kubernetes/tmp").exists()
    assert (kept / "files" / MANIFEST).exists()
    assert "kubeadm-backup-etcd" not in (kept / "sha256").read_text()


def test_a_second_run_keeps_what_the_first_one_kept(master: Master) -> None:
    """After an interrupted `up` the files may be the stack's already."""
    master.adopt()
    (master.root / MANIFEST).write_text("as the stack wrote it\n")
    assert master.adopt().returncode == 0
    assert (master.stub / "state/adopted/files" / MANIFEST).read_text() == "as kubeadm wrote it\n"


def test_another_machine_in_the_masters_place_has_nothing_to_be_adopted(master: Master) -> None:
    """It is run again there, as the host's key is another: an `up` stopped there, before any master's turn."""
    master.program("etcdctl", "#!/bin/sh\nexit 1\n")
    done = master.adopt("again")
    assert (done.returncode, master.changes()) == (0, "")
    assert "nothing of kubeadm's is left on this host" in done.stderr
    assert not (master.stub / "state/adopted").exists()
    assert master.adopt("first").returncode == 1


def test_a_member_that_others_reach_stays_as_it_is(master: Master) -> None:
    assert master.adopt().returncode == 0
    assert master.changes() == ""


def test_a_member_that_says_it_is_at_localhost_is_corrected(master: Master) -> None:
    """Others would take it for a stranger and remove it, or try to reach it on their own host."""
    master.member_at("http://localhost:2380")
    assert master.adopt().returncode == 0
    assert f"member update 1a --peer-urls={URL}\n" in master.changes()


def test_a_member_that_listens_at_localhost_only_is_refused_with_what_to_do(master: Master) -> None:
    master.member_at("http://localhost:2380")
    master.listens_at("127.0.0.1:2380")
    done = master.adopt()
    assert done.returncode == 1
    assert f"set --listen-peer-urls={URL} in /etc/kubernetes/manifests/etcd.yaml" in done.stderr
    assert master.changes() == ""


def test_undoing_takes_learners_out_and_touches_no_file_that_is_as_it_was(master: Master) -> None:
    master.adopt()
    (master.stub / "members").write_text(MEMBER.format(url=URL) + LEARNER)
    done = master.undo()
    assert done.returncode == 0, done.stderr
    assert "put back: nothing" in done.stderr
    assert master.changes().splitlines() == [
        "--endpoints=https://127.0.0.1:2379 --command-timeout=5s member remove 2b",
        "systemctl disable --now --quiet evenkeel-silent-peers",
    ]


def test_undoing_puts_changed_and_lost_files_back_with_their_modes(master: Master) -> None:
    (master.root / MANIFEST).chmod(0o600)
    master.adopt()
    (master.root / MANIFEST).write_text("as the stack wrote it\n")
    (master.root / "var/lib/kubelet/config.yaml").unlink()
    done = master.undo()
    assert done.returncode == 0, done.stderr
    assert (master.root / MANIFEST).read_text() == "as kubeadm wrote it\n"
    assert (master.root / MANIFEST).stat().st_mode & 0o777 == 0o600
    assert (master.root / "var/lib/kubelet/config.yaml").read_text() == "kind: x\n"
    assert "systemctl restart kubelet" in master.changes()


def test_undoing_is_refused_once_another_member_votes(master: Master) -> None:
    master.adopt()
    (master.root / MANIFEST).write_text("as the stack wrote it\n")
    (master.stub / "members").write_text(MEMBER.format(url=URL) + LEARNER.replace("true", "false"))
    done = master.undo()
    assert done.returncode == 1
    assert "2 members of etcd vote, so going back would lose what they hold; go on" in done.stderr
    assert (master.root / MANIFEST).read_text() == "as the stack wrote it\n"


def test_a_kept_file_that_was_damaged_is_not_put_back(master: Master) -> None:
    master.adopt()
    (master.stub / "state/adopted/files" / MANIFEST).write_text("")
    (master.root / MANIFEST).write_text("as the stack wrote it\n")
    done = master.undo()
    assert done.returncode == 1
    assert "is not what was kept there" in done.stderr
    assert (master.root / MANIFEST).read_text() == "as the stack wrote it\n"


def test_there_is_nothing_to_undo_where_no_stack_was(master: Master) -> None:
    done = master.undo()
    assert done.returncode == 1
    assert "nothing is to be undone" in done.stderr
