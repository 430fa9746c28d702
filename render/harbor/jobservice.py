"""Harbor's job service: replication, garbage collection, retention, scans.

Writes jobs' logs to the database. With upstream's FILE logger a job's log would be on the one hub that ran it, and
the others would answer 404. Dies while core is away, hence ``after``.

It takes its secrets from its environment, but for the password of Redis: that is in its configuration file, which is a
secret file then.
"""

from operator import attrgetter

from render.files import File
from render.harbor import environment, layout, log, names, redis_url
from render.harbor.container import Container, Mount, Secret, ask
from render.harbor.secrets import REGISTRY_USER, HarborSecrets
from render.harbor.site import Site
from render.yaml_text import yaml_text

FOLDER = layout.of("jobservice")
CONFIG = f"{FOLDER}/config.yml"
NAMESPACE = "harbor_job_service_namespace"
LEVEL = names.LOG_LEVEL.upper()
LOG_DAYS = 1

SECRET_ENV: dict[str, Secret] = {
    "CORE_SECRET": attrgetter("core_secret"),
    "JOBSERVICE_SECRET": attrgetter("jobservice_secret"),
    "REGISTRY_CREDENTIAL_PASSWORD": attrgetter("registry_password"),
}


def plain_files(site: Site) -> list[File]:
    """The configuration, where no password is in it."""
    return [] if site.redis_password else [_config(site, "")]


def secret_files(site: Site, secrets: HarborSecrets) -> list[File]:
    """The configuration, where the password of Redis is in it."""
    return [_config(site, secrets.redis_password)] if site.redis_password else []


def container(site: Site) -> Container:
    """Its folder of logs stays, for what jobs export."""
    return Container(
        service="jobservice",
        image="harbor-jobservice",
        aliases=("jobservice",),
        log=log.driver("jobservice"),
        user=layout.HARBOR_USER,
        env=_env(site),
        secret_env=SECRET_ENV,
        program="/harbor/entrypoint.sh",
        mounts=(
            environment.mount("jobservice"),
            Mount(layout.TRUST, layout.TRUST_INSIDE),
            Mount(f"{layout.DATA}/job_logs", "/var/log/jobs", read_only=False),
        ),
        capabilities=("CHOWN", "SETGID", "SETUID"),
        health=ask(f"http://{names.LOCAL}/api/v1/stats"),
        after=("core",),
        files=(CONFIG, layout.TRUSTED_CA),
    )


def _env(site: Site) -> dict[str, str]:
    return {
        "CORE_URL": f"http://{names.CORE}",
        "REGISTRY_URL": f"http://{names.REGISTRY}",
        "REGISTRY_CONTROLLER_URL": f"http://{names.REGISTRYCTL}",
        "REGISTRY_CREDENTIAL_USERNAME": REGISTRY_USER,
        "JOBSERVICE_WEBHOOK_JOB_MAX_RETRY": "3",
        "JOBSERVICE_WEBHOOK_JOB_HTTP_CLIENT_TIMEOUT": "3",
        "LOG_LEVEL": names.LOG_LEVEL,
        **names.NO_PROXY,
        **({"METRIC_NAMESPACE": "harbor", "METRIC_SUBSYSTEM": "jobservice"} if site.harbor.exporter else {}),
    }


def _config(site: Site, password: str) -> File:
    redis = redis_url.url(site, site.harbor.redis.databases.jobservice, password)
    metrics = {"enabled": True, "path": names.METRICS_PATH, "port": names.METRICS_PORT}
    config = {
        "protocol": "http",
        "port": 8080,
        "worker_pool": {
            "workers": names.JOB_WORKERS,
            "backend": "redis",
            "redis_pool": {"redis_url": redis, "namespace": NAMESPACE, "idle_timeout_second": 3600},
        },
        "job_loggers": [
            {"name": "STD_OUTPUT", "level": LEVEL},
            {"name": "DB", "level": LEVEL, "sweeper": {"duration": LOG_DAYS}},
        ],
        "loggers": [{"name": "STD_OUTPUT", "level": LEVEL}],
        **({"metric": metrics} if site.harbor.exporter else {}),
        "reaper": {"max_update_hours": 24, "max_dangling_hours": 168},
        "max_retrieve_size_mb": 10,
    }
    text = yaml_text(config)
    return File(CONFIG, text, mode="0600" if password else "0644", owner=layout.HARBOR_USER)
