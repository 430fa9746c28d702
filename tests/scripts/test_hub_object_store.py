"""How a hub's preflight tries an object store: the host's own curl against a server that is as strict as Amazon's."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from render.scripts import assignments
from tests.scripts.bare_host import SCRIPTS, BareHost
from tests.scripts.hub_host import run

DIGEST = "x-amz-content-sha256"
NOTHING = hashlib.sha256(b"").hexdigest()
MALFORMED = "the region 'eu-1' is wrong; expecting 'eu-2'"
STORE = {
    "AUTHORITIES": "",
    "STORAGE_KIND": "s3",
    "S3_REGION": "eu-1",
    "S3_ACCESS_KEY": "AK",
    "S3_SECRET_KEY": "SK",
    "STORE": "bundled",
}


class Store(BaseHTTPRequestHandler):
    """Refuses what Amazon's does: a request without a signed digest of its body. Bucket ``far`` is elsewhere."""

    def do_GET(self) -> None:
        signed = self.headers.get("Authorization", "").partition("SignedHeaders=")[2].partition(",")[0].split(";")
        good = self.headers.get(DIGEST) == NOTHING and DIGEST in signed
        said = MALFORMED if self.path.startswith("/far/") else f"Missing required header for this request: {DIGEST}"
        body = b"" if good and said != MALFORMED else f"<Error><Message>{said}</Message></Error>".encode()
        self.send_response(400 if body else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def host(tmp_path: Path) -> BareHost:
    host = BareHost(tmp_path)
    host.real("mktemp")
    return host


def checked(host: BareHost, url: str) -> tuple[int, str]:
    """How the check ends, and all that it says."""
    script = assignments({**STORE, "S3_URL": url}) + SCRIPTS["hub-preflight.sh"]
    done = run(host, f"set -eu; . HERE/lib.sh\n{script}")
    return done.returncode, done.stdout + done.stderr


def test_a_bucket_is_asked_for_as_amazon_s_store_wants_it(host: BareHost, store: str) -> None:
    """curl 7.88, Debian 12's, adds no digest of the body by itself, and every hub was refused for that."""
    assert checked(host, f"{store}/images") == (0, "storage s3\n")


def test_what_an_object_store_says_against_a_request_is_told(host: BareHost, store: str) -> None:
    code, said = checked(host, f"{store}/far")
    assert code == 1
    assert f"the object store at {store}/far does not answer as one: {MALFORMED}; see to it, or correct" in said


def test_a_curl_that_cannot_sign_so_does_not_try(host: BareHost) -> None:
    """Ubuntu 22.04's and Red Hat 9's can't, and the registry needs no curl."""
    host.stub("curl", "echo 'curl 7.81.0 (x86_64-pc-linux-gnu) libcurl/7.81.0'")
    code, said = checked(host, "http://127.0.0.1:9/images")
    assert code == 0
    assert "warning: the object store is not tried from here, as curl is older than 7.86" in said
