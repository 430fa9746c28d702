"""What a hub's turn does with Harbor's database and storage when these answer strangely; programs are stubs."""

from pathlib import Path

import pytest

from render.scripts import assignments
from tests.scripts.bare_host import SCRIPTS, BareHost
from tests.scripts.hub_host import lay, run

UPGRADE = {"PGDATABASE": "registry", "PGHOST": "db.example.com", "HARBOR_VERSION": "2.15.2", "PGSSLMODE": "disable"}
BUNDLES = ("etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/ca-bundle.pem")
# Each says by what it would verify its server.
PSQL = 'cat "${PGSSLROOTCERT:-/dev/null}" >>"$EVENKEEL_ROOT/trusted"; echo "1|${PGSSLROOTCERT:-none}" >&2; exit 2'
CURL = """[ "$2" != --version ] || { echo "curl 7.88.1 (x86_64)"; exit; }
cat >/dev/null; cat "$CURL_CA_BUNDLE" >>"$EVENKEEL_ROOT/trusted"; echo; echo 200"""
PREFLIGHT = {
    "AUTHORITIES": "company",
    "CONTAINERS": "harbor-core",
    "MIRROR": "",
    "SSH_USER": "root",
    "STORAGE_KIND": "s3",
    "S3_URL": "https://s3.example.com/images",
    "S3_REGION": "eu-1",
    "S3_ACCESS_KEY": "AK",
    "S3_SECRET_KEY": "SK",
    "STORE": "external",
    "PGHOST": "db.example.com",
    "PGPORT": "5432",
    "PGDATABASE": "registry",
    "PGUSER": "harbor",
    "PGPASSWORD": "x",
}
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


def test_a_database_that_does_not_answer_stops_an_upgrade_that_would_have_no_backup(host: BareHost) -> None:
    """Its silence was taken for the answer that another hub had migrated it already."""
    host.stub("psql", "echo 'psql: could not connect' >&2; exit 2")
    done = run(host, "set -eu; . HERE/lib.sh; . HERE/hub.sh; . HERE/hub-database.sh; back_up_before_change", **UPGRADE)
    assert done.returncode == 1
    assert "the database registry on db.example.com cannot be asked for its schema" in done.stderr


def test_what_did_not_answer_is_not_noted_as_the_schema(host: BareHost) -> None:
    """The next upgrade would have taken any other schema for a migrated one, and made no backup either."""
    host.stub("psql", "exit 2")
    run(host, "set -eu; . HERE/lib.sh; . HERE/hub.sh; . HERE/hub-database.sh; note_version", **UPGRADE)
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


@pytest.mark.parametrize("staged", ["", "something new"], ids=["nothing new is staged", "something new is staged"])
@pytest.mark.parametrize(("there", "code"), [(False, 1), (True, 0)], ids=["the mount is missing", "the mount is there"])
def test_a_hub_whose_storage_is_not_mounted_leaves_service_for_nothing(
    host: BareHost, there: bool, code: int, staged: str
) -> None:
    """Its turn made the registry's folder in the empty mount point, and clients were served what others did not see."""
    storage = host.root / "srv/harbor"
    (storage / "registry" if there else storage).mkdir(parents=True)
    settings = f"HUB=hub1 HUBS=hub1=192.0.2.41 DRAIN=0 STORAGE={storage} HARBOR_VERSION=2.14.4 {DATABASE}\n"
    lay(host, settings=settings, containers="harbor-core 0a\n")
    host.stub("docker", "[ $1 = network ]")  # runs no container, as after a boot without the mount
    host.stub("stat", "echo 10000")
    for name in ("systemd-run", "systemd-tmpfiles", "chown"):
        host.stub(name, "exit 0")
    run(host, "set -eu; . HERE/lib.sh; applied hub harbor harbor.secret")
    host.file("var/lib/evenkeel/staged/harbor/index", staged and "0644 root:root /etc/evenkeel/harbor/hub/settings\n")
    done = run(host, "exec sh HERE/hub-leave.sh")
    assert done.returncode == code, done.stderr
    assert (host.root / "run/evenkeel-harbor/away").exists() is there
    assert (storage / "registry").exists() is there
    assert there or f"{storage}/registry is not there, where this hub has kept images" in done.stderr


def trusted(host: BareHost) -> list[str]:
    """What the last program trusted; nothing of it is left."""
    assert list((host.root / "tmp").iterdir()) == []
    return (host.root / "trusted").read_text().split()


@pytest.mark.parametrize("bundle", BUNDLES)
@pytest.mark.parametrize("settings", ["use_staged_settings", "use_installed_settings"])
def test_a_hub_s_turn_verifies_the_database_by_what_the_host_and_harbor_s_containers_trust(
    host: BareHost, settings: str, bundle: str
) -> None:
    """On Red Hat and SUSE psql said that there is no root certificate file, and no file held the company's CA."""
    staged, installed = "var/lib/evenkeel/staged/{}/files/etc/evenkeel/harbor", "etc/evenkeel/harbor"
    folder, other = (staged, installed) if settings == "use_staged_settings" else (installed, staged)
    values = "PGHOST=db PGPORT=1 PGDATABASE=registry PGUSER=u PGSSLMODE=verify-full\n"
    host.file(f"{folder.format('harbor')}/hub/settings", values)
    host.file(f"{folder.format('harbor.secret')}/trust/evenkeel.crt", "company")
    host.file(f"{other.format('harbor.secret')}/trust/evenkeel.crt", "another")
    host.file(bundle, "public")
    (host.root / "tmp").mkdir()
    for name in ("psql", "pg_dump"):
        host.stub(name, PSQL)
        script = f"set -eu; . HERE/lib.sh; . HERE/hub.sh; {settings}; database {name}"
        assert run(host, script, TMPDIR=str(host.root / "tmp")).returncode == 2, "a failure is not swallowed"
    assert trusted(host) == ["public", "company"] * 2


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_preflight_verifies_stores_by_what_the_host_and_harbor_s_containers_trust(
    host: BareHost, bundle: str
) -> None:
    host.file(bundle, "public")
    (host.root / "tmp").mkdir()
    host.stub("psql", PSQL)
    host.stub("pg_dump", "exit 1")
    host.stub("curl", CURL)
    for mode, times in (("verify-ca", 2), ("require", 1)):
        (host.root / "trusted").unlink(missing_ok=True)
        script = assignments({**PREFLIGHT, "PGSSLMODE": mode}) + SCRIPTS["hub-preflight.sh"]
        done = run(host, f". HERE/lib.sh\n{script}", TMPDIR=str(host.root / "tmp"))
        assert trusted(host) == ["public", "company"] * times, done.stderr
        assert "object store" not in done.stderr
        assert ("1|none" in done.stderr) is (mode == "require"), (
            "libpq verifies with 'require' once it has an authority"
        )


def test_a_database_of_an_authority_that_is_not_trusted_is_refused_with_the_setting_that_names_it(
    host: BareHost,
) -> None:
    host.stub("psql", "echo 'psql: error: SSL error: certificate verify failed' >&2; exit 2")
    host.stub("pg_dump", "exit 1")
    host.stub("curl", CURL)
    script = assignments({**PREFLIGHT, "PGSSLMODE": "verify-full"}) + SCRIPTS["hub-preflight.sh"]
    done = run(host, f". HERE/lib.sh\n{script}")
    assert done.returncode == 1
    assert "name that authority's file in evenkeel:harbor.trustedAuthorities" in done.stderr
