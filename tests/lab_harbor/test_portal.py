"""What the portal's requests meet: CSRF protection, sessions, and the first password."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.lab_harbor.site import ADMIN, Program, Site
from tests.lab_harbor.stores import until

pytestmark = pytest.mark.built

TOKEN = "X-Harbor-CSRF-Token"


@pytest.fixture(scope="module")
def node(site: Site) -> Program:
    return site.core()


def _log_in(client: httpx.Client, node: Program) -> str:
    """As a browser: the page brings the CSRF token, the form the session. The token."""
    token: str = client.get(f"{node.url}/api/v2.0/systeminfo", headers={"Cookie": "sid=none"}).headers[TOKEN]
    form = {"principal": ADMIN[0], "password": ADMIN[1]}
    answer = client.post(f"{node.url}/c/login", data=form, headers={TOKEN: token})
    assert answer.status_code == 200, answer.text
    return token


def _write(client: httpx.Client, node: Program, token: str, name: str) -> httpx.Response:
    return client.post(f"{node.url}/api/v2.0/projects", json={"project_name": name}, headers={TOKEN: token})


def test_a_session_of_one_node_writes_at_the_other_while_their_keys_are_equal(site: Site, node: Program) -> None:
    with httpx.Client() as client:
        token = _log_in(client, node)
        assert _write(client, site.core(), token, "written-at-the-other").status_code == 201


def test_a_node_with_another_csrf_key_forbids_the_write(site: Site, node: Program) -> None:
    with httpx.Client() as client:
        token = _log_in(client, node)
        assert client.get(f"{node.url}/api/v2.0/users/current").json()["username"] == "admin"
        answer = _write(client, site.core(csrf_key="d" * 32), token, "never-written")
        assert answer.status_code == 403
        assert "CSRF token invalid" in answer.text


def test_a_csrf_key_of_another_length_breaks_the_portal_and_lands_in_the_log(site: Site) -> None:
    other = site.core(csrf_key="e" * 31)
    assert other.request("POST", "/c/login", data={"principal": "admin"}).status_code == 500
    assert "e" * 31 in other.log
    assert other.request("GET", "/api/v2.0/ping").status_code == 200


def test_every_request_without_the_cookie_of_a_living_session_leaves_one(site: Site, node: Program) -> None:
    before = site.sessions()
    for path in ("/api/v2.0/ping", "/api/v2.0/health", "/v2/", "/service/token"):
        node.request("GET", path)
    node.request("GET", "/api/v2.0/ping", headers={"Cookie": f"sid={'0' * 32}"})
    assert site.sessions() == before + 5


def test_a_client_that_keeps_its_cookie_leaves_one_session_in_all(site: Site, node: Program) -> None:
    before = site.sessions()
    with node.client() as client:
        for _ in range(5):
            assert client.get("/api/v2.0/ping").text == "Pong"
    assert site.sessions() == before + 1


def test_what_is_answered_before_routing_leaves_no_session(site: Site, node: Program) -> None:
    before = site.sessions()
    assert node.request("GET", "/v2/without-a-project/manifests/latest").status_code == 400
    assert site.sessions() == before


def test_admins_first_password_stays_whatever_is_configured_later(site: Site, node: Program) -> None:
    later = site.core(environment={"HARBOR_ADMIN_PASSWORD": "Another12345"})
    assert "HARBOR_ADMIN_PASSWORD) ignored" in later.log
    assert later.request("GET", "/api/v2.0/users/current", auth=("admin", "Another12345")).status_code == 401


def test_while_a_wrong_password_waits_for_its_answer_the_right_one_is_refused_on_that_node(site: Site) -> None:
    mine, other = site.core(), site.core()
    with ThreadPoolExecutor() as pool:
        wrong = pool.submit(mine.request, "GET", "/api/v2.0/users/current", auth=("admin", "wrong"))
        until(lambda: "locking admin" in mine.log, "the wrong password is noticed")
        assert mine.request("GET", "/api/v2.0/users/current", auth=ADMIN).status_code == 401
        assert other.request("GET", "/api/v2.0/users/current", auth=ADMIN).status_code == 200
        assert wrong.result().status_code == 401
