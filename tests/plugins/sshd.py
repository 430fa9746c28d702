"""An SSH server on loopback that runs commands as the user who runs the tests: the host of the command plugin's tests.

It counts what it is asked for, so that a test can tell a command that ran once from one that ran twice.
"""

import asyncio
import contextlib
import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

USER = "lab"


@dataclass
class Sshd:
    """A running server: where it listens, the keys it knows, what its commands find around them, what it has seen."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    private_key: str = ""
    host_key: str = ""
    connections: int = 0
    open: int = 0
    commands: list[str] = field(default_factory=list)
    _children: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        self.private_key = user.export_private_key("openssh").decode()
        self.host_key = host.export_public_key("openssh").decode().strip()
        authorized = asyncssh.import_authorized_keys(user.export_public_key("openssh").decode())
        ready = threading.Event()
        serving = (host, authorized, ready)
        threading.Thread(target=lambda: asyncio.run(self._serve(*serving)), daemon=True).start()
        assert ready.wait(10), "the SSH server of the tests did not start"

    def connection(self, **changes: Any) -> dict[str, Any]:
        """The `connection` input of a command on this host."""
        endpoint = {"host": "127.0.0.1", "port": self.port, "user": USER, "private_key": self.private_key}
        return endpoint | {"host_key": self.host_key, "dial_error_limit": 1} | changes

    async def _serve(self, host: asyncssh.SSHKey, authorized: Any, ready: threading.Event) -> None:
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Door(self),
            server_host_keys=[host],
            authorized_client_keys=authorized,
            process_factory=self._run,
            encoding=None,
            config=None,
        )
        self.port = server.get_port()
        ready.set()
        await server.wait_closed()

    async def _run(self, process: Any) -> None:
        self.commands.append(process.command)
        environment = os.environ | self.environment | dict(process.env)
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            "sh", "-c", process.command, cwd=self.folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe
        )
        self._children.append(child.pid)
        feeding = asyncio.create_task(_pump(process.stdin, child.stdin))
        await asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
        process.exit(await child.wait())
        await feeding

    def close(self) -> None:
        """Ends the commands that tests left behind, as they end engines in the middle of things."""
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


async def _pump(source: Any, target: Any) -> None:
    """Copies until there is no more, or nobody wants more."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while block := await source.read(65536):
            target.write(block)
            await target.drain()
    if isinstance(target, asyncio.StreamWriter):
        target.close()


class _Door(asyncssh.SSHServer):
    def __init__(self, sshd: Sshd) -> None:
        self._sshd = sshd

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._sshd.connections += 1
        self._sshd.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._sshd.open -= 1

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True  # it is a bastion too
