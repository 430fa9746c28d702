"""Harbor's scanner, by choice. Each hub keeps a vulnerability database of its own.

It takes all its settings from its environment, the password of Redis in the URLs among them.
"""

from render.harbor import environment, layout, log, names, redis_url
from render.harbor.container import Container, Mount, ask
from render.harbor.site import Site

CACHE = "/home/scanner/.cache"
URLS = ("SCANNER_REDIS_URL", "SCANNER_STORE_REDIS_URL", "SCANNER_JOB_QUEUE_REDIS_URL")
REPOSITORIES_FROM = (2, 15)
REPOSITORIES = {
    "SCANNER_TRIVY_DB_REPOSITORY": "ghcr.io/aquasecurity/trivy-db",
    "SCANNER_TRIVY_JAVA_DB_REPOSITORY": "ghcr.io/aquasecurity/trivy-java-db",
}


def container(site: Site) -> Container:
    """All of it is in the environment."""
    urls = dict.fromkeys(URLS, site.harbor.redis.databases.trivy)
    return Container(
        service="trivy",
        image="harbor-trivy",
        aliases=("trivy-adapter",),
        log=log.driver("trivy-adapter"),
        user=layout.HARBOR_USER,
        env={**_env(site), **redis_url.plain_env(site, urls)},
        secret_env=redis_url.secret_env(site, urls),
        program="/home/scanner/entrypoint.sh",
        mounts=(
            environment.mount("trivy"),
            Mount(f"{layout.DATA}/trivy/cache", f"{CACHE}/trivy", read_only=False),
            Mount(f"{layout.DATA}/trivy/reports", f"{CACHE}/reports", read_only=False),
            Mount(layout.TRUST, layout.TRUST_INSIDE),
        ),
        health=ask(f"http://{names.LOCAL}/probe/healthy"),
        after=("redis",) if site.runs_stores else (),
        files=(layout.TRUSTED_CA,),
    )


def _env(site: Site) -> dict[str, str]:
    return {
        "SCANNER_LOG_LEVEL": names.LOG_LEVEL,
        "SCANNER_STORE_REDIS_NAMESPACE": "harbor.scanner.trivy:store",
        "SCANNER_JOB_QUEUE_REDIS_NAMESPACE": "harbor.scanner.trivy:job-queue",
        "SCANNER_TRIVY_CACHE_DIR": f"{CACHE}/trivy",
        "SCANNER_TRIVY_REPORTS_DIR": f"{CACHE}/reports",
        "SCANNER_TRIVY_VULN_TYPE": "os,library",
        "SCANNER_TRIVY_SEVERITY": "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL",
        "SCANNER_TRIVY_IGNORE_UNFIXED": "false",
        "SCANNER_TRIVY_SKIP_UPDATE": "false",
        "SCANNER_TRIVY_SKIP_JAVA_DB_UPDATE": "false",
        "SCANNER_TRIVY_OFFLINE_SCAN": "false",
        "SCANNER_TRIVY_SECURITY_CHECKS": "vuln",
        "SCANNER_TRIVY_GITHUB_TOKEN": "",
        "SCANNER_TRIVY_INSECURE": "false",
        "SCANNER_TRIVY_TIMEOUT": "5m0s",
        **names.NO_PROXY,
        **(REPOSITORIES if site.version >= REPOSITORIES_FROM else {}),
    }
