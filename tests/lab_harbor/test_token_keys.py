"""The fault that the project was born from: nodes whose token keys differ. And what a token key has to be."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat

from tests.lab_harbor.site import ADMIN, Program, Site, rsa_key

pytestmark = pytest.mark.built


@pytest.fixture(scope="module")
def registry(site: Site) -> Program:
    return site.registry()


@pytest.fixture(scope="module")
def node(site: Site, registry: Program) -> Program:
    return site.core(registry)


def _use(node: Program, token: str, path: str = "/v2/") -> httpx.Response:
    return node.request("GET", path, headers={"Authorization": f"Bearer {token}"})


def _part(token: str, number: int) -> dict[str, Any]:
    text = token.split(".")[number]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


def _signed(key: str, **claims: object) -> str:
    """A token as core would mint it, at another time."""
    private = serialization.load_pem_private_key(key.encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    parts = [{"alg": "RS256", "typ": "JWT"}, claims | {"aud": "harbor-registry", "sub": "admin", "access": []}]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    signature = private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_a_token_of_one_node_is_good_at_the_other_while_their_keys_are_equal(
    site: Site, registry: Program, node: Program
) -> None:
    other = site.core(registry)
    for minted_at, used_at in ((node, other), (other, node)):
        assert _use(used_at, minted_at.token()).status_code == 200


def test_a_token_of_one_node_is_refused_at_another_that_has_another_key(
    site: Site, registry: Program, node: Program
) -> None:
    other = site.core(registry, token_key=rsa_key())
    answer = _use(other, node.token())
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="harbor"'
    assert "parse token error, token signature is invalid: crypto/rsa: verification error" in other.log
    assert _use(other, other.token()).status_code == 200


def test_no_health_endpoint_sees_that_the_keys_differ(site: Site, registry: Program, node: Program) -> None:
    other = site.core(registry, token_key=rsa_key())
    assert _use(other, node.token()).status_code == 401
    assert other.request("GET", "/api/v2.0/ping").text == "Pong"
    health = other.request("GET", "/api/v2.0/health")
    assert health.status_code == 200
    healthy = {part["name"] for part in health.json()["components"] if part["status"] == "healthy"}
    assert {"core", "registry", "database", "redis"} <= healthy


def test_a_public_project_hides_it_from_pulls_and_only_from_pulls(site: Site, registry: Program, node: Program) -> None:
    other = site.core(registry, token_key=rsa_key())
    token = node.token("repository:library/nothing:pull,push")
    assert _use(other, token, "/v2/library/nothing/manifests/latest").status_code == 404
    push = other.request("POST", "/v2/library/nothing/blobs/uploads/", headers={"Authorization": f"Bearer {token}"})
    assert push.status_code == 401


def test_a_token_says_what_the_registry_specification_and_harbor_say(node: Program) -> None:
    token = node.token("repository:library/alpine:pull")
    header, claims = _part(token, 0), _part(token, 1)
    assert header["alg"] == "RS256"
    assert header["kid"].count(":") == 11  # libtrust's form: ABCD:EFGH:... of twelve groups
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("harbor-token-issuer", "admin", "harbor-registry")
    assert claims["exp"] - claims["iat"] == 30 * 60
    (access,) = claims["access"]
    assert (access["type"], access["name"]) == ("repository", "library/alpine")
    assert set(access["actions"]) == {"pull", "push", "delete"}


def test_clocks_may_differ_by_a_minute(site: Site, node: Program) -> None:
    for ahead, status in ((50, 200), (75, 401), (-30 * 60 - 50, 200), (-30 * 60 - 75, 401)):
        minted = int(time.time()) + ahead
        token = _signed(site.keys.token_key, iat=minted, nbf=minted, exp=minted + 30 * 60)
        assert _use(node, token).status_code == status, ahead


def test_a_pkcs8_key_mints_nothing_but_verifies(site: Site, registry: Program, node: Program) -> None:
    key = serialization.load_pem_private_key(site.keys.token_key.encode(), None)
    pkcs8 = key.private_bytes(serialization.Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    other = site.core(registry, token_key=pkcs8)
    answer = other.request("GET", "/service/token", params={"service": "harbor-registry"}, auth=ADMIN)
    assert answer.status_code == 500
    assert _use(other, node.token()).status_code == 200


@pytest.mark.parametrize("key", ["", "no key at all\n"])
def test_without_a_usable_key_core_runs_and_knows_nobody(site: Site, node: Program, key: str) -> None:
    other = site.core(token_key=key)
    answer = other.request("GET", "/service/token", params={"service": "harbor-registry"}, auth=ADMIN)
    assert answer.status_code == 500
    assert _use(other, node.token()).status_code == 401
    assert other.request("GET", "/api/v2.0/ping").status_code == 200


def test_only_the_first_of_two_keys_in_the_file_counts(site: Site, registry: Program, node: Program) -> None:
    other = site.core(registry, token_key=rsa_key() + site.keys.token_key)
    assert _use(other, node.token()).status_code == 401
    assert _use(site.core(registry, token_key=site.keys.token_key + rsa_key()), node.token()).status_code == 200


def test_a_key_renamed_over_the_old_one_works_at_once(site: Site, registry: Program, node: Program) -> None:
    other = site.core(registry, token_key=rsa_key())
    before = other.token()
    fresh = Path(other.folder, "fresh.pem")
    fresh.write_text(site.keys.token_key)
    fresh.rename(other.folder / "secret/private_key.pem")
    assert _use(other, node.token()).status_code == 200
    assert _use(other, before).status_code == 401
