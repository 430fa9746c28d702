"""How a master without etcd data starts its member (scripts/etcd.sh): it founds the cluster, or it joins it."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
FOUNDERS = "a=https://10.0.0.1:2380,b=https://10.0.0.2:2380,c=https://10.0.0.3:2380"
OTHERS = """\
1a, started, a, https://10.0.0.1:2380, https://10.0.0.1:2379, false
2b, started, b, https://10.0.0.2:2380, https://10.0.0.2:2379, false
"""
NEVER_HEARD_OF = "3c, started, c, https://10.0.0.3:2380, , false\n"
HEARD_BEFORE = "3c, started, c, https://10.0.0.3:2380, https://10.0.0.3:2379, false\n"

ETCDCTL = """#!/bin/sh
case "$*" in
*"member list"*) cat "$LIST" ;;
*"member remove 3c"*) sed -i '/^3c,/d' "$LIST" ;;
*"member add c --learner"*) echo "4d, unstarted, , https://10.0.0.3:2380, , true" >>"$LIST" ;;
*) exit 1 ;;
esac
echo "$*" >>"$LIST.calls"
"""
CURL = '#!/bin/sh\n[ -s "$LIST" ] || exit 7\n'


class Master:
    """Host ``c`` of three, with fake programs; ``members`` is what the others answer, nothing if they don't."""

    def __init__(self, folder: Path, members: str, ticket: bool) -> None:
        self.list, self.folder = folder / "list", folder
        self.list.write_text(members)
        for name, text in {"etcdctl": ETCDCTL, "curl": CURL}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        if ticket:
            (folder / "etcd-founding-ticket").write_text(f"its-token {FOUNDERS}\n")

    def start(self) -> subprocess.CompletedProcess[str]:
        """Prints what its first manifest says."""
        environment = os.environ | {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "LIST": str(self.list),
            "EVENKEEL_STATE": str(self.folder),
            "EVENKEEL_HOST": "c",
            "NODE": "c",
            "ADDRESS": "10.0.0.3",
            "ETCD_MEMBERS": FOUNDERS.replace(",", " "),
        }
        script = f"set -eu\n. {SCRIPTS}/lib.sh\n. {SCRIPTS}/static-pods.sh\n. {SCRIPTS}/etcd.sh\n"
        script += 'etcd_start_fresh\nprintf "%s\\n" "$ETCD_FIRST_START"\n'
        return subprocess.run(["sh", "-s"], input=script, env=environment, capture_output=True, text=True, check=False)

    def calls(self) -> str:
        """The changes of membership that were asked for."""
        path = self.list.with_name("list.calls")
        lines = path.read_text().splitlines() if path.exists() else []
        return "\n".join(line for line in lines if "member list" not in line)


@pytest.mark.parametrize("members", ["", OTHERS + NEVER_HEARD_OF], ids=["nobody runs", "the other two run"])
def test_a_founder_founds_the_cluster_whether_or_not_the_others_already_run(tmp_path: Path, members: str) -> None:
    """A birth was killed before the third founder's start: it took itself for one that had lost its data, and etcd,
    which had run for less than 5 s, refused to remove it: "unhealthy cluster"."""
    master = Master(tmp_path, members, ticket=True)
    said = master.start().stdout
    assert f"--initial-cluster={FOUNDERS}#" in said
    assert "--initial-cluster-state=new" in said
    assert "--initial-cluster-token=its-token" in said
    assert master.calls() == ""


@pytest.mark.parametrize(
    ("own", "ticket"),
    [(HEARD_BEFORE, True), (HEARD_BEFORE, False), (NEVER_HEARD_OF, False)],
    ids=["it has spoken before", "and has no ticket", "another machine in its place"],
)
def test_a_member_that_lost_what_it_had_is_removed_and_joins_as_a_learner(
    tmp_path: Path, own: str, ticket: bool
) -> None:
    master = Master(tmp_path, OTHERS + own, ticket)
    assert "--initial-cluster-state=existing" in master.start().stdout
    assert "member remove 3c" in master.calls()
    assert "member add c --learner" in master.calls()


def test_without_a_ticket_and_without_the_others_nothing_is_founded(tmp_path: Path) -> None:
    done = Master(tmp_path, "", ticket=False).start()
    assert done.returncode == 1
    assert "this host holds no etcd data" in done.stderr
