"""scripts/harbor-robots.sh against a Harbor that does what one's administrator may make it do; curl is a stub."""

from pathlib import Path

import pytest

from tests.scripts.bare_host import BareHost
from tests.scripts.hub_host import lay, run

# Whether the robot's name and password are good is in a file.
HARBOR = """cat >/dev/null; echo "$*" >>"$EVENKEEL_ROOT/asked"
case $* in
*/service/token*) cat "$EVENKEEL_ROOT/token" ;;
*"--request POST"*) printf '{"id":7,"name":"bot-probe","secret":"x"}\\n201' ;;
*"--request PATCH"*) printf '\\n200'; [ ! -e "$EVENKEEL_ROOT/lets-in" ] || echo 200 >"$EVENKEEL_ROOT/token" ;;
esac"""
SETTINGS = (
    "ADDRESS=192.0.2.41 HARBOR_URL=https://hub HARBOR_PORT=1 PGHOST=db PGPORT=1 PGDATABASE=d PGUSER=u PGSSLMODE=x\n"
)
ROBOTS = "probe system library pull,push Secret1\n"


@pytest.fixture
def host(tmp_path: Path) -> BareHost:
    host = BareHost(tmp_path)
    host.stub("curl", HARBOR)
    host.file("token", "401\n")
    lay(host, settings=SETTINGS)
    return host


def made(host: BareHost) -> tuple[int, str]:
    """How it ends, and what it says."""
    script = "set -eu; . HERE/lib.sh; . HERE/harbor-robots.sh"
    done = run(host, script, ADMIN_PASSWORD="admin's", ROBOTS=ROBOTS)
    return done.returncode, done.stderr


def test_a_robot_that_is_not_there_is_made_and_has_its_password(host: BareHost) -> None:
    host.file("lets-in", "")
    assert made(host) == (0, "evenkeel: hub1: robot robot$probe has its password\n")
    assert (host.root / "asked").read_text().count("--request") == 2


def test_a_robot_that_harbor_does_not_let_in_is_told_with_what_may_be_the_cause(host: BareHost) -> None:
    """Its administrator had chosen another prefix of robots' names. Each up failed at the probe, with the remedy to run
    up again."""
    code, said = made(host)
    assert code == 1
    assert "evenkeel: hub1: robots: Harbor gives robot robot$probe no token with the password that it has now; " in said
    assert "set the prefix of robots' names (Configuration, System Settings) back to robot$" in said
