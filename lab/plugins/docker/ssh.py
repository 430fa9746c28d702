"""Connections to a Docker engine behind an SSH server, made as the official plugin makes them: by the machine's own
``ssh``, which runs ``docker system dial-stdio`` on the host.

So host keys, user keys and bastions are what ``sshOpts`` and the user's configuration say, and nothing is added but a
time limit. Owns: the command, and the life of its process. Does not own: what is said over it (``engine``).
"""

import asyncio
import contextlib
import shlex
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpcore

CONNECT_TIMEOUT = "-o ConnectTimeout=30"
NO_TERMINAL = "-T"
END_SECONDS = 3.0
BLOCK = 65536


def command(host: str, options: Sequence[str]) -> list[str]:
    """The command that connects to the engine of ``ssh://user@host:port``, or to its socket if a path follows."""
    url = urlsplit(host)
    docker = ["docker", f"--host=unix://{url.path}"] if url.path.strip("/") else ["docker"]
    words = ["ssh", *(["-l", url.username] if url.username else []), *(["-p", str(url.port)] if url.port else [])]
    words += [*options, *([] if "ConnectTimeout" in "".join(options) else [CONNECT_TIMEOUT])]
    words += [*([] if NO_TERMINAL in options else [NO_TERMINAL]), "--", url.hostname or ""]
    return [*words, shlex.join([*docker, "system", "dial-stdio"])]


class Backend(httpcore.AsyncNetworkBackend):
    """Makes a connection of each process that it starts."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise httpcore.ConnectError(f"{self._command[0]}: {error.strerror}") from error
        return _Stream(self._command, process)


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, command: Sequence[str], process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._command, self._process = command, process
        self._to, self._from = process.stdin, process.stdout
        self._complaints = asyncio.create_task(process.stderr.read())

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        async with asyncio.timeout(timeout):
            block = await self._from.read(min(max_bytes, BLOCK))
        if not block:
            await self._explain()
        return block

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            async with asyncio.timeout(timeout):
                self._to.write(buffer)
                await self._to.drain()
        except OSError as error:
            await self._explain()
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        self._to.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def get_extra_info(self, info: str) -> Any:
        """The pool asks before it uses a connection again: something to read, or an end, means that it can't."""
        if info == "is_readable":
            return self._from.at_eof() or self._process.returncode is not None
        return None

    async def _explain(self) -> None:
        """Tells why the process ended, if it failed."""
        async with asyncio.timeout(END_SECONDS):
            status = await self._process.wait()
            complaints = (await self._complaints).decode(errors="replace").strip()
        if status != 0:
            said = f"command [{' '.join(self._command)}] has exited with exit status {status}"
            hint = "make sure the URL is valid, and Docker 18.09 or later is installed on the remote host"
            raise httpcore.ConnectError(f"{said}, {hint}: stderr={complaints}")
