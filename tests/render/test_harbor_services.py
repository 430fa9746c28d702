"""The small services: jobservice, log, portal, trivy, exporter, and the bundled stores."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.render.harbor_samples import REDIS_PASSWORD, SECRETS, bundled, environment, plain, run, secret, stack

JOBSERVICE = "/etc/evenkeel/harbor/jobservice/config.yml"
UPSTREAM_JOBSERVICE = """
    CORE_SECRET REGISTRY_URL JOBSERVICE_SECRET CORE_URL REGISTRY_CONTROLLER_URL JOBSERVICE_WEBHOOK_JOB_MAX_RETRY
    JOBSERVICE_WEBHOOK_JOB_HTTP_CLIENT_TIMEOUT LOG_LEVEL HTTP_PROXY HTTPS_PROXY NO_PROXY REGISTRY_CREDENTIAL_USERNAME
    REGISTRY_CREDENTIAL_PASSWORD
"""


def test_the_jobservice_s_configuration_is_upstream_s_but_for_where_logs_go(tmp_path: Path) -> None:
    """A log in a file is on the hub that ran the job; the others would answer 404."""
    config = yaml.safe_load(plain(stack(tmp_path))[JOBSERVICE].content)
    assert config == {
        "protocol": "http",
        "port": 8080,
        "worker_pool": {
            "workers": 10,
            "backend": "redis",
            "redis_pool": {
                "redis_url": "redis://192.0.2.52:6379/1?idle_timeout_seconds=30",
                "namespace": "harbor_job_service_namespace",
                "idle_timeout_second": 3600,
            },
        },
        "job_loggers": [
            {"name": "STD_OUTPUT", "level": "INFO"},
            {"name": "DB", "level": "INFO", "sweeper": {"duration": 1}},
        ],
        "loggers": [{"name": "STD_OUTPUT", "level": "INFO"}],
        "reaper": {"max_update_hours": 24, "max_dangling_hours": 168},
        "max_retrieve_size_mb": 10,
    }


def test_with_a_password_of_redis_the_jobservice_s_configuration_is_a_secret_file(tmp_path: Path) -> None:
    given = stack(tmp_path, redisPassword=REDIS_PASSWORD)
    assert JOBSERVICE not in plain(given)
    file = secret(given, secrets=replace(SECRETS, redis_password=REDIS_PASSWORD))[JOBSERVICE]
    assert file.mode == "0600"
    url = yaml.safe_load(file.content)["worker_pool"]["redis_pool"]["redis_url"]
    assert url == "redis://:p%40ss%2Fw%3Ard%20%22q@192.0.2.52:6379/1?idle_timeout_seconds=30"
    assert JOBSERVICE not in secret(stack(tmp_path))


def test_the_jobservice_starts_when_core_is_well(tmp_path: Path) -> None:
    """It ends when core does not answer it."""
    assert run(stack(tmp_path))["jobservice"].after == ("core",)


def test_every_variable_of_upstream_s_jobservice_and_registryctl_is_there(tmp_path: Path) -> None:
    given = stack(tmp_path)
    assert environment(given, "jobservice").keys() == set(UPSTREAM_JOBSERVICE.split())
    assert environment(given, "registryctl").keys() == {"CORE_SECRET", "JOBSERVICE_SECRET"}


@pytest.mark.parametrize("name", ["CORE_SECRET", "JOBSERVICE_SECRET"])
def test_services_that_talk_to_each_other_share_their_secrets(tmp_path: Path, name: str) -> None:
    given = stack(tmp_path)
    services = ("core", "jobservice", "registryctl")
    assert {environment(given, service)[name] for service in services} == {f"<{name.lower()}>"}


def test_an_outbound_proxy_is_never_asked_for_harbor_s_own_services(tmp_path: Path) -> None:
    given = run(stack(tmp_path, trivy=True))
    asked = {alias for container in given.values() for alias in container.aliases}
    for service in ("core", "jobservice", "trivy"):
        assert asked - {"proxy"} <= set(given[service].env["NO_PROXY"].split(","))


def test_logs_are_one_file_a_service_and_rotated(tmp_path: Path) -> None:
    files = plain(stack(tmp_path))
    assert '"/var/log/docker/%programname%.log"' in files["/etc/evenkeel/harbor/log/rsyslog_docker.conf"].content
    rotation = files["/etc/evenkeel/harbor/log/logrotate.conf"].content.split()
    assert rotation[:6] == ["/var/log/docker/*.log", "{", "rotate", "50", "size", "200M"]
    assert {"copytruncate", "compress", "missingok", "nodateext"} < set(rotation)


def test_logrotate_takes_its_configuration(tmp_path: Path) -> None:
    """It refuses a file that is neither root's nor that of the user it runs as, or that others may write."""
    file = plain(stack(tmp_path))["/etc/evenkeel/harbor/log/logrotate.conf"]
    assert (file.mode, file.owner) == ("0644", "10000:10000")


def test_the_log_listens_on_the_hub_s_loopback_only(tmp_path: Path) -> None:
    (port,) = run(stack(tmp_path))["log"].ports
    assert (port.address, port.external, port.internal, port.protocol) == ("127.0.0.1", 1514, 10514, "udp")


def test_the_portal_serves_the_files_of_its_image(tmp_path: Path) -> None:
    given = stack(tmp_path)
    text = plain(given)["/etc/evenkeel/harbor/portal/nginx.conf"].content
    assert "root   /usr/share/nginx/html;" in text
    assert [mount.target for mount in run(given)["portal"].mounts] == ["/etc/nginx/nginx.conf"]


def test_the_scanner_keeps_its_database_and_its_queue_in_redis(tmp_path: Path) -> None:
    told = environment(stack(tmp_path, trivy=True), "trivy")
    urls = {told[name] for name in ("SCANNER_REDIS_URL", "SCANNER_STORE_REDIS_URL", "SCANNER_JOB_QUEUE_REDIS_URL")}
    assert urls == {"redis://192.0.2.52:6379/5?idle_timeout_seconds=30"}


def test_the_exporter_asks_core_the_database_and_the_jobservice_s_redis(tmp_path: Path) -> None:
    told = environment(stack(tmp_path, exporter=True), "exporter")
    assert {
        "HARBOR_SERVICE_SCHEME": "http",
        "HARBOR_SERVICE_HOST": "core",
        "HARBOR_SERVICE_PORT": "8080",
        "HARBOR_DATABASE_HOST": "192.0.2.51",
        "HARBOR_DATABASE_PASSWORD": "<database_password>",
        "HARBOR_REDIS_URL": "redis://192.0.2.52:6379/1?idle_timeout_seconds=30",
        "HARBOR_REDIS_NAMESPACE": "harbor_job_service_namespace",
    }.items() <= told.items()


def test_the_bundled_stores_are_open_to_the_other_hubs_only_where_there_are_any(tmp_path: Path) -> None:
    given = run(bundled(tmp_path))
    assert [(port.address, port.external) for port in given["db"].ports] == [("192.0.2.41", 5432)]
    assert [(port.address, port.external) for port in given["redis"].ports] == [("192.0.2.41", 6379)]


def test_the_bundled_postgresql_s_password_is_a_file(tmp_path: Path) -> None:
    given = bundled(tmp_path)
    db = run(given)["db"]
    file = secret(given)["/etc/evenkeel/harbor/db/password"]
    assert (file.content, file.mode, file.owner) == ("<database_password>", "0600", "999:999")
    assert db.env == {"POSTGRES_PASSWORD_FILE": "/etc/postgresql/password"}
    assert db.secret_env == {}


def test_the_bundled_postgresql_has_upstream_s_gigabyte_of_shared_memory(tmp_path: Path) -> None:
    assert run(bundled(tmp_path))["db"].shared_memory == 1024


@pytest.mark.parametrize(("version", "client"), [("2.14.4", "redis-cli"), ("2.15.2", "valkey-cli")])
def test_the_bundled_redis_is_asked_with_its_own_client(tmp_path: Path, version: str, client: str) -> None:
    health = run(bundled(tmp_path, version))["redis"].health
    assert health is not None
    assert health.test[1].startswith(f"{client} -h 127.0.0.1 ping ")


def test_the_bundled_redis_wants_its_password(tmp_path: Path) -> None:
    """Upstream's has none: there, nobody but the containers of one host reaches it."""
    secrets = replace(SECRETS, redis_password='a"b\\c')
    text = secret(bundled(tmp_path), secrets=secrets)["/etc/evenkeel/harbor/redis/redis.conf"].content
    assert 'requirepass "a\\"b\\\\c"' in text.splitlines()
