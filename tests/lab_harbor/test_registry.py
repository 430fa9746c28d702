"""Between core and the registry: the credential, uploads that meet both nodes, and what passes through."""

import hashlib
from urllib.parse import urlsplit

import httpx
import pytest

from tests.lab_harbor.site import ADMIN, Program, Site

pytestmark = pytest.mark.built

CONTENT = b"a layer of the tests"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture(scope="module")
def registry(site: Site) -> Program:
    return site.registry()


@pytest.fixture(scope="module")
def node(site: Site, registry: Program) -> Program:
    return site.core(registry)


def _begin(node: Program, repository: str = "library/image") -> str:
    """An upload's path and query."""
    answer = node.request("POST", f"/v2/{repository}/blobs/uploads/", auth=ADMIN)
    assert answer.status_code == 202, answer.text
    location = urlsplit(answer.headers["location"])
    assert (location.hostname, location.port) == ("127.0.0.1", node.port)
    return f"{location.path}?{location.query}"


def _finish(node: Program, path: str) -> httpx.Response:
    return node.request("PUT", f"{path}&digest={DIGEST}", content=CONTENT, auth=ADMIN)


def test_an_upload_may_meet_both_nodes_while_http_secrets_are_equal(site: Site, node: Program) -> None:
    other = site.core(site.registry())
    path = _begin(node)
    answer = other.request("PATCH", path, content=CONTENT, auth=ADMIN)
    assert answer.status_code == 202, answer.text
    location = urlsplit(answer.headers["location"])
    done = node.request("PUT", f"{location.path}?{location.query}&digest={DIGEST}", auth=ADMIN)
    assert done.status_code == 201, done.text
    pulled = other.request("GET", f"/v2/library/image/blobs/{DIGEST}", auth=ADMIN)
    assert pulled.content == CONTENT


def test_an_upload_that_meets_a_node_with_another_http_secret_is_lost(site: Site, node: Program) -> None:
    other = site.core(site.registry(http_secret="of this node only"))
    answer = _finish(other, _begin(node))
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "BLOB_UPLOAD_INVALID"
    assert "invalid secret" in answer.text


def test_a_core_with_another_registry_credential_passes_on_the_registrys_refusal(site: Site, registry: Program) -> None:
    other = site.core(registry, registry_password="of this node only")
    answer = other.request("GET", "/v2/", auth=ADMIN)
    assert answer.status_code == 401
    assert 'realm="harbor-registry-basic-realm"' in answer.headers["www-authenticate"]


def test_without_the_registrys_redis_no_push_ends_well(site: Site, registry: Program) -> None:
    other = site.core(registry, environment={"_REDIS_URL_REG": "redis://127.0.0.1:9/1"})
    assert other.request("PATCH", _begin(other), content=CONTENT, auth=ADMIN).status_code == 500


def test_a_registry_that_is_away_is_a_bad_gateway(site: Site) -> None:
    assert site.core().request("GET", "/v2/", auth=ADMIN).status_code == 502


def test_a_blob_that_the_database_does_not_know_is_not_there(site: Site, node: Program) -> None:
    assert _finish(node, _begin(node)).status_code == 201
    assert node.request("HEAD", f"/v2/library/image/blobs/{DIGEST}", auth=ADMIN).status_code == 200
    site.sql("DELETE FROM blob")
    assert node.request("HEAD", f"/v2/library/image/blobs/{DIGEST}", auth=ADMIN).status_code == 404
