"""Harbor's core: API, token service, and the front of the registry.

Its folder is mounted as a whole, so that core sees a token key that was moved into place: it reads the key at each
request. A key that is overwritten in place, or mounted as a file of its own, breaks logins.

It takes the token key and the secret key from files, and all its other secrets from its environment.
"""

import hashlib
from operator import attrgetter

from render.files import File
from render.harbor import environment, layout, log, names, redis_url
from render.harbor.container import Container, Mount, Secret, ask
from render.harbor.secrets import REGISTRY_USER, HarborSecrets
from render.harbor.site import Site

FOLDER = layout.of("core")
APP_CONF = f"{FOLDER}/app.conf"
TOKEN_KEY = f"{FOLDER}/private_key.pem"
SECRET_KEY = f"{FOLDER}/key"
DOWNLOADED_CA = f"{FOLDER}/ca/ca.crt"  # what the portal offers as "registry certificate"
# core begins a session in Redis for every request without a cookie.
KEEPS_COOKIES = ("--cookie", "/tmp/health", "--cookie-jar", "/tmp/health")
SYNC_QUOTA_UNTIL = (2, 14)

# Upstream's own lists.
PROXY_CACHE_TYPES = (
    "docker-hub,harbor,azure-acr,ali-acr,aws-ecr,google-gcr,docker-registry,github-ghcr,jfrog-artifactory"
)
REPLICATION_ADAPTERS = (
    "ali-acr,aws-ecr,azure-acr,docker-hub,docker-registry,github-ghcr,google-gcr,harbor,huawei-SWR,jfrog-artifactory,"
    "tencent-tcr,volcengine-cr"
)


def plain_files(site: Site) -> list[File]:
    """core's own configuration file; nearly all of it is in the environment."""
    return [File(APP_CONF, APP_CONF_TEXT, owner=layout.HARBOR_USER)]


def secret_files(site: Site, secrets: HarborSecrets) -> list[File]:
    """The keys. The secret key has no newline: core takes all 16 bytes of the file, and no other number."""
    return [
        File(TOKEN_KEY, secrets.token_key, mode="0600", owner=layout.HARBOR_USER),
        File(SECRET_KEY, secrets.secret_key, mode="0600", owner=layout.HARBOR_USER),
        File(DOWNLOADED_CA, secrets.ca, owner=layout.HARBOR_USER),
    ]


def container(site: Site) -> Container:
    """core reads the certificates and its secret key at its start; the token key at each request."""
    blobs = layout.blobs(site)
    databases = site.harbor.redis.databases
    urls = {"_REDIS_URL_CORE": databases.core, "_REDIS_URL_REG": databases.registry}
    return Container(
        service="core",
        image="harbor-core",
        aliases=("core",),
        log=log.driver("core"),
        user=layout.HARBOR_USER,
        env={**_env(site), **redis_url.plain_env(site, urls)},
        secret_env={**SECRET_ENV, **redis_url.secret_env(site, urls)},
        program="/harbor/entrypoint.sh",
        mounts=(
            environment.mount("core"),
            Mount(layout.TRUST, layout.TRUST_INSIDE),
            *([Mount(blobs, "/data")] if blobs else []),  # the portal shows how much room is left there
        ),
        capabilities=("SETGID", "SETUID"),
        health=ask(f"http://{names.LOCAL}/api/v2.0/ping", *KEEPS_COOKIES),
        after=("db", "redis") if site.runs_stores else (),
        files=(APP_CONF, SECRET_KEY, layout.TRUSTED_CA),
    )


def scanner_prefix(secrets: HarborSecrets) -> str:
    """Marks the scanner's robots: the same on all hubs, and not to be guessed."""
    return hashlib.sha256(f"scanner {secrets.core_secret}".encode()).hexdigest()[:8]


SECRET_ENV: dict[str, Secret] = {
    "HARBOR_ADMIN_PASSWORD": attrgetter("admin_password"),
    "POSTGRESQL_PASSWORD": attrgetter("database_password"),
    "CORE_SECRET": attrgetter("core_secret"),
    "JOBSERVICE_SECRET": attrgetter("jobservice_secret"),
    "CSRF_KEY": attrgetter("csrf_key"),
    "REGISTRY_CREDENTIAL_PASSWORD": attrgetter("registry_password"),
    "ROBOT_SCANNER_NAME_PREFIX": scanner_prefix,
}


def _env(site: Site) -> dict[str, str]:
    return {
        "CONFIG_PATH": "/etc/core/app.conf",
        "KEY_PATH": "/etc/core/key",
        "TOKEN_PRIVATE_KEY_PATH": "/etc/core/private_key.pem",
        "UAA_CA_ROOT": "/etc/core/certificates/uaa_ca.pem",
        "PORT": "8080",
        "LOG_LEVEL": names.LOG_LEVEL,
        "EXT_ENDPOINT": site.harbor.url,
        **_services(site),
        **_database(site),
        "REGISTRY_STORAGE_PROVIDER_NAME": "s3" if site.harbor.storage.s3 else "filesystem",
        "REGISTRY_CREDENTIAL_USERNAME": REGISTRY_USER,
        "READ_ONLY": "false",
        "RELOAD_KEY": "",
        "MAX_JOB_WORKERS": str(names.JOB_WORKERS),
        "WITH_TRIVY": str(site.harbor.trivy).lower(),
        "PERMITTED_REGISTRY_TYPES_FOR_PROXY_CACHE": PROXY_CACHE_TYPES,
        "REPLICATION_ADAPTER_WHITELIST": REPLICATION_ADAPTERS,
        "QUOTA_UPDATE_PROVIDER": "db",
        **names.NO_PROXY,
        **({"SYNC_QUOTA": "true"} if site.version <= SYNC_QUOTA_UNTIL else {}),
        **(_metrics() if site.harbor.exporter else {}),
    }


def _services(site: Site) -> dict[str, str]:
    return {
        "CORE_URL": f"http://{names.CORE}",
        "CORE_LOCAL_URL": "http://127.0.0.1:8080",
        "REGISTRY_URL": f"http://{names.REGISTRY}",
        "REGISTRY_CONTROLLER_URL": f"http://{names.REGISTRYCTL}",
        "JOBSERVICE_URL": f"http://{names.JOBSERVICE}",
        "TOKEN_SERVICE_URL": f"http://{names.CORE}/service/token",
        "PORTAL_URL": f"http://{names.PORTAL}",
        "TRIVY_ADAPTER_URL": f"http://{names.TRIVY}",
    }


def _database(site: Site) -> dict[str, str]:
    database = site.harbor.database
    return {
        "DATABASE_TYPE": "postgresql",
        "POSTGRESQL_HOST": site.database_host,
        "POSTGRESQL_PORT": str(database.port),
        "POSTGRESQL_USERNAME": database.user,
        "POSTGRESQL_DATABASE": database.name,
        "POSTGRESQL_SSLMODE": database.ssl_mode,
        "POSTGRESQL_MAX_IDLE_CONNS": str(site.idle_connections),
        "POSTGRESQL_MAX_OPEN_CONNS": str(site.open_connections),
        "POSTGRESQL_CONN_MAX_LIFETIME": "5m",
        "POSTGRESQL_CONN_MAX_IDLE_TIME": "0",
    }


def _metrics() -> dict[str, str]:
    return {
        "METRIC_ENABLE": "true",
        "METRIC_PATH": names.METRICS_PATH,
        "METRIC_PORT": str(names.METRICS_PORT),
        "METRIC_NAMESPACE": "harbor",
        "METRIC_SUBSYSTEM": "core",
    }


APP_CONF_TEXT = """\
appname = Harbor
runmode = prod
enablegzip = true

[prod]
httpport = 8080
"""
