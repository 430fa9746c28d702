"""The staging area of a host (scripts/lib.sh): what is staged, installed, dropped and recorded as applied."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from render.files import File, stage_script, wrap

LIB = Path(__file__).resolve().parents[2] / "scripts" / "lib.sh"


class Host:
    """A folder that stands for a host's root; scripts run there without root's rights."""

    def __init__(self, root: Path) -> None:
        self.root = root
        me = f"{os.getuid()}:{os.getgid()}"
        self.owner = me

    def run(self, body: str) -> subprocess.CompletedProcess[str]:
        """Runs shell lines as a command on a host would."""
        return self.read(wrap(f". {LIB}\n{body}"))

    def read(self, script: str) -> subprocess.CompletedProcess[str]:
        """Runs a script that arrived as it is here."""
        environment = os.environ | {
            "EVENKEEL_ROOT": str(self.root),
            "EVENKEEL_STATE": str(self.root / "var/lib/evenkeel"),
            "EVENKEEL_LOCK": str(self.root / "lock"),
            "EVENKEEL_HOST": "shaolin",
        }
        return subprocess.run(["sh", "-s"], input=script, env=environment, capture_output=True, text=True, check=False)

    def file(self, path: str, content: str, mode: str = "0644") -> File:
        return File(path, content, mode, self.owner)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_staged_file_touches_nothing_until_it_is_installed(host: Host) -> None:
    staged = stage_script({"etcd": [host.file("/etc/etcd.yaml", "name: shaolin\n", "0600")]})
    assert host.run(staged).returncode == 0
    assert not (host.root / "etc/etcd.yaml").exists()
    done = host.run("install_part etcd")
    assert done.stdout == "/etc/etcd.yaml\n"
    assert (host.root / "etc/etcd.yaml").read_text() == "name: shaolin\n"
    assert (host.root / "etc/etcd.yaml").stat().st_mode & 0o777 == 0o600


def test_installing_again_changes_nothing(host: Host) -> None:
    host.run(stage_script({"etcd": [host.file("/etc/etcd.yaml", "a\n")]}) + "install_part etcd")
    before = (host.root / "etc/etcd.yaml").stat()
    assert host.run("install_part etcd").stdout == ""
    assert (host.root / "etc/etcd.yaml").stat().st_ino == before.st_ino


def test_a_file_that_is_no_longer_wanted_is_removed(host: Host) -> None:
    two = {"lb": [host.file("/etc/a", "a\n"), host.file("/etc/b", "b\n")]}
    host.run(stage_script(two) + "install_part lb")
    done = host.run(stage_script({"lb": [host.file("/etc/b", "b\n")]}) + "install_part lb")
    assert done.stdout == "/etc/a\n"
    assert not (host.root / "etc/a").exists()
    assert (host.root / "etc/b").exists()


def test_a_registry_under_another_name_leaves_no_folder_behind_but_one_that_others_use(host: Host) -> None:
    """Its hosts.toml named what is not there any more; and an empty folder stands before containerd's `_default`."""

    def registry(folder: str) -> str:
        files = [host.file(f"/etc/containerd/certs.d/{folder}/{name}", "text\n") for name in ("ca.crt", "hosts.toml")]
        return stage_script({"harbor-trust": files}) + "install_part harbor-trust"

    folders = host.root / "etc/containerd/certs.d"
    host.run(registry("hub.example.com"))
    host.run(registry("hub.example.com:9443"))
    assert [path.name for path in folders.iterdir()] == ["hub.example.com:9443"]
    (folders / "hub.example.com:9443/client.key").write_text("a user's\n")
    host.run(registry("other.example.com"))
    assert [path.name for path in (folders / "hub.example.com:9443").iterdir()] == ["client.key"]


def test_a_folder_that_a_part_leaves_empty_stays_where_programs_look_for_it(host: Host) -> None:
    """A kubelet whose folder of manifests is gone says so every few seconds."""
    host.run(stage_script({"etcd": [host.file("/etc/kubernetes/manifests/etcd.yaml", "a\n")]}) + "install_part etcd")
    host.run(stage_script({"etcd": []}) + "install_part etcd")
    assert list((host.root / "etc/kubernetes/manifests").iterdir()) == []


def test_a_text_without_a_final_newline_stays_without(host: Host) -> None:
    """Harbor's secretkey of 16 characters and a newline is refused by Harbor with a 500."""
    host.run(stage_script({"key": [host.file("/data/secretkey", "0123456789abcdef", "0600")]}) + "install_part key")
    assert (host.root / "data/secretkey").read_bytes() == b"0123456789abcdef"


def test_a_text_arrives_byte_for_byte(host: Host) -> None:
    text = "$HOME `id` \\n 'single' \"double\" $(id)\n\n\ttab\n\n"
    host.run(stage_script({"odd": [host.file("/odd", text)]}) + "install_part odd")
    assert (host.root / "odd").read_text() == text


def test_a_unit_is_pending_until_it_is_recorded_as_applied(host: Host) -> None:
    """Killed between the new file and the restart, the next run must still restart."""
    host.run(stage_script({"etcd": [host.file("/etc/etcd.yaml", "a\n")]}) + "install_part etcd")
    assert host.run("pending etcd etcd").returncode == 0
    assert host.run("applied etcd etcd; pending etcd etcd").returncode == 1
    changed = stage_script({"etcd": [host.file("/etc/etcd.yaml", "b\n")]})
    assert host.run(changed + "pending etcd etcd").returncode == 0


def test_a_revision_is_what_it_always_was(host: Host) -> None:
    """Another one for the same files would be a turn for every unit of every host."""
    parts = {"b": [host.file("/z", "1\n"), host.file("/a b/c", "2\n")], "b.secret": [host.file("/k", "3\n")], "a": []}
    host.run(stage_script(parts))
    each = 'cd "$EVENKEEL_STATE/staged/$part" && find . -type f -exec sha256sum {} + | sort -k 2'
    plainly = f"for part in b a b.secret; do ({each}); done | sha256sum | cut -c 1-16"
    found, expected = host.run(f"revision_of b a b.secret; {plainly}").stdout.split()
    assert found == expected
    assert host.run("revision_of b.secret b a").stdout.strip() != expected


def test_a_port_is_listened_on_once_somebody_takes_connections_there(host: Host) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        asked = f"EVENKEEL_ROOT= listens {one.getsockname()[1]}"
        assert host.run(asked).returncode == 1
        one.listen()
        assert host.run(asked).returncode == 0


def test_a_changed_mode_alone_is_pending_too(host: Host) -> None:
    host.run(stage_script({"etcd": [host.file("/e", "a\n", "0644")]}) + "applied etcd etcd")
    assert host.run(stage_script({"etcd": [host.file("/e", "a\n", "0600")]}) + "pending etcd etcd").returncode == 0


@pytest.mark.parametrize("damage", ["echo b >", "rm ", "chmod 0666 "], ids=["edited", "removed", "opened up"])
def test_a_unit_whose_files_somebody_changed_is_pending(host: Host, damage: str) -> None:
    """An edited certificate of etcd stayed as it was, whatever the user ran."""
    host.run(stage_script({"etcd": [host.file("/etc/e", "a\n")]}) + "install_part etcd; applied etcd etcd")
    assert host.run("pending etcd etcd").returncode == 1
    assert host.run(f"{damage}$EVENKEEL_ROOT/etc/e; pending etcd etcd").returncode == 0


def test_a_script_that_was_cut_on_the_way_does_nothing(host: Host) -> None:
    script = wrap(
        f". {LIB}\n" + stage_script({"etcd": [host.file("/etc/etcd.yaml", "a\n")]}) + "touch $EVENKEEL_ROOT/ran\n"
    )
    for length in range(1, len(script) - 12, 40):
        host.read(script[:length])
        assert list(host.root.iterdir()) == []
    assert host.read(script).returncode == 0
    assert (host.root / "ran").exists()


def test_a_failure_names_host_step_cause_and_remedy(host: Host) -> None:
    done = host.run('fail etcd "no majority answers" "bring a member back"')
    assert done.returncode == 1
    assert done.stderr == "evenkeel: shaolin: etcd: no majority answers; bring a member back\n"


def test_a_step_waits_for_an_earlier_one_that_still_runs(host: Host) -> None:
    """The engine was killed; its command runs on. Two at once would mix their files."""
    first = subprocess.Popen(["flock", str(host.root / "lock"), "sleep", "1"])
    done = host.run("lock; echo mine")
    assert first.wait() == 0
    assert "waiting for an earlier step" in done.stderr
    assert done.stdout == "mine\n"


def test_the_stacks_programs_are_found_whatever_path_sudo_gives(host: Host) -> None:
    """Red Hat's leaves /usr/local/bin out: a host said that containerd was not well, where only ctr was not found."""
    program = host.root / "usr/local/bin/of-the-stack"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert (
        host.run("PATH=/sbin:/bin:/usr/sbin:/usr/bin\n. " + str(LIB) + "\ncommand -v of-the-stack").stdout
        == f"{program}\n"
    )
