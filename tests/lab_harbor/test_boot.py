"""How core starts and ends: migrations, stores that are away, upgrades and ways back."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import toolchain
from tests.lab_harbor.site import ADMIN, Site, site, stand_in_only
from tests.lab_harbor.stores import Stores, listens, until
from tests.ports import free_port

pytestmark = pytest.mark.built

ONE_RELEASE = "a program of Harbor's own is of one release, and this takes two"


@pytest.fixture
def empty(tmp_path: Path, stores: Stores) -> Iterator[Site]:
    """A site whose database nobody has touched."""
    toolchain.build(["harbor"])
    with site(tmp_path, stores) as found:
        yield found


def _version(site: Site) -> str:
    return site.sql("SELECT version || '|' || dirty FROM schema_migrations")


def test_two_cores_at_once_on_an_empty_database_migrate_it_once(empty: Site) -> None:
    cores = [empty.core(wait=False) for _ in range(2)]
    until(lambda: all("http server Running" in core.log for core in cores), "both cores")
    assert _version(empty) == "180|false"


@stand_in_only(ONE_RELEASE)
def test_an_upgrade_migrates_and_the_older_release_refuses_what_it_finds_then(empty: Site) -> None:
    old = empty.core(version="2.14.4")
    assert _version(empty) == "171|false"
    new = empty.core(version="2.15.2")
    assert _version(empty) == "180|false"
    versions = [core.request("GET", "/api/v2.0/systeminfo", auth=ADMIN).json()["harbor_version"] for core in (old, new)]
    assert versions == ["v2.14.4-standin", "v2.15.2-standin"]
    back = empty.core(version="2.14.4", wait=False)
    assert back.process.wait(20) == 1
    assert "no migration found for version 180" in back.log


def test_migrate_mode_only_migrates(empty: Site) -> None:
    core = empty.core(mode="migrate", wait=False)
    assert core.process.wait(20) == 0
    assert "the database migrate success" in core.log
    assert _version(empty) == "180|false"


@stand_in_only(ONE_RELEASE)
def test_a_core_that_is_killed_in_a_migration_leaves_a_database_that_none_starts_on(
    empty: Site, stores: Stores
) -> None:
    assert empty.core(version="2.14.4", mode="migrate", wait=False).process.wait(20) == 0
    statement = "BEGIN; LOCK TABLE registry; SELECT pg_sleep(60)"  # the migration has to wait for this
    holder = threading.Thread(target=_hold, args=(empty, statement), daemon=True)
    holder.start()
    until(lambda: empty.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'") != "0", "the lock")
    killed = empty.core(wait=False)
    until(lambda: _version(empty) == "180|true", "the migration is under way")
    killed.end()
    empty.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'")
    holder.join(20)
    after = empty.core(wait=False)
    assert after.process.wait(20) == 1
    assert "failed to migrate the database, error: Dirty database version 180. Fix and force version." in after.log


def _hold(site: Site, statement: str) -> None:
    with pytest.raises(AssertionError, match="terminating connection"):
        site.sql(statement)


def test_without_an_admin_password_a_fresh_database_gets_an_empty_one_for_good(empty: Site) -> None:
    core = empty.core(environment={"HARBOR_ADMIN_PASSWORD": ""})
    assert core.request("GET", "/api/v2.0/users/current", auth=("admin", "")).status_code == 200
    later = empty.core()
    assert later.request("GET", "/api/v2.0/users/current", auth=("admin", "")).status_code == 200


@pytest.mark.parametrize("setting", ["POSTGRESQL_PORT", "_REDIS_URL_CORE"])
def test_a_core_whose_store_is_away_keeps_trying_and_does_not_serve(empty: Site, setting: str) -> None:
    port = free_port()
    value = str(port) if setting == "POSTGRESQL_PORT" else f"redis://127.0.0.1:{port}/0"
    core = empty.core(environment={setting: value}, wait=False)
    until(lambda: core.log.count("retry after") >= 2, "it tries again")
    assert core.process.poll() is None
    assert "http server Running" not in core.log


def test_a_wrong_database_password_ends_it_at_once(empty: Site) -> None:
    core = empty.core(environment={"POSTGRESQL_PASSWORD": "wrong"}, wait=False)
    assert core.process.wait(20) == 1
    assert "password authentication failed" in core.log


def test_without_redis_in_its_environment_core_does_not_start(empty: Site) -> None:
    core = empty.core(environment={"_REDIS_URL_CORE": ""}, wait=False)
    assert core.process.wait(20) == 1
    assert "failed to initialize cache" in core.log


def test_redis_may_be_found_through_a_sentinel(empty: Site, stores: Stores, tmp_path: Path) -> None:
    port = free_port()
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor harbor 127.0.0.1 {stores.redis_port} 1\n")
    sentinel = subprocess.Popen(["redis-server", str(configuration), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        until(lambda: listens(port), "the sentinel")
        core = empty.core(environment={"_REDIS_URL_CORE": f"redis+sentinel://127.0.0.1:{port}/harbor/99"})
        core.request("GET", "/api/v2.0/ping")
        assert stores.redis(99, "dbsize") == "1"
    finally:
        sentinel.kill()
        sentinel.wait()


def test_after_a_sigterm_core_answers_for_three_seconds_and_ends(empty: Site) -> None:
    core = empty.core()
    core.process.send_signal(signal.SIGTERM)
    ended = time.monotonic() + 2.5
    while time.monotonic() < ended:
        assert core.request("GET", "/api/v2.0/ping").status_code == 200
        time.sleep(0.2)
    assert core.process.wait(5) == 0


@stand_in_only(ONE_RELEASE)
def test_an_unknown_release_is_refused(empty: Site) -> None:
    core = empty.core(version="2.13.0", wait=False)
    assert core.process.wait(20) == 1
    assert "the stand-in knows 2.14.x and 2.15.x" in core.log
