"""A hub's proxy: what its nginx.conf says, and what a real nginx does with it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from render.harbor import READY
from tests.ports import free_port
from tests.render.harbor_proxy import Backend, NameServer, ProxyHost, proxy_host
from tests.render.harbor_samples import at, plain, run, secret, stack
from tests.scripts.nginx_host import ENVIRONMENT
from tests.waiting import eventually

FOLDER = "/etc/evenkeel/harbor/proxy"

# Paths that nginx could change on their way to core: clients write a slash in a repository's name as %252F.
PATHS = [
    "/api/v2.0/projects/library/repositories/a%252Fb/artifacts?page=1&page_size=10",
    "/api/v2.0/projects/library/repositories/a%2Fb",
    "/api/v2.0/users?q=name%3D~a%20b%2Bc",
    "/api/v2.0/labels?name=a+b",
    "/api/a%3Fb",
    "/api/a%20b%25c%23d",
    "/api//v2.0/../v2.0/./ping",
    "/api/%E6%AD%A6%E5%BD%93",
    "/api/a$core",
    "/api/a%0Ab",
    "/api/?",
]


def conf(tmp_path: Path, **harbor: Any) -> str:
    """The proxy's nginx.conf."""
    return plain(stack(tmp_path, **harbor))[f"{FOLDER}/nginx.conf"].content


@pytest.fixture
def core() -> Iterator[Backend]:
    """What stands in for core."""
    backend = Backend("core")
    yield backend
    backend.stop()


@pytest.fixture
def registry() -> Iterator[Backend]:
    """What stands in for the registry."""
    backend = Backend("registry")
    yield backend
    backend.stop()


@pytest.fixture
def hub(tmp_path: Path, core: Backend, registry: Backend) -> Iterator[ProxyHost]:
    """A proxy whose services have fixed addresses."""
    changes = {"core:8080": core.at, "portal:8080": core.at, "registry:5000": registry.at}
    with proxy_host(conf(tmp_path), changes) as host:
        yield host


@pytest.mark.parametrize("file", ["proxy", "portal"])
def test_nginx_takes_the_configuration_though_no_other_service_is_there(tmp_path: Path, file: str) -> None:
    """nginx ends when it starts before the names that its upstreams have, and with upstream's file it did."""
    text = plain(stack(tmp_path, exporter=True))[f"/etc/evenkeel/harbor/{file}/nginx.conf"].content
    changes = {"/etc/nginx/mime.types": "/etc/nginx/mime.types", "listen 9090": f"listen {free_port()}"}
    if file == "proxy":
        with proxy_host(text, changes):
            return
    path = tmp_path / "nginx.conf"
    path.write_text(text.replace("/tmp/", f"{tmp_path}/"))
    subprocess.run(["nginx", "-t", "-e", "stderr", "-c", path], check=True, env=ENVIRONMENT, capture_output=True)


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "portal"),
        ("/c/login", "core"),
        ("/api/v2.0/ping", "core"),
        ("/v2/", "core"),
        ("/service/token", "core"),
        ("/harbor/projects", "portal"),
    ],
)
def test_each_path_reaches_its_service(tmp_path: Path, core: Backend, path: str, service: str) -> None:
    portal = Backend("portal")
    with proxy_host(conf(tmp_path), {"core:8080": core.at, "portal:8080": portal.at}) as host:
        assert host.ask(path)[:2] == (200, service)
    portal.stop()


@pytest.mark.parametrize("path", ["/v1/search", "/service/notifications/jobs/1", "/service//notifications/x"])
def test_what_is_not_for_clients_is_not_found(hub: ProxyHost, core: Backend, path: str) -> None:
    assert hub.ask(path)[0] == 404
    assert core.asked == []


def test_paths_reach_core_as_they_do_behind_an_nginx_that_looks_for_core_once(
    tmp_path: Path, hub: ProxyHost, core: Backend
) -> None:
    """There ``proxy_pass http://core/api/;`` makes nginx pass on the path as it understood it; so must ours."""
    text = conf(tmp_path)
    ours = "      rewrite ^ $uri break;\n      proxy_pass http://$core;\n"
    before, location, after = text.partition(f"location /api/ {{\n{ours}")
    assert location
    fixed = f"{before}location /api/ {{\n      proxy_pass http://{core.at}/api/;\n{after}"
    with proxy_host(fixed, hub.changes) as other:
        for path in PATHS:
            other.ask(path)
    wanted = core.asked.copy()
    core.asked.clear()
    for path in PATHS:
        hub.ask(path)
    assert core.asked == wanted
    assert len(wanted) == len(PATHS)


def test_core_that_was_replaced_is_found_at_its_new_address(tmp_path: Path) -> None:
    """nginx went on asking the address that core had when nginx started."""
    names, port = NameServer(), free_port()
    changes = {"core:8080": f"core:{port}", "127.0.0.11": f"127.0.0.1:{names.server_address[1]}"}
    with proxy_host(conf(tmp_path), changes) as host:
        assert host.ask("/v2/")[0] == 502
        for address in ("127.0.0.2", "127.0.0.3"):
            backend = Backend(address, address, port)
            names.addresses["core"] = address
            eventually(lambda: host.ask("/v2/")[1] == address, 30, f"core is found at {address}")  # noqa: B023
            backend.stop()
    names.shutdown()
    names.server_close()


def test_a_hub_is_ready_while_core_and_registry_are_well(hub: ProxyHost, core: Backend) -> None:
    assert hub.ask(READY)[:2] == (200, "core")
    assert core.asked == ["/api/v2.0/ping"]


def test_a_hub_that_takes_its_leave_is_not_ready_though_all_is_well(hub: ProxyHost, core: Backend) -> None:
    hub.away.touch()
    assert hub.ask(READY)[0] == 503
    assert hub.ask("/v2/")[:2] == (200, "core")
    hub.away.unlink()
    assert hub.ask(READY)[0] == 200


@pytest.mark.parametrize("code", [401, 404, 500, 503])
def test_a_hub_whose_core_or_registry_is_ill_is_not_ready(
    hub: ProxyHost, core: Backend, registry: Backend, code: int
) -> None:
    """Harbor's own ping knows nothing of the registry, without which no image is pulled."""
    core.code = code
    assert hub.ask(READY)[0] != 200
    core.code, registry.code = 200, code
    assert hub.ask(READY)[0] != 200


def test_a_hub_whose_registry_is_gone_is_not_ready(hub: ProxyHost, registry: Backend) -> None:
    registry.server_close()
    assert hub.ask(READY)[0] != 200


def test_a_check_can_keep_its_cookie(hub: ProxyHost, core: Backend) -> None:
    """core begins a session in Redis for every request without one."""
    core.cookie = "sid=1; Path=/"
    assert hub.ask(READY)[2]["Set-Cookie"] == "sid=1; Path=/"


def test_checks_are_not_in_the_access_log(hub: ProxyHost) -> None:
    """nginx writes a line after it has answered, and one line after the other."""
    log = hub.root / "access.log"
    hub.ask(READY)
    hub.ask("/v2/")
    eventually(lambda: "/v2/" in log.read_text(), 10, "what a client asked for is in the access log")
    assert READY not in log.read_text()


def test_nobody_asks_for_the_registry_from_outside(hub: ProxyHost, registry: Backend) -> None:
    assert hub.ask(f"{READY}/registry")[0] == 404
    assert registry.asked == []


@pytest.mark.parametrize(
    ("path", "host", "cookie"),
    [
        ("/", "hub.example.com:8443", "sid=1; Path=/; HttpOnly; Secure"),
        ("/c/login", "hub.example.com", "sid=1; Path=/; Secure"),
        ("/api/v2.0/ping", "hub.example.com", "sid=1; Path=/; Secure"),
        ("/service/token", "hub.example.com:8443", "sid=1; Path=/; Secure"),
        ("/v2/", "hub.example.com:8443", "sid=1; Path=/"),
    ],
)
def test_services_see_the_client_and_its_name_for_harbor(
    hub: ProxyHost, core: Backend, path: str, host: str, cookie: str
) -> None:
    core.cookie = "sid=1; Path=/"
    answer = hub.ask(path)
    seen = core.headers[-1]
    assert (seen["Host"], seen["X-Forwarded-Proto"], seen["X-Real-IP"]) == (host, "https", "127.0.0.1")
    assert answer[2]["Set-Cookie"] == cookie
    assert answer[2]["X-Frame-Options"] == "DENY"


def test_layers_pass_through_without_a_copy_on_the_hub(tmp_path: Path) -> None:
    text = conf(tmp_path)
    v2 = text.partition("location /v2/ {")[2].partition("}")[0]
    for directive in (
        "proxy_buffering off;",
        "proxy_request_buffering off;",
        "proxy_send_timeout 900;",
        "proxy_read_timeout 900;",
    ):
        assert directive in v2
    assert "client_max_body_size 0;" in text


def test_plain_http_leads_to_harbor_s_port_and_is_not_published(tmp_path: Path) -> None:
    given = stack(tmp_path, url="https://hub.example.com:8443")
    assert "return 308 https://$host:8443$request_uri;" in plain(given)[f"{FOLDER}/nginx.conf"].content
    assert [(port.external, port.internal) for port in run(given)["proxy"].ports] == [(8443, 8443)]


def test_metrics_are_open_only_with_the_exporter(tmp_path: Path) -> None:
    assert "listen 9090" not in conf(tmp_path)
    given = stack(tmp_path, exporter=True)
    assert "listen 9090;" in plain(given)[f"{FOLDER}/nginx.conf"].content
    assert [(port.external, port.internal) for port in run(given)["proxy"].ports] == [(443, 8443), (9090, 9090)]


@pytest.mark.parametrize("service", ["core", "jobservice", "registry"])
def test_each_service_s_metrics_are_asked_by_its_name(tmp_path: Path, service: str) -> None:
    backend, port = Backend(service), free_port()
    changes = {"listen 9090": f"listen 127.0.0.1:{port}", f"{service}:9090": backend.at}
    with proxy_host(conf(tmp_path, exporter=True), changes):
        url = f"http://127.0.0.1:{port}/metrics?comp={service}"
        answer = subprocess.run(["curl", "-fsS", url], check=True, capture_output=True, text=True).stdout
    backend.stop()
    assert (answer, backend.asked) == (service, [f"/metrics?comp={service}"])


def test_the_proxy_starts_anew_with_another_certificate(tmp_path: Path) -> None:
    """nginx reads it when it starts."""
    given = stack(tmp_path)
    files = {f"{FOLDER}/cert/server.crt": "<server_certificate>", f"{FOLDER}/cert/server.key": "<server_key>"}
    assert {path: secret(given)[path].content for path in files} == files
    assert files.keys() < set(run(given)["proxy"].files)


def test_the_proxy_sees_the_folder_of_the_file_away_and_cannot_write_there(tmp_path: Path) -> None:
    """A file that comes and goes can't be mounted."""
    mounts = [mount for mount in run(stack(tmp_path))["proxy"].mounts if mount.source == "/run/evenkeel-harbor"]
    assert [(mount.target, mount.read_only) for mount in mounts] == [("/run/evenkeel-harbor", True)]


def test_both_versions_have_the_same_proxy(tmp_path: Path) -> None:
    given = stack(tmp_path, exporter=True)
    assert plain(at(given, "2.14.4"))[f"{FOLDER}/nginx.conf"] == plain(given)[f"{FOLDER}/nginx.conf"]
