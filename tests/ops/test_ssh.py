"""What goes to a host over `ssh`: a file arrives whole, or its place stays as it was, whatever shell is there."""

import dataclasses
import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from ops import ssh
from settings import Bastion, Host
from tests.settings import samples

SIZE = 3_000_000  # more than all that pipes and shells hold back on the way
SECONDS = 30.0
# A host is this machine, and its user root: only the last word, the command, matters.
SSH = """#!/bin/sh
echo 'a greeting of a login script'
for command; do :; done
exec /bin/sh -c "$command"
"""


def program(folder: Path, text: str) -> None:
    (folder / "ssh").write_text(text)
    (folder / "ssh").chmod(0o755)


@pytest.fixture(params=["dash", "bash"])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """One whose `sh` is this shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to(f"/bin/{request.param}")
    program(folder, SSH)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return samples.stack(tmp_path).hosts["shaolin"]


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    path = tmp_path / "etcd.db"
    path.write_bytes(os.urandom(SIZE))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_arrives_whole_and_for_root_alone(host: Host, snapshot: Path, tmp_path: Path) -> None:
    """Dash reads its script ahead: of what follows at once, the first kilobytes would be lost."""
    place = tmp_path / "it's" / "restore.db"
    place.parent.mkdir()
    answer = ssh.send(host, snapshot, digest(snapshot), str(place), SECONDS)
    assert answer.fault == ""
    assert digest(place) == digest(snapshot)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [path.name for path in place.parent.iterdir()] == ["restore.db"]


def test_a_file_that_differs_on_arrival_does_not_take_its_place(host: Host, snapshot: Path, tmp_path: Path) -> None:
    place = tmp_path / "restore.db"
    place.write_text("of an earlier run")
    answer = ssh.send(host, snapshot, "0" * 64, str(place), SECONDS)
    assert answer.code == 1
    assert answer.words == f"evenkeel: shaolin: {place}: did not arrive whole; see that its folder has room"
    assert place.read_text() == "of an earlier run"
    assert not place.with_name("restore.db.part").exists()


def test_nothing_of_a_file_is_run_where_it_cannot_be_written(host: Host, snapshot: Path, tmp_path: Path) -> None:
    """A shell goes on to read what nobody else has read, as root."""
    snapshot.write_text(f"touch {tmp_path}/run\n" * 100_000)
    answer = ssh.send(host, snapshot, digest(snapshot), str(tmp_path / "absent" / "restore.db"), SECONDS)
    assert answer.code == 1
    assert "did not arrive whole" in answer.words
    assert not (tmp_path / "run").exists()


def test_a_host_that_refuses_before_it_reads_is_told_in_its_words(host: Host, snapshot: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin", "#!/bin/sh\necho 'may not become root' >&2\nexit 1\n")
    answer = ssh.send(host, snapshot, digest(snapshot), str(tmp_path / "restore.db"), SECONDS)
    assert (answer.code, answer.words) == (1, "may not become root")


def test_a_host_that_reads_no_further_is_given_up(host: Host, snapshot: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin", "#!/bin/sh\necho 'evenkeel: begun'\nexec sleep 60\n")
    started = time.monotonic()
    answer = ssh.send(host, snapshot, digest(snapshot), str(tmp_path / "restore.db"), 0.5)
    assert answer.code is None
    assert "has not answered after 0.5 s" in answer.fault
    assert time.monotonic() - started < SECONDS


def test_what_a_host_says_in_another_encoding_is_read_all_the_same(host: Host) -> None:
    """A greeting in Latin-1, or a file's name, ended the whole command in a traceback."""
    answer = ssh.ask(host, "printf 'caf\\351\\n'; printf 'd\\351j\\340 vu\\r\\n' >&2\n")
    assert answer.fault == ""
    assert answer.output.endswith("caf\N{REPLACEMENT CHARACTER}\n")
    assert answer.error == "d\N{REPLACEMENT CHARACTER}j\N{REPLACEMENT CHARACTER} vu"


def test_a_machine_without_ssh_is_told_so(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`up` needs none for most hosts, so that the first to miss it is who asks how they are."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert "shaolin: is not reached: ssh is not on PATH here; install" in ssh.ask(host, "id\n").fault


# Turned away as often as the file says, as by a bastion that has too many strangers at its door.
CROWDED = """#!/bin/sh
count=$(cat {file})
if [ "$count" -gt 0 ]; then
    echo $((count - 1)) >{file}
    printf 'kex_exchange_identification: Connection closed by remote host\r\n' >&2
    printf 'Connection closed by UNKNOWN port 65535\r\n' >&2
    exit 255
fi
{then}
"""


@pytest.fixture
def times(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """How often the next `ssh` are still turned away; without pauses in between."""
    file = tmp_path / "times"
    program(tmp_path / "bin", CROWDED.format(file=file, then=SSH.partition("\n")[2]))
    monkeypatch.setattr(ssh, "PAUSES", (0.0,) * len(ssh.PAUSES))
    return file


def test_a_server_that_turns_a_rush_away_is_asked_again(host: Host, times: Path, snapshot: Path) -> None:
    """A hundred hosts behind one bastion: sshd drops whom it has not let in yet beyond ten (MaxStartups)."""
    times.write_text("3\n")
    assert ssh.ask(host, "echo here\n").output.endswith("here\n")
    times.write_text("3\n")
    place = snapshot.with_name("restore.db")
    assert ssh.send(host, snapshot, digest(snapshot), str(place), SECONDS).fault == ""
    assert digest(place) == digest(snapshot)


def test_a_server_that_turns_everybody_away_is_given_up(host: Host, times: Path) -> None:
    times.write_text("100\n")
    assert "shaolin: is not reached: Connection closed by" in ssh.ask(host, "id\n").fault
    assert times.read_text() == f"{100 - len(ssh.PAUSES) - 1}\n"


def test_what_a_bastion_says_is_the_cause_and_the_way_through_it_the_remedy(host: Host, times: Path) -> None:
    """All hosts behind it were said to be closed "by UNKNOWN port 65535", and the way past the bastion to be tried."""
    refused = "jump@192.0.2.99: Permission denied (publickey)."
    text = times.with_name("bin") / "ssh"
    text.write_text(text.read_text().replace("    printf 'kex", f"    echo '{refused}' >&2\n    printf 'kex"))
    times.write_text("100\n")
    bastion = Bastion("192.0.2.99", 2222, "jump", samples.host_key("jump"), host.ssh.private_key)
    behind = dataclasses.replace(host, ssh=dataclasses.replace(host.ssh, bastion=bastion))
    told = ssh.ask(behind, "id\n").fault
    assert told.startswith(f"shaolin: is not reached: {refused}; see that it runs")
    assert "'ssh -J jump@192.0.2.99:2222 -p 22 root@192.0.2.11'" in told
    assert times.read_text() == "99\n"
