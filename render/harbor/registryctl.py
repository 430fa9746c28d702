"""The registry's controller: deletes blobs for garbage collection, through the registry's own configuration.

It takes its secrets from its environment.
"""

from operator import attrgetter

from render.files import File
from render.harbor import environment, layout, log, names, registry
from render.harbor.container import Container, Secret, ask
from render.harbor.site import Site
from render.yaml_text import yaml_text

FOLDER = layout.of("registryctl")
CONFIG = f"{FOLDER}/config.yml"

SECRET_ENV: dict[str, Secret] = {
    "CORE_SECRET": attrgetter("core_secret"),
    "JOBSERVICE_SECRET": attrgetter("jobservice_secret"),
}


def plain_files(site: Site) -> list[File]:
    """Its own configuration; where the blobs are it reads from the registry's."""
    config = {
        "protocol": "http",
        "port": 8080,
        "log_level": names.LOG_LEVEL,
        "registry_config": f"{registry.INSIDE}/config.yml",
    }
    return [File(CONFIG, yaml_text(config), owner=layout.HARBOR_USER)]


def container(site: Site) -> Container:
    """Sees what the registry sees."""
    return Container(
        service="registryctl",
        image="harbor-registryctl",
        aliases=("registryctl",),
        log=log.driver("registryctl"),
        user=layout.HARBOR_USER,
        secret_env=SECRET_ENV,
        program="/home/harbor/start.sh",
        mounts=(*registry.mounts(site), environment.mount("registryctl")),
        capabilities=("CHOWN", "SETGID", "SETUID"),
        health=ask(f"http://{names.LOCAL}/api/health"),
        files=(CONFIG, registry.CONFIG, layout.TRUSTED_CA),
    )
