"""Requests to one cluster's API server: connections, retries, discovery, and errors a user can read.

Does not own: what is written (``apply``) and when it is done (``readiness``).
"""

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from lab.plugins.base import PluginError
from lab.plugins.kubernetes import kinds
from lab.plugins.kubernetes.kinds import Kind
from lab.plugins.kubernetes.kubeconfig import Access
from lab.plugins.kubernetes.objects import Object, name_of, namespace_of

if TYPE_CHECKING:
    import httpx

RETRIES = 10
"""How often a request is repeated that was answered with Retry-After, or a question whose connection broke."""
RETRY_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 30.0
READ_TIMEOUT_SECONDS = 60.0


class ApiError(PluginError):
    """The API server refused a request; the text is its own."""

    def __init__(self, code: int, status: Mapping[str, Any]) -> None:
        super().__init__(str(status.get("message") or f"the API server answered {code}"))
        self.code = code
        self.reason = str(status.get("reason") or "")
        self.about = str((status.get("details") or {}).get("kind") or "")


class NoSuchKindError(PluginError):
    """The API server does not serve this kind."""


class UnreachableError(PluginError):
    """Nobody answered, or not as a Kubernetes API server that knows us."""


class Cluster:
    """One cluster, as the kubeconfig given to the provider reaches it."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._resources: dict[str, dict[str, tuple[str, bool]]] = {}
        self._client: httpx.AsyncClient | None = None
        self._trial: asyncio.Task[str | None] | None = None

    async def unreachable(self) -> str | None:
        """Why the cluster can't be used, or None if it can. Asked once: the answer holds for the whole operation."""
        if self._trial is None:
            self._trial = asyncio.create_task(self._try())
        return await asyncio.shield(self._trial)

    async def _try(self) -> str | None:
        try:
            await self.request("GET", "/version")
        except (UnreachableError, ApiError) as error:
            return str(error)
        return None

    async def namespaced(self, kind: Kind) -> bool:
        """Whether objects of this kind live in a namespace."""
        known = kinds.known_scope(kind)
        return (await self._discover(kind))[1] if known is None else known

    async def path(self, obj: Object, kind: Kind, collection: bool = False) -> str:
        """The URL path of an object, or of the collection it is created in."""
        plural, namespaced = await self._discover(kind)
        prefix = _group_path(kind.api_version)
        place = f"/namespaces/{namespace_of(obj)}" if namespaced else ""
        return f"{prefix}{place}/{plural}" + ("" if collection else f"/{name_of(obj)}")

    async def get(self, path: str, patience: float = 0.0, **parameters: str) -> Object:
        """The live object at ``path``."""
        return await self.request("GET", path, parameters=parameters, patience=patience)

    async def find(self, path: str, patience: float = 0.0) -> Object | None:
        """The live object at ``path``, or None if there is none."""
        try:
            return await self.get(path, patience)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        form: str = "application/json",
        parameters: Mapping[str, str] | None = None,
        patience: float = 0.0,
    ) -> Object:
        """One request and its answer, repeated where client-go repeats it.

        ``patience`` is for how many seconds it bears that nobody answers: who waits for an object bears it, as the
        official plugin does, which watches it; who writes one does not.
        """
        import httpx  # late: it costs 50 ms that a preview of unchanged resources need not pay

        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": form} if content else {}
        deadline, repeated = time.monotonic() + patience, 0
        while True:
            try:
                async with self._connection() as client:
                    answer = await client.request(method, path, content=content, headers=headers, params=parameters)
            except httpx.TransportError as error:
                again = method == "GET" and _broke(error) and repeated < RETRIES
                if not again and time.monotonic() >= deadline:
                    raise UnreachableError(f"{self._access.server}: {str(error) or type(error).__name__}") from error
                repeated += again
                await asyncio.sleep(RETRY_PAUSE_SECONDS)
                continue
            if _asks_to_come_back(answer) and repeated < RETRIES:
                repeated += 1
                await asyncio.sleep(min(float(answer.headers["Retry-After"]), LONGEST_PAUSE_SECONDS))
                continue
            return _content(answer)

    async def _discover(self, kind: Kind) -> tuple[str, bool]:
        """The kind's name in URLs, and whether it is namespaced."""
        if kind.name not in self._resources.get(kind.api_version, {}):
            self._resources[kind.api_version] = await self._kinds_of(kind.api_version)
        found = self._resources[kind.api_version].get(kind.name)
        if found is None:
            raise NoSuchKindError(f"{self._access.server}: the API server has no kind {kind}")
        return found

    async def _kinds_of(self, api_version: str) -> dict[str, tuple[str, bool]]:
        listing = await self.find(_group_path(api_version))
        entries = listing["resources"] if listing else []
        return {entry["kind"]: (entry["name"], entry["namespaced"]) for entry in entries if "/" not in entry["name"]}

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator["httpx.AsyncClient"]:
        import httpx

        if self._client is None:
            timeout = httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
            headers = {"Accept": "application/json", "User-Agent": "evenkeel-lab"}
            if self._access.token:
                headers["Authorization"] = f"Bearer {self._access.token}"
            self._client = httpx.AsyncClient(
                base_url=self._access.server,
                verify=_tls(self._access),
                timeout=timeout,
                headers=headers,
                trust_env=False,
            )
        yield self._client


def _group_path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if access.authority:
        context.load_verify_locations(cadata=access.authority)
    else:
        context.load_default_certs()
    if access.certificate and access.key:
        with _in_memory(access.certificate + b"\n" + access.key) as path:
            context.load_cert_chain(path)
    return context


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path that leads to ``content``, which never touches a disk: OpenSSL's wrapper takes only files."""
    descriptor = os.memfd_create("client-certificate")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _broke(error: "httpx.TransportError") -> bool:
    """Whether a connection broke, be it in its handshake: not that nobody listened, or that TLS found no trust."""
    import httpx

    # httpcore's error comes "from None"; what it was raised for is its context.
    refused = isinstance(getattr(error.__cause__, "__context__", None), OSError)
    return isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError) and not refused


def _asks_to_come_back(answer: "httpx.Response") -> bool:
    busy = answer.status_code == 429 or answer.status_code >= 500
    return busy and answer.headers.get("Retry-After", "").isdigit()


def _content(answer: "httpx.Response") -> Object:
    try:
        content = answer.json()
    except ValueError:
        content = {"message": f"{answer.status_code} {answer.text[:200]}"}
    if answer.status_code >= 400:
        raise ApiError(answer.status_code, content)
    return dict(content)
