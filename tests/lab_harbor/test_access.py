"""Who gets which token, and what it opens."""

import re
from typing import Any

import pytest

from tests.lab_harbor.site import ADMIN, Program, Site, stand_in_only

pytestmark = pytest.mark.built


@pytest.fixture(scope="module")
def node(site: Site) -> Program:
    core = site.core(site.registry())
    assert core.request("POST", "/api/v2.0/projects", json={"project_name": "own"}, auth=ADMIN).status_code == 201
    return core


def _robot(node: Program, name: str, actions: tuple[str, ...], secret: str | None = None) -> tuple[str, str]:
    access = [{"resource": "repository", "action": action} for action in actions]
    permissions = [{"kind": "project", "namespace": "own", "access": access}]
    body = {"name": name, "duration": -1, "level": "project", "permissions": permissions}
    answer = node.request("POST", "/api/v2.0/robots", json=body, auth=ADMIN)
    assert answer.status_code == 201, answer.text
    created = answer.json()
    if secret:
        path = f"/api/v2.0/robots/{created['id']}"
        assert node.request("PATCH", path, json={"secret": secret}, auth=ADMIN).status_code == 200
    return created["name"], secret or created["secret"]


def test_without_a_credential_a_client_is_sent_to_the_token_service_of_the_address_it_used(node: Program) -> None:
    answer = node.request("GET", "/v2/", headers={"Host": "hub.test:8443"})
    assert answer.status_code == 401
    expected = 'Bearer realm="http://hub.test:8443/service/token",service="harbor-registry"'
    assert answer.headers["www-authenticate"] == expected
    answer = node.request("HEAD", "/v2/own/image/manifests/latest", headers={"Host": "hub.test"})
    assert re.search(r'scope="repository:own/image:pull"$', answer.headers["www-authenticate"])


def test_a_login_without_a_credential_gets_no_token_but_a_scope_does(node: Program) -> None:
    query = {"service": "harbor-registry"}
    assert node.request("GET", "/service/token", params=query).status_code == 401
    assert node.request("GET", "/service/token", params={"service": "another"}).status_code == 400
    assert node.request("POST", "/service/token", data=query).status_code == 405
    token = node.token("repository:own/image:pull", who=None)
    opened = node.request("GET", "/v2/own/image/tags/list", headers={"Authorization": f"Bearer {token}"})
    assert opened.status_code == 401
    public = node.token("repository:library/image:pull", who=None)
    opened = node.request("GET", "/v2/library/image/tags/list", headers={"Authorization": f"Bearer {public}"})
    assert opened.status_code == 404  # let in, and nothing there


def test_a_robot_pulls_with_its_secret_and_pushes_only_where_it_may(node: Program) -> None:
    name, secret = _robot(node, "puller", ("pull",), secret="Chosen-Secret-1")
    assert name == "robot$own+puller"
    token = node.token("repository:own/image:pull,push", who=(name, secret))
    headers = {"Authorization": f"Bearer {token}"}
    assert node.request("GET", "/v2/own/image/tags/list", headers=headers).status_code == 404
    assert node.request("POST", "/v2/own/image/blobs/uploads/", headers=headers).status_code == 401
    assert node.request("GET", "/v2/", auth=(name, "Wrong-Secret-1")).status_code == 401
    pusher = _robot(node, "pusher", ("push", "pull"))
    assert node.request("POST", "/v2/own/image/blobs/uploads/", auth=pusher).status_code == 202


def test_robots_are_found_by_their_projects_and_their_own_name_and_removed_by_number(node: Program) -> None:
    _robot(node, "listed", ("pull",))
    _robot(node, "listed-too", ("pull",))
    project = node.request("GET", "/api/v2.0/projects/own", auth=ADMIN).json()["project_id"]

    def listed(name: str) -> list[dict[str, Any]]:
        query = f"q=Level%3Dproject%2CProjectID%3D{project}%2Cname%3D{name}"
        found: list[dict[str, Any]] = node.request("GET", f"/api/v2.0/robots?{query}", auth=ADMIN).json()
        return found

    assert [each["name"] for each in listed("~listed")] == ["robot$own+listed", "robot$own+listed-too"]
    assert listed("listed") == listed("own%2Blisted") == []  # Harbor unescapes twice: this one is "own listed"
    (robot,) = listed("own%252Blisted")
    assert node.request("DELETE", f"/api/v2.0/robots/{robot['id']}", auth=ADMIN).status_code == 200
    assert node.request("GET", f"/api/v2.0/robots/{robot['id']}", auth=ADMIN).status_code == 404


def test_a_secret_that_harbor_would_not_take_is_refused(node: Program) -> None:
    _robot(node, "strict", ("pull",))
    weak = node.request("PATCH", "/api/v2.0/robots/1", json={"secret": "allsmall"}, auth=ADMIN)
    assert weak.status_code == 400


def test_the_catalog_is_for_administrators(node: Program) -> None:
    assert node.request("GET", "/v2/_catalog", auth=ADMIN).status_code == 200
    answer = node.request("GET", "/v2/_catalog")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="harbor"')


def test_a_token_older_than_the_project_does_not_open_it(site: Site, node: Program) -> None:
    token = node.token("repository:own/image:pull")
    site.sql("UPDATE project SET creation_time = now() + interval '2 minutes' WHERE name = 'own'")
    refused = node.request("GET", "/v2/own/image/tags/list", headers={"Authorization": f"Bearer {token}"})
    site.sql("UPDATE project SET creation_time = now() - interval '1 minute' WHERE name = 'own'")
    assert refused.status_code == 401


@stand_in_only("there is nothing that Harbor's own does not have")
def test_what_the_stand_in_does_not_have_it_refuses_by_name(node: Program) -> None:
    answer = node.request("GET", "/api/v2.0/quotas", auth=ADMIN)
    assert answer.status_code == 501
    assert "the lab's stand-in for Harbor" in answer.text
