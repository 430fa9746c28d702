"""A Harbor's life on hubs of its own: refused settings, an upgrade with its way back, a lost hub, stores of its own.

Runs in the order of this file. The stack begins with the release before the newest one, so that changing one line of
its settings upgrades Harbor, and only Harbor.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab import hosts, ssh, stack
from lab.mirror.content import BEFORE
from lab.stack import release_name
from releases import read_release
from tests.lab.another_harbor import folder, stores_for
from tests.lab.harbor_clients import ADMIN, Logins, addresses, ask, client
from tests.lab.trial import Trial, on_spares
from tests.lab.untouched import no_host_changed
from tests.pages import command
from tests.waiting import eventually

pytestmark = [pytest.mark.lab, pytest.mark.long]

MASTER, *HUBS = ["spare1", "spare2", "spare3"]
FIRST, SECOND = HUBS
ROLES = {MASTER: ["master", "lb"], FIRST: ["hub"], SECOND: ["hub"]}
OURS = "hubs"
NAME, FOLDER = f"hub.{OURS}.lab", folder(OURS)
NOWHERE = "10.77.0.199"
VERSION_BEFORE, VERSION = (read_release(name).versions.harbor for name in (BEFORE, release_name()))
BACKUPS = "/var/backups/evenkeel/harbor"
NEWER = {"release": {"name": release_name(), "lock": ".lab/2026.11.lock.yaml"}}
LATE_CLOCK = """#!/bin/sh
[ "$*" = +%s ] || exec /usr/bin/date "$@"
echo $(($(/usr/bin/date +%s) - 31))
"""


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    """One master, which is the load balancer too, and two hubs; no ``up`` yet."""
    balancer = {"address": hosts.ADDRESSES[MASTER], "port": 7443, "vip": None, "extraSans": []}
    release = {"name": BEFORE, "lock": str(stack.lock(BEFORE))}
    with stores_for(OURS) as harbor:
        values = {"cluster": {"cni": "none"}, "loadBalancer": balancer, "release": release, **harbor}
        with on_spares(OURS, ROLES, values) as made:
            for host in ROLES:
                hosts.run(host, "systemctl is-system-running --wait")
            yield made


@pytest.fixture(scope="module")
def ca(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Harbor's authority, once there is one."""
    path = tmp_path_factory.mktemp("trial") / "ca.crt"
    path.write_text(trial.program.outputs()["harborCa"])
    return path


@contextmanager
def logins_succeed(ca: Path) -> Iterator[None]:
    """From two addresses through the load balancer, for as long as this lasts."""
    with addresses(2) as sources:
        logins = Logins(ca, sources, hosts.ADDRESSES[MASTER], NAME, ADMIN)
        try:
            yield
        finally:
            logins.stop()
    assert logins.failed == []
    assert len(logins.codes) > 20


def refused(trial: Trial, changes: Mapping[str, Any]) -> str:
    """What an ``up`` says that fails and leaves every host as it was."""
    with no_host_changed(list(ROLES)):
        run = trial.program.up(changes)
    assert run.code != 0, run.text
    assert "Traceback" not in run.text
    return " ".join(run.text.split())


def test_a_database_that_cannot_be_reached_and_a_wrong_password_of_redis_are_told_together(trial: Trial) -> None:
    said = refused(trial, {"harbor": {"database": {"host": NOWHERE}}, "harborRedisPassword": "wrong"})
    for hub in HUBS:
        assert f"evenkeel: {hub}: preflight: the database {OURS} at {NOWHERE}:5432 cannot be reached" in said
        assert f"evenkeel: {hub}: preflight: Redis at 10.77.0.52:6380 does not take the password" in said
    assert "or correct evenkeel:harbor.database" in said
    assert "correct evenkeel:harborRedisPassword" in said


def test_a_password_that_the_database_does_not_take_is_refused_by_its_key(trial: Trial) -> None:
    said = refused(trial, {"harborDatabasePassword": "wrong"})
    for hub in HUBS:
        assert f"evenkeel: {hub}: preflight: the database {OURS} at 10.77.0.51:5432 does not take the pass" in said
    assert "correct evenkeel:harborDatabasePassword" in said


def test_a_hub_whose_clock_is_half_a_minute_late_is_refused(trial: Trial) -> None:
    hosts.run(SECOND, "cat >/usr/local/bin/date && chmod 755 /usr/local/bin/date", stdin=LATE_CLOCK, check=True)
    try:
        said = refused(trial, {})
    finally:
        hosts.run(SECOND, "rm /usr/local/bin/date", check=True)
    assert f"evenkeel: {SECOND}: preflight: its clock differs by 3" in said
    assert f"{FIRST}: preflight: its clock" not in said


def test_a_mount_that_is_another_one_on_the_other_hub_is_refused(trial: Trial) -> None:
    hosts.run(SECOND, f"mkdir /var/tmp/own && mount --bind /var/tmp/own {FOLDER}", check=True)
    try:
        said = refused(trial, {})
    finally:
        hosts.run(SECOND, f"umount {FOLDER} && rmdir /var/tmp/own", check=True)
    assert f"evenkeel:harbor.storage.shared.path: {FOLDER}: is not the same folder on hubs {FIRST}, {SECOND}" in said
    assert "set evenkeel:repair to another word, so that the next up looks at the mounts again" in said
    trial.program.up({"repair": "mounted"}).ok()


def test_one_line_upgrades_harbor_hub_by_hub_after_a_backup_and_no_login_fails(trial: Trial, tmp_path: Path) -> None:
    """The first hub migrates the database and serves before the second one's new core starts."""
    trial.program.up().ok()
    ca = tmp_path / "ca.crt"
    ca.write_text(trial.program.outputs()["harborCa"])
    assert versions(ca) == [f"v{VERSION_BEFORE}-standin"] * 2
    make_project(ca, "before")
    with logins_succeed(ca):
        trial.program.up(NEWER).ok()
    assert versions(ca) == [f"v{VERSION}-standin"] * 2
    assert [len(backups(hub)) for hub in HUBS] == [1, 0]
    backed_up, first, well, second = (
        moment(FIRST, f"stat -c %Y {BACKUPS}/*"),
        moment(FIRST, STARTED),
        moment(FIRST, "stat -c %Y /var/lib/evenkeel/applied/hub.version"),
        moment(SECOND, STARTED),
    )
    assert backed_up <= first < well <= second
    assert trial.program.steps(NEWER) == []


def test_the_way_back_is_the_one_that_the_documentation_tells(trial: Trial, ca: Path) -> None:
    """docs/harbor.md: what was written after the upgrade is lost, and what was there before is there."""
    make_project(ca, "after")
    for hub in HUBS:
        hosts.run(hub, command("harbor", "docker stop"), check=True)
    (backup,) = backups(FIRST)
    restore = command("harbor", "/usr/local/lib/evenkeel/harbor-restore.sh", {"FILE": f"{BACKUPS}/{backup}"})
    hosts.run(FIRST, restore, check=True)
    trial.program.up().ok()
    assert versions(ca) == [f"v{VERSION_BEFORE}-standin"] * 2
    with client(ca, name=NAME) as session:
        names = [
            project["name"] for project in ask(session, hosts.ADDRESSES[FIRST], "/api/v2.0/projects", auth=ADMIN).json()
        ]
    assert "before" in names
    assert "after" not in names


def test_a_hub_is_replaced_by_an_empty_host_in_one_up(trial: Trial, ca: Path) -> None:
    hosts.empty(SECOND)
    ssh.ensure([SECOND])
    with logins_succeed(ca):
        trial.program.up().ok()
    assert versions(ca) == [f"v{VERSION_BEFORE}-standin"] * 2
    assert trial.program.steps() == []


def test_harbors_authority_gives_way_to_a_new_one_and_no_login_fails(trial: Trial, ca: Path, tmp_path: Path) -> None:
    """docs/rotate.md, until the new one issues, and back to the one that the tests below trust."""
    run = trial.program.up(issuing(2, 1))
    assert run.code != 0, "a step is left out"
    said = " ".join(run.text.split())
    for host in ROLES:
        assert f"evenkeel: {host}: preflight: evenkeel:harbor.generations.ca: generation 2 shall issue" in said
    trusted = tmp_path / "ca.crt"
    trusted.write_text(ca.read_text())
    for generations in ((1, 2), (2, 1), (1, 2), (1,)):
        with logins_succeed(trusted):
            trial.program.up(issuing(*generations)).ok()
        trusted.write_text(trial.program.outputs()["harborCa"])
        assert [certified(ca, hub) for hub in HUBS] == [generations[0] == 1] * 2
    assert trial.program.steps() == []


def issuing(*generations: int) -> dict[str, Any]:
    """The settings in which the first of these issues."""
    return {"harbor": {"generations": {"ca": [*generations]}}}


def certified(ca: Path, hub: str) -> bool:
    """Whether the hub's certificate is of this authority."""
    with client(ca, name=NAME) as session:
        try:
            return ask(session, hosts.ADDRESSES[hub], "/api/v2.0/ping").is_success
        except httpx.ConnectError:
            return False


def healthy(hub: str) -> set[str]:
    """The containers that Docker calls so."""
    running = hosts.run(hub, ["docker", "ps", "--format={{.Names}} {{.Status}}"], check=True).stdout
    return {line.split()[0] for line in running.splitlines() if "(healthy)" in line}


def test_for_evaluation_harbor_brings_its_own_stores_and_says_what_that_means(trial: Trial, ca: Path) -> None:
    """The hubs move over to a database that is new, where the stack's robots are made anew."""
    bundled = {"store": "bundled", "bundledOn": FIRST, "database": None, "redis": None}
    run = trial.program.up({"harbor": bundled}).ok()
    assert f"is a single point of failure: losing {FIRST} loses Harbor" in " ".join(run.text.split())
    eventually(
        lambda: {"harbor-db", "harbor-redis"} <= healthy(FIRST), 45, "Docker, which asks every 30 s, finds both well"
    )
    with client(ca, name=NAME) as session:
        names = [
            project["name"]
            for project in ask(session, hosts.ADDRESSES[SECOND], "/api/v2.0/projects", auth=ADMIN).json()
        ]
    assert names == ["library"]
    assert hosts.run(SECOND, ["/usr/local/lib/evenkeel/hub-probe.sh"]).returncode == 0
    assert trial.program.steps({"harbor": bundled}) == []


def test_a_hub_that_gives_its_role_up_is_freed_of_harbor(trial: Trial) -> None:
    """By what an ``up`` runs then; here it is only the host that is told of another role, as prepare.sh would."""
    retire = "sh /usr/local/lib/evenkeel/retire.sh hub"
    hosts.run(SECOND, retire, check=True)
    assert containers(SECOND) != [], "nothing goes while the host is a hub"
    hosts.run(SECOND, "sed -i 's/^roles .*/roles worker/' /var/lib/evenkeel/place", check=True)
    for _ in range(2):
        hosts.run(SECOND, retire, check=True)
        assert containers(SECOND) == []
        assert remains(SECOND, *BROUGHT) == ""
    assert hosts.run(SECOND, ["docker", "network", "inspect", "harbor"]).returncode != 0
    assert remains(SECOND, FOLDER) != ""


def test_a_hub_that_leaves_is_emptied_and_the_bundled_database_is_kept(trial: Trial) -> None:
    """What it empties was Harbor."""
    retire = command("hosts", "sh /usr/local/lib/evenkeel/retire.sh", {"NAME": FIRST})
    said = hosts.run(FIRST, retire, check=True).stderr
    assert "nothing of the stack is left" in said
    assert containers(FIRST) == []
    assert remains(FIRST, *BROUGHT, "/var/lib/evenkeel", "/usr/local/lib/evenkeel") == ""
    (kept,) = [name for name in backups(FIRST) if name.startswith("database-")]
    assert f"{BACKUPS}/{kept}" in said
    assert hosts.run(FIRST, f"stat -c %a {BACKUPS}/{kept}", check=True).stdout.strip() == "700"
    assert hosts.run(FIRST, ["ls", "-A", f"{BACKUPS}/{kept}"], check=True).stdout != ""


def test_once_harbor_has_left_the_stack_its_node_no_longer_trusts_it(trial: Trial) -> None:
    """The last one of this file. Both hubs leave with it. What cannot be made anew is protected, and whoever means it
    says so first."""
    values = {key: value for key, value in trial.program.values.items() if not key.startswith("harbor")}
    without = replace(trial.program, values=values | {"hosts": {MASTER: values["hosts"][MASTER]}})
    assert remains(MASTER, f"{CERTS}/{NAME}") != ""
    hosts.run(MASTER, f"mkdir {CERTS}/own.lab && echo theirs >{CERTS}/own.lab/hosts.toml", check=True)
    assert "protected" in without.up().text
    stack.pulumi(*shlex.split(command("harbor", "pulumi state unprotect", {"mine": OURS}))[1:])
    without.up().ok()
    assert remains(MASTER, f"{CERTS}/{NAME}") == ""
    assert remains(MASTER, f"{CERTS}/own.lab/hosts.toml") != ""
    assert without.steps() == []
    state = json.loads(stack.pulumi("stack", "export", "--stack", OURS).stdout)["deployment"]["resources"]
    protected = {one["urn"].rpartition("::")[2] for one in state if one.get("protect")}
    assert {"pki-ca", "pki-etcd-ca", "pki-front-proxy-ca", "pki-service-account"} <= protected


CERTS = "/etc/containerd/certs.d"
BROUGHT = (
    "/etc/evenkeel",
    "/run/evenkeel-harbor",
    "/etc/tmpfiles.d/evenkeel-harbor.conf",
    "/etc/systemd/system/docker.service.d/evenkeel-harbor.conf",
    "/var/lib/evenkeel/harbor",
    "/var/lib/evenkeel/staged/harbor.secret",
)
STARTED = "date -d \"$(docker inspect --format '{{.State.StartedAt}}' harbor-core)\" +%s"


def moment(hub: str, command: str) -> int:
    """A time of a hub's clock, in seconds."""
    return int(hosts.run(hub, command, check=True).stdout)


def containers(hub: str) -> list[str]:
    """The ids of Harbor's containers, running or not."""
    listed = ["docker", "ps", "--all", "--quiet", "--filter", "label=evenkeel.revision"]
    return hosts.run(hub, listed, check=True).stdout.split()


def remains(hub: str, *paths: str) -> str:
    """Those of the paths that are there."""
    return hosts.run(hub, f"ls -d {' '.join(paths)} 2>/dev/null").stdout


def backups(hub: str) -> list[str]:
    """The backups of the database that lie there."""
    return hosts.run(hub, ["ls", BACKUPS]).stdout.split()


def versions(ca: Path) -> list[str]:
    """What each hub's core says that it is."""
    with client(ca, name=NAME) as session:
        answers = [ask(session, hosts.ADDRESSES[hub], "/api/v2.0/systeminfo", auth=ADMIN) for hub in HUBS]
    return [answer.json()["harbor_version"] for answer in answers]


def make_project(ca: Path, name: str) -> None:
    """Something that only the database knows."""
    with client(ca, name=NAME) as session:
        made = ask(
            session,
            hosts.ADDRESSES[FIRST],
            "/api/v2.0/projects",
            "POST",
            json={"project_name": name},
            auth=ADMIN,
        )
    assert made.status_code == 201, made.text
