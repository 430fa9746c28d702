"""Docker's engine on a hub, as pulumi-docker reaches it: through this machine's ``ssh``, to a host that must show the
key which ``components.host`` pins.

Owns the provider. Does not own ssh's options (``render.openssh``) and key (``components.key_file``), nor what runs in
the engine (``components.harbor_node``).
"""

import subprocess

import pulumi
import pulumi_docker as docker

from components.key_file import key_file
from render import openssh
from settings import Host


class DockerEngine:
    """A hub's engine. ``provider`` is for its containers; ``remove`` gets one out of the way that no state knows."""

    def __init__(self, host: Host, parent: pulumi.Resource) -> None:
        self._host = host
        ssh = host.ssh
        self.provider = docker.Provider(
            f"{host.name}-docker",
            host=f"ssh://{ssh.user}@{ssh.host}:{ssh.port}",
            ssh_opts=openssh.options(ssh, key_file(ssh)),
            opts=pulumi.ResourceOptions(parent=parent),
        )

    def remove(self, container: str) -> bool:
        """Whether a container of this name was there and is gone."""
        command = openssh.command(self._host.ssh, key_file(self._host.ssh), ["docker", "rm", "--force", container])
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode == 0
