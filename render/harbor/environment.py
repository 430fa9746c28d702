"""A container's secret variables: a file of the hub, which a shell in it reads before it becomes the service.

Harbor takes some secrets from its environment only. Docker shows the environment that it was given to everybody whom it
answers, and pulumi-docker writes what Docker shows into its log. It shows neither a file nor what a process has in its
environment besides. Owns that file and how it is read. Does not own which variables there are: the module of each
service does.
"""

from render.files import File
from render.harbor import layout
from render.harbor.container import Container, Mount
from render.harbor.secrets import HarborSecrets
from render.scripts import assignments
from settings import Service

NAME = "environment"


def mount(service: Service) -> Mount:
    """The folder of the service's own files inside its container, the file of its secret variables among them."""
    return Mount(layout.of(service), inside(service))


def inside(service: Service) -> str:
    """Where ``mount`` has the folder."""
    return f"/etc/{service}"


def secret_file(container: Container, secrets: HarborSecrets) -> File:
    """The variables as shell lines."""
    text = assignments(container.secret_values(secrets))
    return File(f"{layout.of(container.service)}/{NAME}", text, mode="0600", owner=layout.HARBOR_USER)


def entrypoint(container: Container) -> tuple[str, ...] | None:
    """In place of the image's own, which it runs in the end; None where there is nothing to be read before."""
    if not container.secret_env:
        return None
    return ("/bin/sh", "-c", f"set -a; . {inside(container.service)}/{NAME}; exec {container.program}")
