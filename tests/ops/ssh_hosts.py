"""SSH servers on the loopback interface that show keys of their own, and a bastion that leads to them.

The hosts' addresses are documentation's (RFC 5737), as in any stack: the bastion takes a connection for one to the
server that stands for it. Nobody is let in but into the bastion.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import asyncssh

USER = "deploy"


def _nothing() -> asyncssh.SSHServer:
    return asyncssh.SSHServer()


class Servers:
    """Runs them in a thread of their own. ``ports``: by address; ``keys``: public, as ``type base64``."""

    def __init__(self, folder: Path) -> None:
        self.ports: dict[str, int] = {}
        self.keys: dict[str, str] = {}
        self.fingerprints: dict[str, str] = {}
        self.private_key_file = folder / "id_ed25519"
        self._user = asyncssh.generate_private_key("ssh-ed25519")
        self.private_key_file.write_bytes(self._user.export_private_key("openssh"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def host(self, address: str, kind: str = "ssh-ed25519", **options: Any) -> int:
        """A host that answers for this address; the port on which it really listens."""
        return self._serve(address, kind, _nothing, **options)

    def bastion(self) -> int:
        """The bastion's port on 127.0.0.1."""
        authorized = asyncssh.import_authorized_keys(self._user.export_public_key("openssh").decode())
        return self._serve("127.0.0.1", "ssh-ed25519", lambda: _Door(self.ports), authorized_client_keys=authorized)

    def close(self) -> None:
        """Ends them all."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self, address: str, kind: str, factory: Callable[[], asyncssh.SSHServer], **options: Any) -> int:
        key = asyncssh.generate_private_key(kind)
        self.keys[address] = " ".join(key.export_public_key("openssh").decode().split()[:2])
        self.fingerprints[address] = key.get_fingerprint()
        options |= {"server_factory": factory, "server_host_keys": [key]}
        started: Future[int] = asyncio.run_coroutine_threadsafe(_listen(options), self._loop)
        self.ports[address] = started.result(10)
        return self.ports[address]


async def _listen(options: dict[str, Any]) -> int:
    listening = await asyncssh.listen("127.0.0.1", 0, config=None, **options)
    return listening.get_port()


class _Door(asyncssh.SSHServer):
    def __init__(self, ports: dict[str, int]) -> None:
        self._ports = ports

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        if dest_host not in self._ports:
            return False

        async def lead(reader: Any, writer: Any) -> None:
            inside, outside = await asyncio.open_connection("127.0.0.1", self._ports[dest_host])
            await asyncio.gather(_pump(reader, outside), _pump(inside, writer))

        return lead


async def _pump(source: Any, target: Any) -> None:
    while block := await source.read(65536):
        target.write(block)
    target.close()
