"""A host with a Docker engine of its own, reached over SSH, and a registry beside it: what the docker plugin talks to.

The engine has its data, network and socket to itself, so that neither the lab's nor the machine's notices it. Owns no
expectation: the tests do.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lab import toolchain
from lab.mirror import closure
from lab.packages import SYSTEM_PATH
from tests.plugins.sshd import USER, Sshd
from tests.ports import free_port

START_SECONDS = 60
STOP_SECONDS = 30
PROGRAMS = ("sh", "sleep", "cat", "touch", "env", "id", "getent", "sha256sum")
RESIDENT = b"#!/bin/sh\ntrap 'echo by TERM >/out/ended; exit' TERM\nwhile :; do sleep 0.1; done\n"
PASSWD = b"root:x:0:0::/:/bin/sh\n"
REGISTRY = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: '127.0.0.1:{port}', secret: uploads of one test session}}
"""

Json = dict[str, Any]


@dataclass
class DockerHost:
    """A running engine, the SSH server in front of it, and two images of its registry."""

    folder: Path
    sshd: Sshd
    socket: Path
    images: tuple[str, str]

    def connection(self, **changes: Any) -> Json:
        """The inputs of a provider for this host: the host's key is pinned, and the user's comes from a file."""
        inputs = {"host": f"ssh://{USER}@127.0.0.1:{self.sshd.port}", "ssh_opts": self.ssh_options(self.sshd.host_key)}
        return inputs | changes

    def ssh_options(self, host_key: str) -> list[str]:
        """What `ssh` is given so that it takes this host key only, and this user's key only."""
        settings = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": "none",
            "GlobalKnownHostsFile": "none",
            "KnownHostsCommand": f"/bin/echo %H {host_key}",
            "IdentitiesOnly": "yes",
            "IdentityFile": str(self.key_file),
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    @property
    def key_file(self) -> Path:
        return self.folder / "id"

    def docker(self, *arguments: str, stdin: bytes | None = None, check: bool = True) -> str:
        """What the docker command says to this engine, on its standard output."""
        command = ["docker", f"--host=unix://{self.socket}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def inspect(self, name: str) -> Json:
        """All that the engine says of a container."""
        found: list[Json] = json.loads(self.docker("container", "inspect", name))
        return found[0]

    def containers(self) -> list[str]:
        """The names of all containers."""
        return self.docker("ps", "--all", "--format", "{{.Names}}").split()

    def clear(self) -> None:
        """Removes what a test left behind."""
        for kind in ("container", "network"):
            known = self.docker(kind, "ls", "--quiet", *([] if kind == "network" else ["--all"])).split()
            if kind == "network":
                predefined = self.docker("network", "ls", "--quiet", "--filter", "type=builtin").split()
                known = [one for one in known if one not in predefined]
            if known:
                self.docker(kind, "rm", *(["--force"] if kind == "container" else []), *known)
        if images := self.docker("image", "ls", "--quiet", "--no-trunc").split():
            self.docker("image", "rm", "--force", *sorted(set(images)))


@contextmanager
def running(folder: Path) -> Iterator[DockerHost]:
    """An engine with an SSH server and a registry, until the block ends."""
    socket = folder / "docker.sock"
    with _bridge() as bridge, _engine(folder, socket, bridge), _registry(folder / "registry") as registry:
        sshd = Sshd(folder, environment={"DOCKER_HOST": f"unix://{socket}"})
        host = DockerHost(folder, sshd, socket, ("", ""))
        host.key_file.touch(mode=0o600)
        host.key_file.write_text(sshd.private_key)
        host.images = _push(host, registry, "1"), _push(host, registry, "2")
        host.clear()
        try:
            yield host
        finally:
            host.clear()
            sshd.close()


@contextmanager
def _bridge() -> Iterator[str]:
    """A bridge for containers of the default network: the usual docker0 may be another engine's."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    name = f"contract{number}"
    _ip("link", "delete", name, check=False)
    _ip("link", "add", name, "type", "bridge")
    _ip("address", "add", f"10.78.{number}.1/24", "dev", name)
    _ip("link", "set", name, "up")
    try:
        yield name
    finally:
        _ip("link", "delete", name)


def _ip(*arguments: str, check: bool = True) -> None:
    path = os.environ | {"PATH": f"{os.environ['PATH']}:{SYSTEM_PATH}"}
    subprocess.run(["ip", *arguments], env=path, check=check, capture_output=True)


@contextmanager
def _engine(folder: Path, socket: Path, bridge: str) -> Iterator[None]:
    data, state = folder / "data", folder / "state"
    pools = f"base=10.79.{int(bridge[-1]) * 16}.0/20,size=24"
    command = ["setpriv", "--pdeathsig", "TERM", "dockerd", "--host", f"unix://{socket}", "--bridge", bridge]
    command += ["--data-root", str(data), "--exec-root", str(state), "--pidfile", str(folder / "docker.pid")]
    command += ["--iptables=false", "--ip6tables=false", "--ip-masq=false", "--default-address-pool", pools]
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:{SYSTEM_PATH}"}
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _await_engine(process, socket, folder / "dockerd.log")
        yield
    finally:
        process.terminate()
        process.wait(timeout=STOP_SECONDS)
        shutil.rmtree(data, ignore_errors=True)


def _await_engine(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://docker") as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if client.get("/_ping").is_success:
                    return
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.1)


@contextmanager
def _registry(folder: Path) -> Iterator[str]:
    """A registry on loopback, which every Docker engine lets speak plain HTTP."""
    port = free_port()
    configuration = folder.with_suffix(".yml")
    configuration.write_text(REGISTRY.format(folder=folder, port=port))
    process = subprocess.Popen(
        [toolchain.binary("registry", "registry"), "serve", configuration],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=STOP_SECONDS)


def _push(host: DockerHost, registry: str, version: str) -> str:
    """An image with a shell, in the registry only; answers its name with its digest."""
    tree = closure.with_libraries(Path("/"), PROGRAMS)
    tree.contents = {"/version": version.encode(), "/etc/passwd": PASSWD, "/entrypoint.sh": RESIDENT}
    tree.links = {"/bin": "usr/bin"}
    archive = io.BytesIO()
    tree.write(archive)
    name = f"{registry}/contract/resident:{version}"
    settings = [f"ENV IMAGE_VERSION={version}", 'CMD ["/entrypoint.sh"]']
    changes = [word for setting in settings for word in ("--change", setting)]
    host.docker("import", *changes, "-", name, stdin=archive.getvalue())
    host.docker("push", "--quiet", name)
    return host.docker("image", "inspect", "--format", "{{index .RepoDigests 0}}", name)
