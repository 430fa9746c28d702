"""A hub's check of what all hubs share, by itself, on a hub of stack ``dev``: it changes nothing.

Sentinels and object stores, which no stack of the lab uses for its Harbor. What an ``up`` makes of a refusal is tested
in ``test_harbor_hubs``.
"""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from lab import hosts, stores
from render.scripts import SCRIPTS, assignments

pytestmark = pytest.mark.lab

HUB = "hub1"
SENTINEL = f"{hosts.ADDRESSES[stores.REDIS]}:26379"
KEY = "of-the-bucket"
GOOD = {
    "EVENKEEL_HOST": HUB,
    "SSH_USER": "root",
    "MIRROR": "",
    "CONTAINERS": "harbor-core harbor-portal",
    "AUTHORITIES": "",
    "STORAGE_KIND": "shared",
    "STORAGE_PATH": hosts.STORAGE,
    "S3_URL": "",
    "S3_REGION": "somewhere",
    "S3_ACCESS_KEY": "harbor",
    "S3_SECRET_KEY": KEY,
    "STORE": "external",
    "PGHOST": hosts.ADDRESSES[stores.POSTGRESQL],
    "PGPORT": "5432",
    "PGDATABASE": stores.DATABASE,
    "PGUSER": stores.ACCOUNT,
    "PGSSLMODE": "disable",
    "PGPASSWORD": stores.DATABASE_PASSWORD,
    "REDIS_ADDRESSES": f"{hosts.ADDRESSES[stores.REDIS]}:6379",
    "SENTINEL_MASTER": "",
    "REDIS_USER": "",
    "REDIS_DATABASES": "0 1 2",
    "REDISCLI_AUTH": stores.REDIS_PASSWORD,
}


def checked(**changes: str) -> tuple[int, str]:
    """How the check ends, and all that it says."""
    scripts = [(SCRIPTS / name).read_text() for name in ("lib.sh", "hub-preflight.sh")]
    done = hosts.run(HUB, ["sh", "-s"], stdin=scripts[0] + assignments({**GOOD, **changes}) + scripts[1])
    return done.returncode, done.stdout + done.stderr


class ObjectStore(BaseHTTPRequestHandler):
    """Has one bucket, knows one key, and lets nobody into a third."""

    def do_GET(self) -> None:
        signed = self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=harbor/")
        signed &= "x-amz-content-sha256" in self.headers.get("Authorization", "")
        bucket = self.path.split("/")[1]
        self.send_response({"good": 200 if signed else 400, "locked": 403}.get(bucket, 404))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what it was asked is of no interest."""


@pytest.fixture(scope="module")
def object_store() -> Iterator[str]:
    with ThreadingHTTPServer((hosts.GATEWAY, 0), ObjectStore) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{hosts.GATEWAY}:{server.server_port}"
        server.shutdown()


@pytest.fixture
def stranger() -> Iterator[str]:
    """The name of a container that no stack has made."""
    name = "harbor-of-somebody-else"
    image = "$(docker inspect --format '{{.Image}}' harbor-core)"
    hosts.run(HUB, f"docker create --name {name} {image}", check=True)
    yield name
    hosts.run(HUB, f"docker rm --force {name}", check=True)


def test_a_hub_with_everything_in_place_says_what_it_sees_as_its_storage() -> None:
    code, said = checked()
    assert (code, said.split()[0]) == (0, "storage")


def test_another_harbor_s_containers_are_refused_by_name_where_no_turn_was_before(stranger: str) -> None:
    """Harbor's installer gives its containers the names that a stack's have, and a turn removes what is in its way."""
    both = f"harbor-core {stranger}"
    assert checked(CONTAINERS=both)[0] == 0
    code, said = checked(CONTAINERS=both, EVENKEEL_STATE="/nowhere")
    assert code == 1
    assert f"as if another Harbor ran here: {stranger}; let this hub be another host" in said


def test_redis_is_found_through_the_sentinel_that_knows_its_master() -> None:
    code, said = checked(REDIS_ADDRESSES=SENTINEL, SENTINEL_MASTER=stores.SENTINEL_MASTER)
    assert code == 0, said


def test_a_sentinel_that_knows_no_such_master_is_refused_by_its_key() -> None:
    code, said = checked(REDIS_ADDRESSES=SENTINEL, SENTINEL_MASTER="another")
    assert code == 1
    assert f"the Sentinel at {SENTINEL} knows no master another" in said
    assert "correct evenkeel:harbor.redis" in said


def test_a_database_of_redis_that_is_not_there_is_refused_by_its_number() -> None:
    code, said = checked(REDIS_DATABASES="0 99")
    assert code == 1
    assert "has no database 99" in said


def test_a_bucket_that_the_key_opens_is_taken(object_store: str) -> None:
    assert checked(STORAGE_KIND="s3", S3_URL=f"{object_store}/good") == (0, "storage s3\n")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (
            "{store}/missing",
            "the object store has no bucket at {store}/missing; make it, or correct",
        ),
        (
            "{store}/locked",
            "the object store refuses the key harbor at {store}/locked; correct evenkeel:harbor",
        ),
        ("http://10.77.0.1:9", "the object store at http://10.77.0.1:9 does not answer as one: curl: (7)"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_refused_by_its_key(object_store: str, url: str, problem: str) -> None:
    code, said = checked(STORAGE_KIND="s3", S3_URL=url.format(store=object_store))
    assert code == 1
    assert problem.format(store=object_store) in said
    assert KEY not in said
