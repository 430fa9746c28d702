"""How a hub's preflight finds Redis through Sentinels of which some are lost; redis-cli is a stub."""

from pathlib import Path

import pytest

from render.scripts import assignments
from tests.scripts.bare_host import SCRIPTS, BareHost
from tests.scripts.hub_host import run

LOST, OTHER, KNOWING = "192.0.2.9:26379", "192.0.2.8:26379", "192.0.2.7:26379"
REFUSED = "Could not connect to Redis at {}: Connection refused"
# Only one Sentinel answers; Redis itself is where it says, and nowhere else.
REDIS = """while [ "$1" != -h ]; do shift; done
case $* in
"-h 192.0.2.7 "*SENTINEL*) printf '192.0.2.52\\n6380\\n' ;;
"-h 192.0.2.52 -p 6380 INFO") printf 'redis_version:7.0.15\\r\\nrole:master\\r\\ncluster_enabled:0\\r\\n' ;;
"-h 192.0.2.52 -p 6380 "*PING) echo PONG ;;
*) echo "Could not connect to Redis at $2:$4: Connection refused"; exit 1 ;;
esac"""
STORES = {
    "STORAGE_KIND": "s3",
    "S3_ACCESS_KEY": "",
    "STORE": "external",
    "SENTINEL_MASTER": "harbor",
    "REDIS_USER": "",
    "REDISCLI_AUTH": "",
    "REDIS_DATABASES": "0 1",
}


def checked(tmp_path: Path, *addresses: str) -> tuple[int, str]:
    """How the check ends, and what it says to a person."""
    host = BareHost(tmp_path)
    host.stub("redis-cli", REDIS)
    script = assignments({**STORES, "REDIS_ADDRESSES": " ".join(addresses)}) + SCRIPTS["hub-preflight.sh"]
    done = run(host, f"set -eu; . HERE/lib.sh\n{script}")
    return done.returncode, done.stderr


@pytest.mark.parametrize("addresses", [(LOST, KNOWING), (KNOWING, LOST)], ids=["the first", "the last"])
def test_a_sentinel_that_is_lost_holds_nobody_up_while_another_knows_the_master(
    tmp_path: Path, addresses: tuple[str, str]
) -> None:
    """That it is there for. What redis-cli said of the last one was taken for the master's address."""
    code, said = checked(tmp_path, *addresses)
    assert code == 0, said
    assert f"warning: the Sentinel at {LOST} knows no master harbor: {REFUSED.format(LOST)}; see to it" in said


def test_sentinels_of_which_none_knows_the_master_are_refused_by_their_addresses(tmp_path: Path) -> None:
    code, said = checked(tmp_path, LOST, OTHER)
    assert code == 1
    for sentinel in (LOST, OTHER):
        assert f"the Sentinel at {sentinel} knows no master harbor: {REFUSED.format(sentinel)}; " in said
    assert said.rstrip().endswith("see to it, or correct evenkeel:harbor.redis")
