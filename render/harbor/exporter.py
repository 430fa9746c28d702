"""Harbor's exporter of metrics, by choice; core, jobservice and registry then publish theirs too.

It takes its secrets from its environment, as all its settings.
"""

from operator import attrgetter

from render.harbor import environment, layout, log, names, redis_url
from render.harbor.container import Container, Mount
from render.harbor.jobservice import NAMESPACE
from render.harbor.site import Site


def container(site: Site) -> Container:
    """Its image has no health check. Upstream leaves it all of Docker's capabilities; it needs none."""
    urls = {"HARBOR_REDIS_URL": site.harbor.redis.databases.jobservice}
    return Container(
        service="exporter",
        image="harbor-exporter",
        aliases=("exporter",),
        log=log.driver("exporter"),
        user=layout.HARBOR_USER,
        env={**_env(site), **redis_url.plain_env(site, urls)},
        secret_env={"HARBOR_DATABASE_PASSWORD": attrgetter("database_password"), **redis_url.secret_env(site, urls)},
        program="/harbor/entrypoint.sh",
        mounts=(environment.mount("exporter"), Mount(layout.TRUST, layout.TRUST_INSIDE)),
        after=("core",),
        files=(layout.TRUSTED_CA,),
    )


def _env(site: Site) -> dict[str, str]:
    database = site.harbor.database
    core_host, _, core_port = names.CORE.partition(":")
    return {
        "LOG_LEVEL": names.LOG_LEVEL,
        "HARBOR_EXPORTER_PORT": "8080",
        "HARBOR_EXPORTER_METRICS_PATH": "/metrics",
        "HARBOR_EXPORTER_METRICS_ENABLED": "true",
        "HARBOR_EXPORTER_MAX_REQUESTS": "30",
        "HARBOR_EXPORTER_CACHE_TIME": "23",
        "HARBOR_EXPORTER_CACHE_CLEAN_INTERVAL": "14400",
        "HARBOR_METRIC_NAMESPACE": "harbor",
        "HARBOR_METRIC_SUBSYSTEM": "exporter",
        "HARBOR_SERVICE_SCHEME": "http",
        "HARBOR_SERVICE_HOST": core_host,
        "HARBOR_SERVICE_PORT": core_port,
        "HARBOR_REDIS_NAMESPACE": NAMESPACE,
        "HARBOR_REDIS_TIMEOUT": "3600",
        "HARBOR_DATABASE_HOST": site.database_host,
        "HARBOR_DATABASE_PORT": str(database.port),
        "HARBOR_DATABASE_USERNAME": database.user,
        "HARBOR_DATABASE_DBNAME": database.name,
        "HARBOR_DATABASE_SSLMODE": database.ssl_mode,
        "HARBOR_DATABASE_MAX_IDLE_CONNS": str(site.idle_connections),
        "HARBOR_DATABASE_MAX_OPEN_CONNS": str(site.open_connections),
        "HARBOR_DATABASE_CONN_MAX_LIFETIME": "5m",
        "HARBOR_DATABASE_CONN_MAX_IDLE_TIME": "0",
    }
