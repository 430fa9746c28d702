"""A Docker engine's HTTP interface, as far as this plugin speaks it.

Owns: requests, their errors, and the version of the interface. Does not own: the way to the engine (``ssh``), or what
is asked (``containers``, ``images``, ``networks``).
"""

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import httpcore

from lab.plugins.base import PluginError
from lab.plugins.docker import ssh

NEWEST_VERSION = (1, 51)
"""That of the official plugin's client: a newer engine is spoken to in this one."""
IDLE_CONNECTIONS, IDLE_SECONDS = 2, 30.0
NO_CREDENTIALS = base64.urlsafe_b64encode(b"{}").decode()

Json = dict[str, Any]


class ApiError(PluginError):
    """The engine refused."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Error response from daemon: {text}")
        self.code = code


class Engine:
    """One engine. Connections are made when they are needed, and kept for the next request."""

    def __init__(self, host: str, ssh_options: Sequence[str]) -> None:
        self._host = host
        backend = ssh.Backend(ssh.command(host, ssh_options))
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=None,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=backend,
        )
        self._prefix = ""
        self._asking = asyncio.Lock()

    async def get(self, path: str, **query: Any) -> Any:
        return await self._ask("GET", path, query)

    async def post(self, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        return await self._ask("POST", path, query, body)

    async def delete(self, path: str, **query: Any) -> Any:
        return await self._ask("DELETE", path, query)

    async def find(self, path: str) -> Json | None:
        """What is there; None if nothing is."""
        try:
            found: Json = await self.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return found

    async def pull(self, name: str) -> None:
        """Has the engine fetch an image. Failures on the way come as a line of the answer."""
        repository, version = split(name)
        headers = {"X-Registry-Auth": NO_CREDENTIALS}
        progress = await self._send("POST", "/images/create", {"fromImage": repository, "tag": version}, None, headers)
        for line in progress.splitlines():
            if "error" in json.loads(line):
                raise PluginError(json.loads(line)["error"])

    async def _ask(self, method: str, path: str, query: Json, body: Mapping[str, Any] | None = None) -> Any:
        answer = await self._send(method, path, query, body, {})
        return json.loads(answer) if answer else None

    async def _send(
        self, method: str, path: str, query: Json, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> bytes:
        if not self._prefix:
            await self._greet()
        given = {name: value for name, value in query.items() if value is not None}
        target = f"{self._prefix}{quote(path, safe='/:@')}" + (f"?{urlencode(given)}" if given else "")
        content = None if body is None else json.dumps(body).encode()
        answer = await self._request(method, target, {"Content-Type": "application/json", **headers}, content)
        if answer.status >= 400:
            raise ApiError(answer.status, _message(answer))
        return answer.content

    async def _greet(self) -> None:
        """The first words to an engine tell whether it is there at all, and which version it speaks."""
        async with self._asking:
            if self._prefix:
                return
            try:
                answer = await self._request("GET", "/_ping", {}, None)
            except PluginError as error:
                where = f"please make sure that {self._host} is reachable and has a '_ping' endpoint"
                raise PluginError(
                    f"failed to create Docker client: Error pinging Docker server, {where}. Error: {error}"
                ) from error
            spoken = dict(answer.headers).get(b"Api-Version", b"1.24").decode()
            version = min(tuple(int(part) for part in spoken.split(".")), NEWEST_VERSION)
            self._prefix = f"/v{version[0]}.{version[1]}"

    async def _request(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes | None
    ) -> httpcore.Response:
        try:
            return await self._pool.request(
                method, f"http://docker{target}", headers=list(headers.items()), content=content
            )
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise PluginError(f"error during connect: {error}") from error


class Daemon:
    """The engine that the provider was configured with; it is not known before."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def set(self, host: str, ssh_options: Sequence[str]) -> None:
        """Connects to nobody yet."""
        self._engine = Engine(host, ssh_options)

    @property
    def engine(self) -> Engine:
        """Where requests go."""
        if self._engine is None:
            raise PluginError("the provider was not configured")
        return self._engine


def split(name: str) -> tuple[str, str]:
    """An image's repository and its digest or else its tag."""
    tagged, _, digest = name.partition("@")
    folder, slash, last = tagged.rpartition("/")
    base, _, tag = last.partition(":")
    return f"{folder}{slash}{base}", digest or tag or "latest"


def _message(answer: httpcore.Response) -> str:
    try:
        return str(json.loads(answer.content)["message"])
    except (ValueError, KeyError, TypeError):
        return answer.content.decode(errors="replace")
