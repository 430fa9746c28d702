"""What a hub's turn does with Harbor's database and storage when these answer strangely; programs are stubs."""

import subprocess
from pathlib import Path

import pytest

from render.scripts import ON_HOST
from tests.scripts.bare_host import SCRIPTS, BareHost

UPGRADE = {"PGDATABASE": "registry", "PGHOST": "db.example.com", "HARBOR_VERSION": "2.15.2"}
DATABASE = "PGHOST=db PGPORT=1 PGDATABASE=registry PGUSER=u PGSSLMODE=disable"
PLAN = "SET statement_timeout = 0;\\nSET transaction_timeout = 0;\\nSELECT 1;\\n"


@pytest.fixture
def host(tmp_path: Path) -> BareHost:
    """A hub that was last found well with another version."""
    host = BareHost(tmp_path)
    for name in ("cmp", "mktemp", "cp", "ln", "chmod", "cat", "dirname"):
        host.real(name)
    host.file("var/lib/evenkeel/applied/hub.version", "2.14.4\n")
    host.file("var/lib/evenkeel/applied/hub.schema", "160\n")
    return host


def run(host: BareHost, script: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs a script of a hub, whose files lie in the host's folder."""
    folder = host.root / ON_HOST.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in SCRIPTS.items():
        (folder / name).write_text(text.replace(ON_HOST, str(folder)))
    environment = {
        "PATH": str(host.bin),
        "EVENKEEL_HOST": "hub1",
        "EVENKEEL_ROOT": str(host.root),
        "EVENKEEL_STATE": str(host.state),
        **variables,
    }
    command = ["sh", "-c", script.replace("HERE", str(folder)), "sh", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_database_that_does_not_answer_stops_an_upgrade_that_would_have_no_backup(host: BareHost) -> None:
    """Its silence was taken for the answer that another hub had migrated it already."""
    host.stub("psql", "echo 'psql: could not connect' >&2; exit 2")
    done = run(host, "set -eu; . HERE/lib.sh; . HERE/hub-database.sh; back_up_before_change", **UPGRADE)
    assert done.returncode == 1
    assert "the database registry on db.example.com cannot be asked for its schema" in done.stderr


def test_what_did_not_answer_is_not_noted_as_the_schema(host: BareHost) -> None:
    """The next upgrade would have taken any other schema for a migrated one, and made no backup either."""
    host.stub("psql", "exit 2")
    run(host, "set -eu; . HERE/lib.sh; . HERE/hub-database.sh; note_version", **UPGRADE)
    assert (host.state / "applied/hub.schema").read_text() == "160\n"
    assert (host.state / "applied/hub.version").read_text() == "2.14.4\n"


def test_a_backup_of_a_newer_client_is_restored_to_an_older_database(host: BareHost) -> None:
    """pg_restore 17 sets transaction_timeout, which PostgreSQL 16 refuses, and with it the whole restore."""
    host.file("etc/evenkeel/harbor/hub/settings", f"{DATABASE}\n")
    host.file("backup.dump", "a backup\n")
    host.stub("pg_restore", f"printf '{PLAN}'")
    host.stub("psql", 'case $* in *count*) echo 0 ;; *) cp "${*##*--file=}" "$EVENKEEL_ROOT/plan" ;; esac')
    done = run(host, "exec sh HERE/harbor-restore.sh $1 yes", str(host.root / "backup.dump"))
    assert done.returncode == 0, done.stderr
    said = (host.root / "plan").read_text().splitlines()
    assert said[1:] == ["SET statement_timeout = 0;", "SELECT 1;"]


@pytest.mark.parametrize(("there", "code"), [(False, 1), (True, 0)], ids=["the mount is missing", "the mount is there"])
def test_a_hub_whose_storage_is_not_mounted_leaves_service_for_nothing(host: BareHost, there: bool, code: int) -> None:
    """Its turn made the registry's folder in the empty mount point, and clients were served what others did not see."""
    storage = host.root / "srv/harbor"
    (storage / "registry" if there else storage).mkdir(parents=True)
    settings = f"HUB=hub1 HUBS=hub1=192.0.2.41 DRAIN=0 STORAGE={storage} HARBOR_VERSION=2.14.4 {DATABASE}\n"
    for place in ("var/lib/evenkeel/staged/harbor/files/", ""):
        host.file(f"{place}etc/evenkeel/harbor/hub/settings", settings)
    host.file("var/lib/evenkeel/staged/harbor.secret/files/etc/evenkeel/harbor/hub/containers", "harbor-core 0a\n")
    for part in ("harbor", "harbor.secret"):
        host.file(f"var/lib/evenkeel/staged/{part}/index", "")
    host.stub("docker", "[ $1 = network ]")  # runs no container, as after a boot without the mount
    host.stub("stat", "echo 10000")
    for name in ("systemd-run", "systemd-tmpfiles"):
        host.stub(name, "exit 0")
    run(host, "set -eu; . HERE/lib.sh; applied hub harbor harbor.secret")
    done = run(host, "exec sh HERE/hub-leave.sh", EVENKEEL_LOCK=str(host.root / "lock"))
    assert done.returncode == code, done.stderr
    assert (host.root / "run/evenkeel-harbor/away").exists() is there
    assert (storage / "registry").exists() is there
    assert there or f"{storage}/registry is not there, where this hub has kept images" in done.stderr
