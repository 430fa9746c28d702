"""core's files and environment, against what upstream's templates have for it."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.render.harbor_samples import (
    REDIS_PASSWORD,
    S3,
    SECRETS,
    SENTINELS,
    bundled,
    environment,
    plain,
    run,
    secret,
    stack,
)

# The names in upstream's core/env.jinja that stand there whatever harbor.yml says.
UPSTREAM = """
    CONFIG_PATH UAA_CA_ROOT _REDIS_URL_CORE _REDIS_URL_REG LOG_LEVEL EXT_ENDPOINT DATABASE_TYPE POSTGRESQL_HOST
    POSTGRESQL_PORT POSTGRESQL_USERNAME POSTGRESQL_PASSWORD POSTGRESQL_DATABASE POSTGRESQL_SSLMODE
    POSTGRESQL_MAX_IDLE_CONNS POSTGRESQL_MAX_OPEN_CONNS POSTGRESQL_CONN_MAX_LIFETIME
    POSTGRESQL_CONN_MAX_IDLE_TIME REGISTRY_URL PORTAL_URL TOKEN_SERVICE_URL HARBOR_ADMIN_PASSWORD
    MAX_JOB_WORKERS CORE_SECRET JOBSERVICE_SECRET WITH_TRIVY CORE_URL CORE_LOCAL_URL JOBSERVICE_URL
    TRIVY_ADAPTER_URL REGISTRY_STORAGE_PROVIDER_NAME READ_ONLY RELOAD_KEY REGISTRY_CONTROLLER_URL
    REGISTRY_CREDENTIAL_USERNAME REGISTRY_CREDENTIAL_PASSWORD CSRF_KEY ROBOT_SCANNER_NAME_PREFIX
    PERMITTED_REGISTRY_TYPES_FOR_PROXY_CACHE REPLICATION_ADAPTER_WHITELIST HTTP_PROXY HTTPS_PROXY NO_PROXY PORT
    QUOTA_UPDATE_PROVIDER
"""


def test_every_variable_of_upstream_s_core_is_there(tmp_path: Path) -> None:
    upstream, own = set(UPSTREAM.split()), {"KEY_PATH", "TOKEN_PRIVATE_KEY_PATH"}
    assert environment(stack(tmp_path), "core").keys() == upstream | own
    assert environment(stack(tmp_path, "2.14.4"), "core").keys() == upstream | own | {"SYNC_QUOTA"}
    metrics = {f"METRIC_{name}" for name in ("ENABLE", "PATH", "PORT", "NAMESPACE", "SUBSYSTEM")}
    assert environment(stack(tmp_path, exporter=True), "core").keys() == upstream | own | metrics


def test_core_is_told_of_the_stores_and_of_the_url_that_clients_use(tmp_path: Path) -> None:
    told = environment(stack(tmp_path, url="https://hub.example.com:8443", trivy=True, storage=S3), "core")
    assert {
        "EXT_ENDPOINT": "https://hub.example.com:8443",
        "POSTGRESQL_HOST": "192.0.2.51",
        "POSTGRESQL_PORT": "5432",
        "POSTGRESQL_USERNAME": "harbor",
        "POSTGRESQL_DATABASE": "registry",
        "POSTGRESQL_SSLMODE": "require",
        "WITH_TRIVY": "true",
        "REGISTRY_STORAGE_PROVIDER_NAME": "s3",
        "HARBOR_ADMIN_PASSWORD": "<admin_password>",
        "POSTGRESQL_PASSWORD": "<database_password>",
        "CSRF_KEY": "<csrf_key>",
    }.items() <= told.items()


@pytest.mark.parametrize(
    ("redis", "password", "core", "registry"),
    [
        ({"addresses": ["192.0.2.52:6379"]}, "", "redis://192.0.2.52:6379", "redis://192.0.2.52:6379/2"),
        (
            {"addresses": ["192.0.2.52:6379"]},
            REDIS_PASSWORD,
            "redis://:p%40ss%2Fw%3Ard%20%22q@192.0.2.52:6379",
            "redis://:p%40ss%2Fw%3Ard%20%22q@192.0.2.52:6379/2",
        ),
        (
            {"addresses": ["192.0.2.52:6379"], "username": "harbor", "databases": {"registry": 8}},
            "pw",
            "redis://harbor:pw@192.0.2.52:6379",
            "redis://harbor:pw@192.0.2.52:6379/8",
        ),
        (
            SENTINELS,
            "pw",
            "redis+sentinel://:pw@192.0.2.52:26379,192.0.2.53:26379/mymaster",
            "redis+sentinel://:pw@192.0.2.52:26379,192.0.2.53:26379/mymaster/2",
        ),
        (
            SENTINELS,
            "",
            "redis+sentinel://192.0.2.52:26379,192.0.2.53:26379/mymaster",
            "redis+sentinel://192.0.2.52:26379,192.0.2.53:26379/mymaster/2",
        ),
    ],
)
def test_redis_is_found_by_upstream_s_urls(
    tmp_path: Path, redis: dict[str, object], password: str, core: str, registry: str
) -> None:
    given = stack(tmp_path, redis=redis, redisPassword=password)
    told = environment(given, "core", secrets=replace(SECRETS, redis_password=password))
    assert told["_REDIS_URL_CORE"] == f"{core}?idle_timeout_seconds=30"
    assert told["_REDIS_URL_REG"] == f"{registry}?idle_timeout_seconds=30"


def test_a_preview_shows_where_redis_is_when_no_password_is_in_the_url(tmp_path: Path) -> None:
    assert "_REDIS_URL_CORE" in run(stack(tmp_path))["core"].env
    assert "_REDIS_URL_CORE" in run(stack(tmp_path, redisPassword="pw"))["core"].secret_env


def test_the_secret_key_has_no_newline(tmp_path: Path) -> None:
    """core takes all bytes of the file; the 17th is a 500 on every use of a stored credential."""
    secrets = replace(SECRETS, secret_key="0123456789abcdef")
    file = secret(stack(tmp_path), secrets=secrets)["/etc/evenkeel/harbor/core/key"]
    assert file.content == "0123456789abcdef"


def test_the_token_key_is_mounted_as_part_of_a_folder_so_that_a_rename_is_seen(tmp_path: Path) -> None:
    """core reads it at each request, but a file of its own would stay the old one until the container is replaced."""
    path = "/etc/evenkeel/harbor/core/private_key.pem"
    given = stack(tmp_path)
    core = run(given)["core"]
    assert path in secret(given)
    assert [mount.target for mount in core.mounts if path.startswith(f"{mount.source}/")] == ["/etc/core"]
    assert path not in [mount.source for mount in core.mounts]
    assert core.env["TOKEN_PRIVATE_KEY_PATH"] == "/etc/core/private_key.pem"
    assert path not in core.files


def test_core_starts_anew_for_its_configuration_and_its_secret_key(tmp_path: Path) -> None:
    assert run(stack(tmp_path))["core"].files == (
        "/etc/evenkeel/harbor/core/app.conf",
        "/etc/evenkeel/harbor/core/key",
        "/etc/evenkeel/harbor/trust/evenkeel.crt",
    )


def test_docker_s_own_pings_share_one_session(tmp_path: Path) -> None:
    """core begins a session in Redis for every request without a cookie: 360 an hour for each hub."""
    health = run(stack(tmp_path))["core"].health
    assert health is not None
    assert {"--cookie", "--cookie-jar"} < set(health.test)


def test_core_offers_the_authority_for_download(tmp_path: Path) -> None:
    """Harbor's portal links /etc/core/ca/ca.crt as the registry's certificate."""
    assert secret(stack(tmp_path))["/etc/evenkeel/harbor/core/ca/ca.crt"].content == "<ca>"


def test_core_listens_on_8080(tmp_path: Path) -> None:
    text = plain(stack(tmp_path))["/etc/evenkeel/harbor/core/app.conf"].content
    assert "runmode = prod" in text.splitlines()
    assert text.endswith("[prod]\nhttpport = 8080\n")


def test_the_mark_of_the_scanner_s_robots_is_the_same_on_all_hubs_and_tells_nothing(tmp_path: Path) -> None:
    """Upstream draws it anew on each node."""
    marks = {environment(stack(tmp_path), "core", name)["ROBOT_SCANNER_NAME_PREFIX"] for name in ("hub1", "hub2")}
    assert len(marks) == 1
    assert len(marks.pop()) == 8


def test_hubs_share_the_bundled_postgresql_s_connections(tmp_path: Path) -> None:
    """It takes 1,024; upstream lets one node have 900."""
    told = environment(bundled(tmp_path), "core")
    assert (told["POSTGRESQL_MAX_IDLE_CONNS"], told["POSTGRESQL_MAX_OPEN_CONNS"]) == ("50", "450")


def test_the_bundled_stores_are_found_by_name_on_their_hub_and_by_address_on_the_others(tmp_path: Path) -> None:
    given = bundled(tmp_path)
    hosts = [environment(given, "core", name)["POSTGRESQL_HOST"] for name in ("hub1", "hub2")]
    assert hosts == ["postgresql", "192.0.2.41"]
    urls = [environment(given, "core", name)["_REDIS_URL_CORE"].partition("@")[2] for name in ("hub1", "hub2")]
    assert urls == ["redis:6379?idle_timeout_seconds=30", "192.0.2.41:6379?idle_timeout_seconds=30"]
