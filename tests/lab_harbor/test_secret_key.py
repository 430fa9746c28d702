"""The key that stored credentials are encrypted with."""

import pytest

from tests.lab_harbor.site import ADMIN, Program, Site

pytestmark = pytest.mark.built


def _target(site: Site) -> Program:
    """A registry elsewhere that asks for the password of ``Keys.registry_password``."""
    return site.registry()


def _body(name: str, target: Program, password: str) -> dict[str, object]:
    credential = {"type": "basic", "access_key": "harbor_registry_user", "access_secret": password}
    return {"name": name, "type": "docker-registry", "url": target.url, "credential": credential}


def test_what_one_node_stores_another_with_another_key_decrypts_to_garbage_and_does_not_notice(site: Site) -> None:
    node, equal, other = site.core(), site.core(), site.core(secret_key="fedcba9876543210")
    body = _body("elsewhere", _target(site), site.keys.registry_password)
    created = node.request("POST", "/api/v2.0/registries", json=body, auth=ADMIN)
    assert created.status_code == 201, created.text
    number = int(created.headers["location"].rsplit("/", 1)[1])
    pings = {
        name: program.request("POST", "/api/v2.0/registries/ping", json={"id": number}, auth=ADMIN).status_code
        for name, program in (("node", node), ("equal", equal), ("other", other))
    }
    assert pings == {"node": 200, "equal": 200, "other": 400}
    listed = other.request("GET", "/api/v2.0/registries", auth=ADMIN)
    assert (listed.status_code, listed.json()[0]["credential"]["access_secret"]) == (200, "*****")
    assert site.keys.registry_password not in site.sql("SELECT access_secret FROM registry")


@pytest.mark.parametrize("key", ["0123456789abcdef\n", "0123456789abcde"])
def test_a_key_that_is_not_sixteen_characters_is_an_error_of_the_server(site: Site, key: str) -> None:
    other = site.core(secret_key=key)
    body = _body(f"with {len(key)}", _target(site), site.keys.registry_password)
    assert other.request("POST", "/api/v2.0/registries", json=body, auth=ADMIN).status_code == 500
