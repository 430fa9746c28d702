"""scripts/retire.sh on a hub: what goes and what is kept, where Docker and systemd are stubs that say what they did."""

import shutil
import subprocess
from pathlib import Path

import pytest

import settings
from render import harbor, hub, parts
from render.files import File, stage_script
from render.harbor.layout import DATA, DATA_FOLDERS
from render.hub import PLAIN_PART, SECRET_PART
from render.parts import TRUST
from tests.scripts.bare_host import SCRIPTS
from tests.scripts.prepared_host import PreparedHost
from tests.settings import samples

HERE = "usr/local/lib/evenkeel"
HUB, DOCKER_CA = "hub1", "/etc/docker/certs.d/hub.example.com/ca.crt"
OURS, OTHERS = ["harbor-core", "harbor-db"], "someone-elses"
# A container is a file whose text is its labels; one that is stopped is still there.
DOCKER = """cd "$EVENKEEL_ROOT/docker" || exit 1
echo "$*" >>../docker.log
[ ! -e ../docker.down ] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }
case "$*" in
"ps --all --quiet --filter label=evenkeel.revision") grep -ls evenkeel.revision * || : ;;
"ps --all --quiet --filter network=harbor") ls -A ;;
"network rm harbor" | "stop -t 30 "*) ;;
"rm --force --volumes "*) shift 3; rm -f "$@" ;;
*) echo "unknown: $*" >&2; exit 2 ;;
esac"""
GONE = (
    f"etc/evenkeel run/evenkeel-harbor var/lib/evenkeel/harbor {DOCKER_CA[1:]} etc/docker/certs.d/hub.example.com "
    "etc/tmpfiles.d/evenkeel-harbor.conf etc/systemd/system/docker.service.d "
    "var/lib/evenkeel/staged/harbor var/lib/evenkeel/staged/harbor.secret "
    "var/lib/evenkeel/applied/hub var/lib/evenkeel/applied/hub.live "
    "var/lib/evenkeel/applied/hub.version var/lib/evenkeel/applied/hub.schema"
).split()


class Hub(PreparedHost):
    """A hub after its turn, with a database of a bundled store, as its stack's settings then change."""

    def __init__(self, root: Path, stack: settings.Stack) -> None:
        super().__init__(root)
        for name in ("ls", "rmdir"):
            self.real(name)
        self.remove("stat")
        self.real("stat")
        self.stub("docker", DOCKER)
        done = self.prepare(stack, HUB, EVENKEEL_HOST=HUB)
        assert done.returncode == 0, done.stderr
        self.staged = {
            PLAIN_PART: parts.hub_files(stack, stack.hosts[HUB]),
            SECRET_PART: [File(f"{hub.FOLDER}/pgpass", "secret\n", mode="0600")],
            TRUST: [File(DOCKER_CA, "a certificate\n")],
        }
        self.has_its_turn(stack)
        script = self.root / HERE / "retire.sh"
        script.write_text(SCRIPTS["retire.sh"].replace("\nhere=/usr/local", f"\nhere={self.root}/usr/local"))

    def has_its_turn(self, stack: settings.Stack) -> None:
        """Files, folders and containers, as hub-leave.sh, Docker and hub-return.sh leave them."""
        installs = "".join(f"install_part {part} >/dev/null\n" for part in self.staged)
        turn = f"{stage_script(self.staged)}{installs}applied hub {PLAIN_PART} {SECRET_PART}\n"
        assert self.shell(f". {self.root / HERE}/lib.sh\n{turn}").returncode == 0
        for folder in harbor.folders(stack, stack.hosts[HUB]):
            (self.root / folder.path[1:]).mkdir(parents=True, exist_ok=True)
        for name in ("hub.version", "hub.schema"):
            (self.state / "applied" / name).write_text("2.15.2\n")
        self.file("run/evenkeel-harbor/away", "")
        self.file("var/lib/evenkeel/harbor/log/core.log", "lines\n")
        self.file("var/lib/evenkeel/harbor/database/18/PG_VERSION", "18\n")
        self.file("srv/harbor/registry/blob", "an image\n")
        for name in OURS:
            self.file(f"docker/{name}", "evenkeel.revision\n")

    def loses_its_role(self, roles: str = "lb", trusts: str = "") -> None:
        """As prepare.sh notes it at the beginning of an ``up``."""
        (self.state / "place").write_text(f"name {HUB}\nroles {roles}\n{trusts}")

    def retire(self, *words: str) -> subprocess.CompletedProcess[str]:
        """As the host itself runs it."""
        return self.shell(f"sh {self.root / HERE}/retire.sh {' '.join(words)}", EVENKEEL_HOST=HUB)

    def left(self) -> list[str]:
        """What is there of all that a hub brings."""
        return [path for path in GONE if (self.root / path).exists()]

    def containers(self) -> set[str]:
        """Running or not."""
        return {path.name for path in (self.root / "docker").iterdir()}

    def databases(self) -> list[Path]:
        """The folders that were kept."""
        return sorted((self.root / "var/backups/evenkeel/harbor").glob("database-*"))


@pytest.fixture
def host(tmp_path: Path) -> Hub:
    values = samples.with_harbor()
    bundled = {"store": "bundled", "bundledOn": HUB, "database": None, "redis": None, "trivy": True}
    values["harbor"] = {name: value for name, value in (values["harbor"] | bundled).items() if value is not None}
    del values["harborDatabasePassword"]
    return Hub(tmp_path, samples.stack(tmp_path, values))


def test_a_hub_that_loses_its_role_keeps_nothing_of_harbor_but_the_bundled_database(host: Hub) -> None:
    assert host.left() == GONE, "the bench has all of it"
    host.loses_its_role()
    done = host.retire("hub")
    assert done.returncode == 0, done.stderr
    assert host.left() == []
    assert host.containers() == set()
    (kept,) = host.databases()
    assert (kept / "18/PG_VERSION").read_text() == "18\n"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert f"the database of Harbor's bundled store is kept as {kept}\n" in done.stderr
    assert (host.root / "srv/harbor/registry/blob").exists()
    assert {"stop evenkeel-hub-back.timer evenkeel-hub-back.service", "daemon-reload"} <= set(host.systemctl_calls)
    assert not any("docker" in call for call in host.systemctl_calls), "Docker is not the stack's"


def test_containers_get_their_time_to_end_and_those_of_others_stay_with_their_network(host: Hub) -> None:
    host.file(f"docker/{OTHERS}", "other.label\n")
    host.loses_its_role()
    assert host.retire("hub").returncode == 0
    assert host.containers() == {OTHERS}
    asked = (host.root / "docker.log").read_text().splitlines()
    assert asked.index(f"stop -t 30 {' '.join(OURS)}") < asked.index(f"rm --force --volumes {' '.join(OURS)}")
    assert "network rm harbor" not in asked


def test_a_network_that_nobody_uses_goes_with_them(host: Hub) -> None:
    host.loses_its_role()
    assert host.retire("hub").returncode == 0
    assert "network rm harbor" in (host.root / "docker.log").read_text().splitlines()


def test_containers_that_pulumi_has_removed_already_are_not_missed(host: Hub) -> None:
    host.loses_its_role()
    for name in OURS:
        (host.root / "docker" / name).unlink()
    assert host.retire("hub").returncode == 0
    assert host.left() == []


def test_a_step_that_is_replaced_while_the_host_is_a_hub_takes_nothing_away(host: Hub) -> None:
    assert host.retire("hub").returncode == 0
    assert host.left() == GONE
    assert host.containers() == set(OURS)


@pytest.mark.parametrize(
    "begun",
    ["    keep_database\n", "    forget hub hub", '    rm -rf "$EVENKEEL_ROOT/etc/evenkeel'],
    ids=["containers", "database", "files"],
)
def test_what_was_cut_short_is_gone_on_with(host: Hub, begun: str) -> None:
    """Killed when ``begun`` would have been next; the ids say what is gone by then."""
    host.loses_its_role()
    script = host.root / HERE / "retire.sh"
    whole = script.read_text()
    assert whole.count(begun) == 1
    script.write_text(whole.replace(begun, f"    exit 9\n{begun}"))
    assert host.retire("hub").returncode == 9
    script.write_text(whole)
    assert host.retire("hub").returncode == 0
    assert host.left() == []
    assert len(host.databases()) == 1
    assert host.retire("hub").returncode == 0, "nothing is left to do"


def test_a_docker_that_does_not_answer_is_told_before_anything_goes(host: Hub) -> None:
    host.loses_its_role()
    host.file("docker.down", "")
    done = host.retire("hub")
    assert done.returncode == 1
    assert (
        f"evenkeel: {HUB}: retire: Docker does not answer, and containers of Harbor may be on this host; "
        in done.stderr
    )
    assert "systemctl start docker" in done.stderr
    assert host.left() == GONE


def test_a_docker_that_was_removed_is_not_waited_for_unless_its_containers_run(host: Hub) -> None:
    host.loses_its_role()
    host.remove("docker")
    host.file("proc/77/cmdline", "/usr/bin/containerd-shim-runc-v2\0-namespace\0moby\0-id\0ab\0")
    assert "containers of Harbor may be on this host" in host.retire("hub").stderr
    (host.root / "proc/77/cmdline").unlink()
    assert host.retire("hub").returncode == 0
    assert host.left() == []


def test_a_hub_that_never_had_a_turn_needs_no_docker(host: Hub) -> None:
    """Its preflight, or another hub's, stopped the up after the files had been staged."""
    host.loses_its_role()
    for path in ("applied/harbor.index", "applied/harbor.secret.index"):
        (host.state / path).unlink()
    host.file("docker.down", "")
    assert host.retire("hub").returncode == 0
    assert not (host.state / "staged/harbor.secret").exists()


def test_a_hub_that_becomes_a_node_goes_on_to_trust_harbor(host: Hub) -> None:
    """The part has become the node's by then: its files are containerd's."""
    host.loses_its_role("worker", "trusts harbor\n")
    assert host.retire("hub").returncode == 0
    assert host.retire("trust").returncode == 0, "a step that is replaced"
    assert host.left() == [path for path in GONE if "etc/docker" in path]


def test_a_host_whose_stack_has_no_harbor_any_more_does_not_trust_it_and_keeps_what_others_trust(host: Hub) -> None:
    folder = host.root / "etc/docker/certs.d"
    host.file("etc/docker/certs.d/own.example.com/ca.crt", "theirs\n")
    (folder / "empty.example.com").mkdir()
    host.loses_its_role("worker")
    trust = [path for path in GONE if "etc/docker" in path]
    for _ in range(2):
        assert host.retire("trust").returncode == 0
        assert host.left() == [path for path in GONE if path not in trust]
    assert not (host.state / "applied" / f"{TRUST}.index").exists()
    assert not (host.state / "staged" / TRUST).exists()
    assert {path.name for path in folder.rglob("*")} == {"own.example.com", "ca.crt", "empty.example.com"}


def test_a_certificate_that_a_user_put_beside_harbors_authority_stays(host: Hub) -> None:
    """Docker shows a registry the client's certificate that lies there."""
    host.file("etc/docker/certs.d/hub.example.com/client.cert", "theirs\n")
    host.loses_its_role()
    assert host.retire("trust").returncode == 0
    left = host.root / "etc/docker/certs.d/hub.example.com"
    assert [path.name for path in left.iterdir()] == ["client.cert"]


def test_what_the_stack_did_not_put_there_is_not_removed(host: Hub) -> None:
    host.loses_its_role()
    host.file("var/lib/evenkeel/harbor/images/blob", "kept here by somebody\n")
    done = host.retire("hub")
    assert done.returncode == 1
    assert "has something in it that is not of this stack (images); move it away" in done.stderr
    assert host.left() == ["var/lib/evenkeel/harbor"]


def test_everything_ends_containers_first_and_leaves_the_bundled_database_alone(host: Hub) -> None:
    host.file("docker.down", "")
    assert host.retire("everything", HUB).returncode == 1
    assert host.left() == GONE, "Harbor still runs on what would have gone"
    (host.root / "docker.down").unlink()
    done = host.retire("everything", HUB)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("go with the next boot\n")
    assert host.containers() == set()
    assert host.left() == []
    assert not host.state.exists()
    assert not (host.root / HERE).exists()
    assert len(host.databases()) == 1


def test_the_folders_that_go_are_those_that_a_turn_makes() -> None:
    listed = SCRIPTS["retire.sh"].partition('HUB_FOLDERS="')[2].partition('"')[0].split()
    made = {folder.path.removeprefix(f"{DATA}/") for folders in DATA_FOLDERS.values() for folder in folders}
    assert {*listed, "database"} == {path for path in made if "/" not in path}


def failing_for(folder: Path, otherwise: str) -> str:
    """What rm does that removes anything else."""
    rm = shutil.which("rm")
    return f'[ "$*" = "-rf {folder}" ] || exec {rm} "$@"\n{otherwise.format(rm=rm, folder=folder)}'


def test_etcds_data_goes_and_its_disk_stays(host: Hub) -> None:
    """/var/lib/etcd was a disk of its own: each `up` ended with "Device or resource busy", as nobody can remove it."""
    host.file("var/lib/etcd/member/snap/db", "data\n")
    host.stub("ctr", "exit 0")
    host.stub(
        "rm", failing_for(host.root / "var/lib/etcd", "{rm} -rf {folder}/*; echo 'rm: {folder}: busy' >&2; exit 1")
    )
    done = host.retire("master")
    assert done.returncode == 0, done.stderr
    assert list((host.root / "var/lib/etcd").iterdir()) == []


def test_data_that_cannot_be_removed_is_told(host: Hub) -> None:
    host.file("var/lib/etcd/member/snap/db", "data\n")
    host.stub("ctr", "exit 0")
    host.stub("rm", failing_for(host.root / "var/lib/etcd", "echo 'rm: read-only' >&2; exit 1"))
    done = host.retire("master")
    assert done.returncode == 1
    assert f"evenkeel: {HUB}: retire: {host.root}/var/lib/etcd cannot be removed: rm: read-only; " in done.stderr


def test_its_words_for_a_hub_are_those_of_the_hubs_own_steps() -> None:
    """Those steps have left the host when it runs."""
    for line in ("REVISION_LABEL=evenkeel.revision\n", "BACK_TIMER=evenkeel-hub-back\n"):
        assert line in SCRIPTS["hub.sh"]
    assert "BACKUPS=$EVENKEEL_ROOT/var/backups/evenkeel/harbor\n" in SCRIPTS["hub-database.sh"]
    assert "NETWORK=harbor\n" in SCRIPTS["hub-leave.sh"]
