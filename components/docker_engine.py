"""Docker's engine on a hub, as pulumi-docker reaches it: through this machine's ``ssh``, to a host that must show the
key which ``components.host`` pins.

Owns the provider and ssh's key. Does not own ssh's options (``render.openssh``), nor what runs in the engine
(``components.harbor_node``).

``ssh`` reads keys from files only. A key that is kept in the stack's configuration is therefore laid into a file of
this user's own, in memory where there is such a place, and stays there: the engine deletes containers after the program
has ended. No preview connects to anything, so none writes the file.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pulumi
import pulumi_docker as docker

from render import openssh
from settings import Host, Ssh


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


def key_file(ssh: Ssh) -> str:
    """The key's file, under a name that is the same in every run: another one would be a change of the provider."""
    if ssh.private_key_file is not None:
        return ssh.private_key_file
    folder = _own_folder()
    path = folder / f"{pulumi.get_project()}-{pulumi.get_stack()}.key"
    if not pulumi.runtime.is_dry_run():
        _write(path, ssh.private_key.get_secret_value())
    return str(path)


def _own_folder() -> Path:
    memory = os.environ.get("XDG_RUNTIME_DIR") or ("/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir())
    return Path(memory) / f"evenkeel-{os.getuid()}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.is_symlink() or path.parent.stat().st_uid != os.getuid():
        raise pulumi.RunError(f"{path.parent}: belongs to somebody else; remove it, or set XDG_RUNTIME_DIR")
    path.parent.chmod(0o700)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text if text.endswith("\n") else f"{text}\n")
    shutil.move(new, path)
