"""Harbor on one hub: the files that Harbor's own ``prepare`` would write there, and the containers that read them.

Owns what Harbor 2.14 and 2.15 need, one module a service; the two differ in ``core`` (SYNC_QUOTA), ``registry`` (Redis
users), ``trivy`` (where its databases come from) and the bundled stores. Does not own how the secrets come to be, how
files and containers reach a hub, or in which order hubs have their turn (``components``).

Every secret is in a secret file. Where Harbor reads it from its environment only, the container's description names the
variable and how to get its value, and a file has it for ``environment``.
"""

from dataclasses import replace

from render.files import File
from render.harbor import (
    core,
    db,
    environment,
    exporter,
    jobservice,
    layout,
    log,
    portal,
    proxy,
    redis,
    registry,
    registryctl,
    trivy,
)
from render.harbor.container import (
    NETWORK,
    Container,
    HealthCheck,
    LogDriver,
    Mount,
    Port,
    Secret,
)
from render.harbor.layout import Folder
from render.harbor.proxy import READY
from render.harbor.secrets import REGISTRY_USER, HarborSecrets
from render.harbor.site import Site
from settings import Host, Resources, Stack

__all__ = [
    "NETWORK",
    "READY",
    "REGISTRY_USER",
    "Container",
    "Folder",
    "HarborSecrets",
    "HealthCheck",
    "LogDriver",
    "Mount",
    "Port",
    "Secret",
    "blobs",
    "containers",
    "folders",
    "plain_files",
    "secret_files",
]

# In an order in which they can be started.
CONTAINERS = {
    "log": log.container,
    "db": db.container,
    "redis": redis.container,
    "registry": registry.container,
    "registryctl": registryctl.container,
    "portal": portal.container,
    "proxy": proxy.container,
    "core": core.container,
    "jobservice": jobservice.container,
    "trivy": trivy.container,
    "exporter": exporter.container,
}
PLAIN = {
    "core": core.plain_files,
    "registryctl": registryctl.plain_files,
    "jobservice": jobservice.plain_files,
    "portal": portal.plain_files,
    "proxy": proxy.plain_files,
    "log": log.plain_files,
}
SECRET = {
    "core": core.secret_files,
    "registry": registry.secret_files,
    "jobservice": jobservice.secret_files,
    "proxy": proxy.secret_files,
    "db": db.secret_files,
    "redis": redis.secret_files,
}


def plain_files(stack: Stack, hub: Host) -> list[File]:
    """The files of this hub that a preview may show."""
    site = Site.of(stack, hub)
    services = [render(site) for name, render in PLAIN.items() if name in site.services]
    return [*layout.plain_files(site), *(file for files in services for file in files)]


def secret_files(stack: Stack, hub: Host, secrets: HarborSecrets) -> list[File]:
    """The files of this hub that hold secrets, and the certificates that come with them."""
    site = Site.of(stack, hub)
    services = [render(site, secrets) for name, render in SECRET.items() if name in site.services]
    variables = [environment.secret_file(one, secrets) for one in containers(stack, hub) if one.secret_env]
    trusted = File(layout.TRUSTED_CA, secrets.ca + site.harbor.authorities)
    return [trusted, *(file for files in services for file in files), *variables]


def containers(stack: Stack, hub: Host) -> list[Container]:
    """What runs on this hub; each comes after those that it names in ``after``."""
    site = Site.of(stack, hub)
    return [_limited(site, render(site)) for name, render in CONTAINERS.items() if name in site.services]


def folders(stack: Stack, hub: Host) -> list[Folder]:
    """The folders that must be there before the containers are, parents first; TMPFILES lists them too."""
    return layout.folders(Site.of(stack, hub))


def blobs(stack: Stack, hub: Host) -> str | None:
    """The registry's folder on the storage, to be made for HARBOR_USER once it is certain that that is mounted."""
    return layout.blobs(Site.of(stack, hub))


def _limited(site: Site, container: Container) -> Container:
    limits = site.harbor.resources.get(container.service, Resources())
    return replace(container, memory=limits.memory, cpus=limits.cpus)
