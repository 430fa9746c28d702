"""Where Harbor's files lie on a hub, and whose they are.

Owns the paths and the folders, with the list from which systemd-tmpfiles makes them. Does not own what is in them.
"""

from dataclasses import dataclass

from render.files import File
from render.harbor.site import Site
from settings import Service

CONFIGURATION = "/etc/evenkeel/harbor"
DATA = "/var/lib/evenkeel/harbor"
RUN = "/run/evenkeel-harbor"
AWAY = f"{RUN}/away"  # while this file is there, the hub's proxy says that the hub is not ready
TMPFILES = "/etc/tmpfiles.d/evenkeel-harbor.conf"
DOCKER_DROP_IN = "/etc/systemd/system/docker.service.d/evenkeel-harbor.conf"

# Harbor's own processes, its nginx and its scanner run as this user, its PostgreSQL and its Redis as the other one.
HARBOR_USER = "10000:10000"
STORE_USER = "999:999"

TRUST = f"{CONFIGURATION}/trust"
TRUSTED_CA = f"{TRUST}/evenkeel.crt"
TRUST_INSIDE = "/harbor_cust_cert"  # the images' entry points add what they find here to the system's authorities


@dataclass(frozen=True)
class Folder:
    """A folder that must be there before a container that mounts it starts."""

    path: str
    mode: str = "0755"
    owner: str = "root:root"


DATA_FOLDERS: dict[Service, tuple[Folder, ...]] = {
    "log": (Folder(f"{DATA}/log", owner=HARBOR_USER),),
    "jobservice": (Folder(f"{DATA}/job_logs", owner=HARBOR_USER),),
    "trivy": (
        Folder(f"{DATA}/trivy"),
        Folder(f"{DATA}/trivy/cache", owner=HARBOR_USER),
        Folder(f"{DATA}/trivy/reports", owner=HARBOR_USER),
    ),
    "db": (Folder(f"{DATA}/database", mode="0700", owner=STORE_USER),),
    "redis": (Folder(f"{DATA}/redis", mode="0700", owner=STORE_USER),),
}


def of(service: Service) -> str:
    """The folder of one service's configuration."""
    return f"{CONFIGURATION}/{service}"


def blobs(site: Site) -> str | None:
    """The folder of the registry's blobs on the hub; None where they are in an object store.

    A folder of its own below the storage's path: it is not there while the path is an empty mount point, and Docker
    then refuses to start the registry, which would otherwise write images where no other hub sees them.
    """
    path = site.harbor.storage.path
    return f"{path}/registry" if path else None


def folders(site: Site) -> list[Folder]:
    """All folders on the hub's own disk, parents first. That of the blobs is not: its mount may not be there yet."""
    configured = [Folder(of(service)) for service in site.services]
    data = [folder for service in site.services for folder in DATA_FOLDERS.get(service, ())]
    return [Folder(RUN), Folder(CONFIGURATION), Folder(TRUST), *configured, Folder(DATA), *data]


def plain_files(site: Site) -> list[File]:
    """What brings the folders back after a reboot, and keeps Docker waiting for the storage until it is mounted."""
    lines = [f"d {folder.path} {folder.mode} {folder.owner.replace(':', ' ')} -" for folder in folders(site)]
    files = [File(TMPFILES, "\n".join(["# Written by Evenkeel: the folders of Harbor's containers.", *lines, ""]))]
    if path := site.harbor.storage.path:
        files.append(File(DOCKER_DROP_IN, DOCKER_DROP_IN_TEXT.format(path=path)))
    return files


DOCKER_DROP_IN_TEXT = """\
# Written by Evenkeel: Harbor's containers start with Docker, and images lie here.
[Unit]
RequiresMountsFor={path}
"""
