"""``ops restore`` without hosts: which master begins, what is refused, and in which order each has its part."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops import ssh, stacks
from ops.__main__ import commands
from settings import Host, Stack
from tests.settings import samples

PREPARED = "prepared yes\n"
STOPPED = f"{PREPARED}manifest yes\nturn yes\n"
DATA = "data /var/lib/etcd/member/snap/db\n"
UNKNOWN = "evenkeel: {}: restore: /var/lib/etcd: no room; see"


def revision(number: int) -> str:
    return f"{STOPPED}{DATA}revision {number}\n"


class Site:
    """A stack whose masters hold what they are told to; what is asked of them is kept, one word a part and host."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held = dict.fromkeys(stack.masters(), PREPARED)
        self.silent: list[str] = []
        self.failing: list[str] = []
        self.parts: list[str] = []
        self.sums: list[str] = []
        monkeypatch.setattr(stacks, "read", lambda name: stack)
        monkeypatch.setattr(ssh, "ask_all", self._ask_all)
        monkeypatch.setattr(ssh, "send", self._send)

    def _ask_all(self, hosts: Iterable[Host], script: Callable[[Host], str], seconds: float) -> list[ssh.Answer]:
        return [self._answer(host, script(host)) for host in hosts]

    def _answer(self, host: Host, script: str) -> ssh.Answer:
        set_to = dict(line.split("=", 1) for line in script.splitlines() if line.startswith(("RESTORE=", "SUM=")))
        if host.name in self.silent:
            return ssh.Answer(host.name, None, "", "is not reached: no route")
        if set_to["RESTORE"] == "look":
            return ssh.Answer(host.name, 0, f"{self.held[host.name]}end\n", "")
        self.parts.append(f"{set_to['RESTORE']} {host.name}")
        self.sums.append(set_to["SUM"].strip("'"))
        failed = self.parts[-1] in self.failing
        return ssh.Answer(host.name, int(failed), "", UNKNOWN.format(host.name) if failed else "")

    def _send(self, host: Host, file: Path, sha256: str, path: str, seconds: float) -> ssh.Answer:
        assert sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        self.parts.append(f"send {host.name}")
        return ssh.Answer(host.name, 0, "", "")

    def run(self, *options: str, answer: str = "y\n") -> tuple[int, str]:
        done = CliRunner().invoke(commands(["restore", "lock"]), ["restore", "--stack", "mine", *options], input=answer)
        return done.exit_code, done.output


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(samples.stack(tmp_path), monkeypatch)


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    path = tmp_path / "etcd.db"
    path.write_bytes(b"all of it")
    return path


def test_the_master_that_holds_most_begins_after_all_have_ended_and_the_others_are_set_aside(site: Site) -> None:
    """One that began before another had ended would share its past with it, and both would take writes."""
    site.held |= {"shaolin": revision(7), "wudang": revision(12), "emei": "prepared yes\nturn yes\n"}
    code, said = site.run()
    assert code == 0, said
    assert site.parts == [
        *("end shaolin", "end wudang", "end emei"),
        *("aside shaolin", "aside emei"),
        "begin wudang",
    ]
    assert set(site.sums) == {""}
    assert "The API answers, through wudang alone." in said
    assert "pulumi up --stack mine '--replace=**::shaolin-activate' '--replace=**::emei-activate'\n" in said


def test_a_fresh_machine_has_its_turn_without_being_told(site: Site) -> None:
    """Its turn can't be replaced: the engine would end that of the machine before it, whose host key is gone."""
    site.held["emei"] = revision(7)
    assert "    pulumi up --stack mine\n" in site.run()[1]


def test_nothing_is_done_before_somebody_says_yes(site: Site) -> None:
    site.held["emei"] = revision(7)
    code, said = site.run(answer="n\n")
    assert code == 1
    assert "emei begins alone with its own data, of revision 7." in said
    assert site.parts == []


def test_a_master_that_is_not_reached_may_run_on_so_nothing_is_done(site: Site) -> None:
    """With two of three out of sight of the operator only, the third would become a second cluster beside them."""
    site.held["emei"] = revision(7)
    site.silent = ["shaolin"]
    code, said = site.run("--yes")
    assert code == 1
    assert "shaolin: is not reached: no route" in said
    assert "Nothing was changed. A machine that is gone for good is named with --lost." in said
    assert site.parts == []


def test_a_master_that_is_said_to_be_lost_has_no_part_in_it(site: Site) -> None:
    """There may be no machine to put in its place for days."""
    site.held["emei"] = revision(7)
    site.silent = ["shaolin", "wudang"]
    code, said = site.run("--yes", "--lost", "shaolin", "--lost", "wudang")
    assert code == 0, said
    assert site.parts == ["end emei", "begin emei"]
    assert "Put machines in the place of shaolin, wudang and pin their keys." in said


def test_a_fresh_machine_begins_only_where_an_up_can_start_it(site: Site, snapshot: Path) -> None:
    """With the first master lost, its turn would come first and find no member; with all lost, nobody could begin."""
    site.silent = ["shaolin"]
    code, said = site.run("--yes", "--snapshot", str(snapshot), "--lost", "shaolin")
    assert code == 1
    assert "put machines in the place of lost ones before" in said
    site.silent = list(site.held)
    code, said = site.run("--yes", "--snapshot", str(snapshot), *(f"--lost={name}" for name in site.held))
    assert code == 1
    assert "no master is left that could begin" in said
    assert site.parts == []


def test_a_master_that_answers_is_not_lost(site: Site) -> None:
    site.held["emei"] = revision(7)
    code, said = site.run("--yes", "--lost", "shaolin", "--lost", "nobody")
    assert code == 1
    assert "--lost shaolin: it answers" in said
    assert "--lost nobody: no master of this stack" in said
    assert site.parts == []


def test_where_a_majority_agrees_a_restore_needs_a_snapshot(site: Site, snapshot: Path) -> None:
    site.held = dict.fromkeys(site.held, f"{revision(7)}majority yes\n") | {"emei": PREPARED}
    code, said = site.run("--yes")
    assert code == 1
    assert "shaolin, wudang: agrees with a majority" in said
    assert "Who is missing has its turn in\n    pulumi up --stack mine\n" in said
    assert site.parts == []
    code, said = site.run("--yes", "--snapshot", str(snapshot))
    assert code == 0, said
    assert site.parts[:2] == ["send shaolin", "end shaolin"]


def test_a_snapshot_begins_on_the_first_master_though_nothing_ever_ran_there(site: Site, snapshot: Path) -> None:
    code, said = site.run("--yes", "--snapshot", str(snapshot))
    assert code == 0, said
    assert site.parts[0] == "send shaolin"
    assert site.parts[-1] == "begin shaolin"
    assert site.sums[-1] == hashlib.sha256(b"all of it").hexdigest()
    assert "shaolin has the data; nothing runs there yet." in said
    assert "    pulumi up --stack mine\n" in said


def test_a_snapshot_that_is_not_the_one_of_its_backup_is_refused(site: Site, snapshot: Path) -> None:
    """Cut short on its way to where backups are kept: all masters would have ended for it."""
    snapshot.with_name("SHA256SUMS").write_text(f"{hashlib.sha256(b'all').hexdigest()}  etcd.db\n")
    code, said = site.run("--yes", "--snapshot", str(snapshot))
    assert code == 1
    assert "SHA256SUMS was written of; choose another backup" in said.replace("\n", " ")
    assert site.parts == []


@pytest.mark.parametrize(
    ("held", "options", "told"),
    [
        ({}, (), "no master holds etcd data; name a snapshot with --snapshot"),
        ({"emei": revision(7)}, ("--host", "shaolin"), "shaolin holds no etcd data; name a snapshot with --snapshot"),
        (
            {"emei": revision(7)},
            ("--host", "lb1"),
            "--host lb1: no master of this stack; choose one of shaolin",
        ),
        ({"emei": f"manifest yes\n{DATA}"}, (), "emei: has no etcdutl yet; run up before this"),
        ({"emei": f"{PREPARED}{DATA}"}, (), "emei: nothing ran there before, so it is the next up that starts it"),
    ],
)
def test_who_cannot_begin_is_refused_before_anybody_ends(
    site: Site, held: dict[str, str], options: tuple[str, ...], told: str
) -> None:
    site.held |= held
    code, said = site.run("--yes", *options)
    assert code == 1
    assert told in said
    assert site.parts == []


def test_a_part_that_fails_is_told_in_the_hosts_words_and_the_next_part_does_not_begin(site: Site) -> None:
    site.held["emei"] = revision(7)
    site.failing = ["aside wudang"]
    code, said = site.run("--yes")
    assert code == 1
    assert UNKNOWN.format("wudang") in said
    assert "run the same command again" in said
    assert "begin emei" not in site.parts
