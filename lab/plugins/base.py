"""What every plugin server shares: errors a user can read, logs to the engine, cancelling, and refusing unknown inputs.

Does not own: which process serves it (``serving``), the form of values (``values``) or the resources themselves.
"""

import asyncio
import difflib
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types
import grpc.aio  # type: ignore[import-untyped]  # ships no types
from google.protobuf import empty_pb2  # type: ignore[import-untyped]  # ships no types
from pulumi.provider.experimental.provider import CheckFailure, Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # the SDK's own message size limit, not exported
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2


class PluginError(Exception):
    """A failure that is told to the user as it is, without a traceback."""


class Level(Enum):
    """How much a line matters, by the engine's own names; ``DEBUG`` is shown with --debug only."""

    DEBUG = auto()
    INFO = auto()
    WARNING = auto()


class Engine:
    """The engine that started this plugin, as far as plugins speak to it: it shows their log lines."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stub: Any = None  # the generated stub class has no type that fits asynchronous channels

    async def log(self, urn: str, text: str, level: Level = Level.INFO, status: bool = False) -> None:
        """Shows ``text`` beside the resource; ``status`` shows it only while the resource is being worked on."""
        if self._stub is None:
            channel = grpc.aio.insecure_channel(self._address, options=_GRPC_CHANNEL_OPTIONS)
            self._stub = engine_pb2_grpc.EngineStub(channel)
        severity = engine_pb2.LogSeverity.Value(level.name)
        await self._stub.Log(engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=status))


def own_type(qualified_type: str) -> str:
    """A resource's own type: in its URN, the types of the components around it come before, divided by ``$``."""
    return qualified_type.rpartition("$")[2]


def unknown_inputs(given: Iterable[str], known: Collection[str], where: str = "") -> list[CheckFailure]:
    """A failure for each input that this plugin does not implement: it must never be ignored in silence."""
    failures = []
    for name in sorted(given):
        if name in known or name.startswith("__"):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        failures.append(CheckFailure(where + name, f"the lab's plugin does not implement this input{hint}"))
    return failures


Method = Callable[["Servicer", Any, Any], Coroutine[Any, Any, Any]]


def _guarded(name: str) -> Any:  # the SDK types some of its methods and some not; no one type overrides both
    inner: Method = getattr(ProviderServicer, name)

    async def method(self: "Servicer", request: Any, context: Any) -> Any:
        return await self.guard(inner(self, request, context), context)

    return method


class Servicer(ProviderServicer):
    """The SDK's servicer, with errors that a user can read and with operations that can be cancelled."""

    def __init__(self, version: str, provider: Provider, address: str) -> None:
        super().__init__([], version, provider, address)
        self._running: set[asyncio.Task[Any]] = set()

    async def Handshake(self, request: Any, context: Any) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    async def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        await self._provider.cancel()
        for task in self._running:
            task.cancel()
        return empty_pb2.Empty()

    async def guard(self, work: Coroutine[Any, Any, Any], context: Any) -> Any:
        task = asyncio.create_task(work)
        self._running.add(task)
        try:
            return await task
        except PluginError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except asyncio.CancelledError:
            task.cancel()
            await context.abort(grpc.StatusCode.CANCELLED, "cancelled before it was done")
        finally:
            self._running.discard(task)

    Invoke = _guarded("Invoke")
    CheckConfig = _guarded("CheckConfig")
    DiffConfig = _guarded("DiffConfig")
    Configure = _guarded("Configure")
    Check = _guarded("Check")
    Diff = _guarded("Diff")
    Create = _guarded("Create")
    Read = _guarded("Read")
    Update = _guarded("Update")
    Delete = _guarded("Delete")


@dataclass(frozen=True)
class Plugin:
    """A package's plugin, for a process to serve (``lab.plugins.serving``)."""

    version: str
    make: Callable[[Engine], Provider]
    servicer: type[Servicer] = Servicer
