"""scripts/etcd.sh on a host without data: who may form a cluster, who joins, and who stops. etcdctl is a stub.

Genesis happens once: a host forms a cluster only with a founding ticket, and only while no majority answers.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scripts.certificates import certificate

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
HOSTS = {"shaolin": "192.0.2.11", "wudang": "192.0.2.12", "emei": "192.0.2.13"}
PEERS = {name: f"https://{address}:2380" for name, address in HOSTS.items()}
FOUNDERS = ",".join(f"{name}={url}" for name, url in PEERS.items())
TICKET = f"the-token {FOUNDERS}\n"

# Members lie in a file, one a line as etcdctl shows them; without the file no majority answers.
ETCDCTL = """#!/bin/sh
echo "$*" >>"$STUB/asked"
endpoints=${1#--endpoints=}
while [ "${1#--}" != "$1" ]; do shift; done
case "$1 $2" in
"member add" | "member remove")
    if [ -s "$STUB/refusals" ]; then
        sed -i 1d "$STUB/refusals"
        echo "Error: etcdserver: unhealthy cluster" >&2
        exit 1
    fi ;;
esac
case "$1 $2" in
"member add")
    echo "add $3 ${5#--peer-urls=} $4" >>"$STUB/changes"
    echo "new, unstarted, , ${5#--peer-urls=}, , true" >>"$STUB/members" ;;
"member list") cat "$STUB/members" ;;
"member remove")
    echo "remove $3" >>"$STUB/changes"
    sed -i "/^$3,/d" "$STUB/members" ;;
"endpoint status") grep -qxF "$endpoints" "$STUB/answering" ;;
"endpoint health")
    cat "$STUB/health" 2>/dev/null
    exit 1 ;;
*) echo "unknown: $*" >&2; exit 2 ;;
esac
"""

# Members take connections when they answer, and all of them when a majority does.
CURL = """#!/bin/sh
for url; do :; done
[ -f "$STUB/members" ] || grep -qxF "${url%/}" "$STUB/answering" || exit 7
exit 56
"""


@dataclass(frozen=True)
class Outcome:
    """How a first start ended: what the manifest shall say, what was changed among the members, and what was told."""

    code: int
    first_start: str
    changes: list[str]
    told: str


@dataclass(frozen=True)
class Master:
    """A master without etcd data."""

    root: Path

    def members(self, *lines: str) -> None:
        """What a majority of the members agrees on."""
        (self.root / "members").write_text("".join(f"{line}\n" for line in lines))

    def ticket(self) -> None:
        """What its first staging gave it."""
        (self.root / "etcd-founding-ticket").write_text(TICKET)

    def answering(self, *names: str) -> None:
        """Which members answer for themselves."""
        (self.root / "answering").write_text("".join(f"https://{HOSTS[name]}:2379\n" for name in names))

    def start(self, name: str = "wudang") -> Outcome:
        """Its turn, up to the moment when etcd would be started."""
        done = self.shell(name, 'etcd_start_fresh && printf "%s" "$ETCD_FIRST_START"')
        changes = self.root / "changes"
        made = changes.read_text().splitlines() if changes.exists() else []
        return Outcome(done.returncode, done.stdout, made, done.stderr)

    def shell(self, name: str, lines: str) -> "subprocess.CompletedProcess[str]":
        """Shell lines that see what etcd.sh offers."""
        environment = {
            "PATH": f"{self.root}:{os.environ['PATH']}",
            "STUB": str(self.root),
            "EVENKEEL_STATE": str(self.root),
            "EVENKEEL_ROOT": str(self.root),
            "EVENKEEL_HOST": name,
            "NODE": name,
            "ADDRESS": HOSTS[name],
            "ETCD_MEMBERS": FOUNDERS.replace(",", " "),
        }
        script = f"set -eu\n. {SCRIPTS}/lib.sh\n. {SCRIPTS}/etcd.sh\n{lines}\n"
        return subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def master(tmp_path: Path) -> Master:
    for name, text in (("etcdctl", ETCDCTL), ("curl", CURL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    made = Master(tmp_path)
    made.answering()
    return made


def started(name: str, identity: str) -> str:
    return f"{identity}, started, {name}, {PEERS[name]}, https://{HOSTS[name]}:2379, false"


def manifest(sed_commands: str) -> Sequence[str]:
    """The lines of a manifest after a first start's commands."""
    text = "    - --initial-cluster=x\n    - --initial-cluster-state=existing\n"
    command = ["sed", sed_commands.removeprefix(";")]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def test_with_a_ticket_and_no_majority_the_founders_form_the_cluster(master: Master) -> None:
    master.ticket()
    outcome = master.start()
    assert (outcome.code, outcome.changes) == (0, [])
    assert manifest(outcome.first_start) == [
        f"    - --initial-cluster={FOUNDERS}",
        "    - --initial-cluster-state=new",
        "    - --initial-cluster-token=the-token",
    ]


def test_where_nobody_takes_connections_etcdctl_is_not_asked(master: Master) -> None:
    """It dials for all its 5 s, which every founder of a cluster waited before it started its first pod."""
    master.ticket()
    assert master.start().code == 0
    assert not (master.root / "asked").exists()


def test_without_a_ticket_and_without_a_majority_it_stops_and_names_who_holds_data(master: Master) -> None:
    """Two of three disks are lost: whoever forms a cluster now throws away the last copy."""
    master.answering("emei")
    outcome = master.start()
    assert (outcome.code, outcome.first_start, outcome.changes) == (1, "", [])
    assert "evenkeel: wudang: etcd: this host holds no etcd data" in outcome.told
    assert "no majority of its members answers: shaolin does not answer, emei answers and holds data;" in outcome.told
    assert outcome.told.endswith("'python -m ops restore' makes what is left the cluster's, as docs/recover.md says\n")


@pytest.mark.parametrize("ticket", [False, True])
def test_where_a_majority_answers_it_joins_as_a_learner_ticket_or_not(master: Master, ticket: bool) -> None:
    """A founder whose first start was interrupted finds the others' cluster formed: it must not form its own."""
    master.members(started("shaolin", "1a"), started("emei", "3c"))
    if ticket:
        master.ticket()
    outcome = master.start()
    assert outcome.code == 0
    assert outcome.changes == [f"add wudang {PEERS['wudang']} --learner"]
    everyone = f"shaolin={PEERS['shaolin']},emei={PEERS['emei']},wudang={PEERS['wudang']}"
    assert manifest(outcome.first_start) == [
        f"    - --initial-cluster={everyone}",
        "    - --initial-cluster-state=existing",
    ]


def test_the_member_that_it_was_before_it_lost_its_disk_is_removed_first(master: Master) -> None:
    """etcd refuses a second member at the same address, and counts the dead one towards the majority."""
    master.members(*(started(name, identity) for name, identity in zip(HOSTS, ("1a", "2b", "3c"), strict=True)))
    assert master.start().changes == ["remove 2b", f"add wudang {PEERS['wudang']} --learner"]


def test_a_cluster_that_takes_no_change_yet_is_asked_again(master: Master) -> None:
    """etcd refuses one until each voter has been connected for 5 s: a join soon after another one failed."""
    master.members(started("shaolin", "1a"), started("wudang", "2b"), started("emei", "3c"))
    (master.root / "refusals").write_text("1\n2\n")
    outcome = master.start()
    assert (outcome.code, outcome.changes) == (0, ["remove 2b", f"add wudang {PEERS['wudang']} --learner"])


def test_a_join_that_was_interrupted_is_resumed_and_not_begun_again(master: Master) -> None:
    unstarted = f"2b, unstarted, , {PEERS['wudang']}, , true"
    master.members(started("shaolin", "1a"), unstarted, started("emei", "3c"))
    outcome = master.start()
    assert (outcome.code, outcome.changes) == (0, [])
    assert f"wudang={PEERS['wudang']}" in outcome.first_start


def test_a_member_that_no_host_of_the_stack_stands_behind_goes_before_another_comes(master: Master) -> None:
    departed = "9f, started, kunlun, https://192.0.2.99:2380, https://192.0.2.99:2379, false"
    master.members(started("shaolin", "1a"), departed, started("emei", "3c"))
    assert master.start().changes == ["remove 9f", f"add wudang {PEERS['wudang']} --learner"]


@pytest.mark.parametrize(
    ("founders", "written"), [(FOUNDERS, TICKET), (FOUNDERS.replace(PEERS["wudang"], "https://192.0.2.99:2380"), None)]
)
def test_only_a_founder_gets_a_ticket(master: Master, founders: str, written: str | None) -> None:
    """A host that is added later, or has another address than that founder had, joins."""
    done = master.shell("wudang", f"founding_ticket the-token {founders}")
    ticket = master.root / "etcd-founding-ticket"
    assert done.returncode == 0
    assert (ticket.read_text() if ticket.exists() else None) == written


@pytest.mark.parametrize(
    ("leader", "successor"), [("shaolin", "c3"), ("wudang", "a1"), ("emei", "b2")], ids=["first", "second", "last"]
)
def test_the_lead_goes_to_one_that_was_rolled_or_else_to_the_last(master: Master, leader: str, successor: str) -> None:
    """Each handover makes everybody's writes wait for a second."""
    ids = {"shaolin": "a1", "wudang": "b2", "emei": "c3"}
    members = "\n".join(started(name, ids[name]) for name in sorted(ids))
    done = master.shell(leader, f"etcd_local() {{ printf '%s\\n' '{members}'; }}\netcd_successor")
    assert done.stdout == successor, done.stderr


def yielded(master: Master, leader: str, holding: Sequence[str], writes: str = ":") -> "tuple[list[str], str]":
    """What wudang, about to stop, asks of etcd, and what it says, when ``leader`` leads and ``holding`` hold still."""
    ids = {"shaolin": 11, "wudang": 22, "emei": 33}
    status = f'[{{"Status":{{"header":{{"cluster_id":7,"member_id":22}},"leader":{ids[leader]},"raftTerm":5}}}}]'
    members = "\n".join(started(name, f"{ids[name]:x}") for name in HOSTS)
    held = "".join(f"evenkeel.dev/held/{name}\n\n" for name in holding)
    etcd = f"""etcd_local() {{
        case "$1 $2" in
        "endpoint status") printf '%s\\n' '{status}' ;;
        "member list") printf '%s\\n' '{members}' ;;
        "get --prefix") printf '%s' '{held}' ;;
        "put "*) {writes} && echo "$*" >>"$STUB/changes" ;;
        *) echo "$*" >>"$STUB/changes" ;;
        esac
    }}"""
    done = master.shell("wudang", f"{etcd}\netcd_yield")
    assert done.returncode == 0, done.stderr
    changes = master.root / "changes"
    return changes.read_text().splitlines() if changes.exists() else [], done.stderr


def test_a_leader_moves_the_lead_once_the_other_masters_hold_still(master: Master) -> None:
    """33 of some 1,800 requests got an HTTP 500 when the lead was moved 60 times without that."""
    asked, told = yielded(master, "wudang", ["shaolin", "emei"])
    assert asked == ["del --prefix evenkeel.dev/held/", "put evenkeel.dev/handover wudang 22", "move-leader b"]
    assert told == ""


def test_the_lead_moves_though_a_master_does_not_hold_still_and_that_is_said(master: Master) -> None:
    """It may be away, and etcd would only elect somebody later."""
    asked, told = yielded(master, "wudang", ["shaolin"])
    assert asked[-1] == "move-leader b"
    assert "not all other masters hold still: a write may be refused while the lead moves" in told


def test_a_member_that_does_not_lead_stops_without_asking_anybody_to_hold_still(master: Master) -> None:
    assert yielded(master, "emei", ["shaolin", "emei"]) == ([], "")


def test_an_etcd_that_is_out_of_space_hands_the_lead_over_too(master: Master) -> None:
    """It takes no key then, and a larger quota comes with a roll: a turn that ended here would leave it without one."""
    asked, told = yielded(master, "wudang", [], writes="false")
    assert asked[-1] == "move-leader b"
    assert "a write may be refused while the lead moves" in told


# One question in three is answered, as in an election; STATUS and LIST are what is answered then.
HESITANT = """
answered() {
    echo x >>"$STUB/questions"
    [ $(($(wc -l <"$STUB/questions") % 3)) = 0 ]
}
etcd_local() {
    answered || return 1
    case "$1 $2" in
    "endpoint status") printf '%s\\n' '[{"Status":{"header":{"member_id":22},STATUS}}]' ;;
    *) printf 'LIST' ;;
    esac
}
etcd_promoted() { echo "promote $1" >>"$STUB/changes"; }
etcd_stand_by() { :; }
"""


@pytest.mark.parametrize(("status", "promoted"), [('"isLearner":true', True), ('"leader":11', False)])
def test_a_learner_is_promoted_though_nobody_answers_for_a_moment(master: Master, status: str, promoted: bool) -> None:
    """The others' silence was taken for its vote: no turn of it came again, and no other master could join."""
    done = master.shell("wudang", HESITANT.replace("STATUS", status) + "etcd_promote")
    assert done.returncode == 0, done.stderr
    changes = master.root / "changes"
    assert (changes.read_text() if changes.exists() else "") == ("promote 16\n" if promoted else "")


def test_a_member_whose_own_list_is_late_does_not_stop_where_another_is_away(master: Master) -> None:
    """Without the list it was alone, so to say, and stopped the second of three."""
    listed = "\\n".join(started(name, f"{number}a") for number, name in enumerate(HOSTS)) + "\\n"
    master.answering()
    done = master.shell("wudang", HESITANT.replace("LIST", listed) + "etcd_may_stop; echo stops")
    assert (done.returncode, done.stdout) == (1, "")
    assert "only 0 of the other 2 members are healthy" in done.stderr


def test_who_stands_in_the_way_is_named_and_how_an_empty_machine_joins_before(master: Master) -> None:
    """In the month in which certificates are renewed, an `up` that should have brought a new machine in for a lost
    master stopped at another one's turn, and so did each later one: "bring the unhealthy member back"."""
    listed = "\\n".join(started(name, f"{number}a") for number, name in enumerate(HOSTS)) + "\\n"
    agrees = 'etcd_agrees() { [ "$1" = https://192.0.2.11:2379 ]; }'
    done = master.shell("wudang", HESITANT.replace("LIST", listed) + f"{agrees}\netcd_may_stop; echo stops")
    assert (done.returncode, done.stdout) == (1, "")
    assert "only 1 of the other 2 members are healthy (without https://192.0.2.13:2379)" in done.stderr
    assert "name that host before this one in evenkeel:hosts" in done.stderr


OUT_OF_SPACE = "https://192.0.2.13:2379 is unhealthy: failed to commit proposal: Active Alarm(s): NOSPACE {}\n"


@pytest.mark.parametrize(
    ("health", "agrees"),
    [(OUT_OF_SPACE.format("NOSPACE "), True), (OUT_OF_SPACE.format("CORRUPT "), False), ("", False)],
    ids=["out of space", "and damaged", "silent"],
)
def test_a_member_that_is_out_of_space_agrees_with_the_others_all_the_same(
    master: Master, health: str, agrees: bool
) -> None:
    """The `up` that should have given etcd a larger quota said that stopping a member would cost the majority."""
    (master.root / "health").write_text(health)
    done = master.shell("wudang", "etcd_agrees https://192.0.2.13:2379 3s && echo agrees")
    assert (done.stdout == "agrees\n") == agrees


def test_a_member_that_is_out_of_space_is_healthy(master: Master) -> None:
    """Its turn waited for 330 s for what only came after it, and `ops restore` saw no majority."""
    stubs = 'listens() { :; }\ncurl() { for url; do :; done; echo "$url"; }\n'
    done = master.shell("wudang", f"{stubs}etcd_healthy")
    assert done.stdout == "http://127.0.0.1:2381/health?exclude=NOSPACE\n"


def test_who_joins_is_told_all_members_though_they_answer_late(master: Master) -> None:
    """An empty --initial-cluster went into the manifest, which no later turn touched."""
    members = f"{started('shaolin', 'a1')}\\n{started('emei', 'c3')}\\nnew, unstarted, , {PEERS['wudang']}, , true\\n"
    hesitant = HESITANT.replace("LIST", members) + "etcd_list_elsewhere() { etcd_local member list; }\n"
    done = master.shell("wudang", f"{hesitant}etcd_enlist \"$(printf '{members}')\"; printf '%s' \"$ETCD_FIRST_START\"")
    assert done.returncode == 0, done.stderr
    assert f"--initial-cluster=shaolin={PEERS['shaolin']},emei={PEERS['emei']},wudang={PEERS['wudang']}" in done.stdout


def came_back(master: Master, *members: str, healthy: bool = False) -> list[str]:
    """What a turn's beginning leaves of the data that wudang held, when the others name these members."""
    (master.root / "var/lib/etcd/member/wal").mkdir(parents=True)
    (master.root / "applied").mkdir()
    (master.root / "applied/etcd").touch()
    if members:
        master.members(*members)
    stubs = f"etcd_healthy() {{ {'true' if healthy else 'false'}; }}\nend_pod() {{ :; }}\n"
    done = master.shell("wudang", f"{stubs}etcd_begin_anew")
    assert done.returncode == 0, done.stderr
    left = sorted(path.name for path in (master.root / "var/lib/etcd").iterdir())
    assert (master.root / "applied/etcd").exists() == (left == ["member"])
    return left


def test_a_master_that_comes_back_after_the_cluster_went_on_without_it_joins_anew(master: Master) -> None:
    """It had left the stack and was named again, its disk as it was: etcd ended at each start, "the member has been
    permanently removed", and so did each turn."""
    (kept,) = came_back(master, started("shaolin", "1a"), started("emei", "3c"))
    assert re.fullmatch(r"removed-\d{8}T\d{6}Z", kept)
    assert (master.root / "var/lib/etcd" / kept / "wal").is_dir()


@pytest.mark.parametrize(
    ("members", "healthy"),
    [
        ([started("shaolin", "1a"), started("wudang", "2b")], False),
        ([started("shaolin", "1a"), started("wudang", "2b").replace("192.0.2.12", "192.0.2.99")], False),
        ([], False),
        ([started("shaolin", "1a")], True),
    ],
    ids=["a member", "at another address", "nobody answers", "well"],
)
def test_a_member_keeps_its_data_unless_the_others_have_removed_it(
    master: Master, members: list[str], healthy: bool
) -> None:
    assert came_back(master, *members, healthy=healthy) == ["member"]


@pytest.mark.parametrize(("address", "told"), [("192.0.2.99", True), (HOSTS["wudang"], False)])
def test_a_member_whose_host_has_another_address_tells_the_others(master: Master, address: str, told: bool) -> None:
    """They went on to look for it at the one before, and at the end of the `up`, which was called well, it was removed
    as nobody's."""
    own = started("wudang", "2b").replace(HOSTS["wudang"], address)
    etcd = f"""etcd_local() {{
        case "$1 $2" in
        "member list") printf '%s\\n' '{started("shaolin", "1a")}' '{own}' ;;
        *) echo "$*" >>"$STUB/changes" ;;
        esac
    }}"""
    done = master.shell("wudang", f"{etcd}\netcd_tell_address")
    assert done.returncode == 0, done.stderr
    changes = master.root / "changes"
    assert changes.exists() == told
    assert not told or changes.read_text() == f"member update 2b --peer-urls={PEERS['wudang']}\n"


@pytest.mark.parametrize(("days", "renewed"), [(-1, True), (1, False)], ids=["ended", "in force"])
def test_members_get_new_certificates_before_any_turn_where_theirs_have_ended(
    master: Master, days: int, renewed: bool
) -> None:
    """Nobody had run an `up` for a year: each turn of one waited for a majority of members that refused each other, and
    the second member's turn never came."""
    folder = master.root / "etc/kubernetes/pki/etcd"
    folder.mkdir(parents=True)
    for name, end in {"server": 1, "peer": days}.items():
        (folder / f"{name}.crt").write_text(certificate(end))
    done = master.shell("wudang", "install_part() { echo $1 >>$STUB/changes; }\netcd_renew_ended")
    assert done.returncode == 0, done.stderr
    changes = master.root / "changes"
    assert (changes.read_text() if changes.exists() else "") == ("etcd.secret\n" if renewed else "")


ACTIVATE = (SCRIPTS / "activate-master.sh").read_text()
LOST_DATA = ACTIVATE[ACTIVATE.index("etcd_lost_data() {") : ACTIVATE.index("is_kubeadms_apiserver() {")]


@pytest.mark.parametrize("data", [True, False], ids=["with data", "without"])
def test_a_manifest_without_data_is_not_what_the_member_starts_with_again(master: Master, data: bool) -> None:
    """What it says of the members was so at its first start: 'it keeps ending' was all that any later up said."""
    (master.root / "manifests").mkdir()
    (master.root / "manifests/etcd.yaml").touch()
    (master.root / "applied").mkdir()
    (master.root / "applied/etcd").touch()
    stubs = f"""MANIFESTS={master.root}/manifests
        etcd_has_data() {{ {"true" if data else "false"}; }}
        await() {{ shift; "$@"; }}
        end_pod() {{ rm "$MANIFESTS/$1.yaml"; }}
        """
    done = master.shell("wudang", f"{stubs}{LOST_DATA}\netcd_lost_data")
    assert done.returncode == 0, done.stderr
    assert (master.root / "applied/etcd").exists() == data
    assert (master.root / "manifests/etcd.yaml").exists() == data


OTHERS_SERVE = ACTIVATE[ACTIVATE.index("others_serve() {") : ACTIVATE.index("others_are_up() {")]


@pytest.mark.parametrize(("ready", "stops"), [(True, False), (False, True)])
def test_an_apiserver_that_serves_nobody_waits_for_no_other(master: Master, ready: bool, stops: bool) -> None:
    """Where none was ready, as after a year without an `up`, each turn ended with "mend another master first"."""
    stubs = f"""MASTERS=3 LOAD_BALANCERS=
        ready() {{ {"true" if ready else "false"}; }}
        others_are_up() {{ false; }}
        await() {{ shift; "$@"; }}
        """
    done = master.shell("wudang", f"{stubs}{OTHERS_SERVE}\nothers_serve\necho stops")
    assert (done.stdout == "stops\n") == stops
