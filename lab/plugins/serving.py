"""Which process serves the plugins: the language host of the same engine, or each one its own.

An interpreter takes a third of a second until it can serve a plugin, a run of stack ``dev`` starts six, and everything
else waits for each. The language host has loaded nearly all that they need when the program starts. So what the engine
starts as a plugin (``launch``) asks it to serve, and serves by itself only where an engine has no language host.
Does not own: what a plugin does (``base``, and the packages).
"""

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator

import grpc.aio  # type: ignore[import-untyped]  # ships no types
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # the SDK's own message size limit, not exported
from pulumi.runtime.proto import provider_pb2_grpc

from lab.plugins.base import Engine, Plugin
from lab.plugins.launch import door_of

ORPHAN_CHECK_SECONDS = 1.0
CREDENTIALS = struct.Struct("3i")  # process, user and group, as the kernel tells of who has connected


@contextlib.asynccontextmanager
async def serving(name: str, engine: str) -> AsyncIterator[int]:
    """Serves the plugin that ``name`` (``module:attribute``) says to the engine at this address; yields the port."""
    module, _, attribute = name.partition(":")
    plugin: Plugin = getattr(importlib.import_module(module), attribute)
    servicer = plugin.servicer(plugin.version, plugin.make(Engine(engine)), engine)
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port: int = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(grace=0)


@contextlib.asynccontextmanager
async def open_door() -> AsyncIterator[None]:
    """Meanwhile, this process serves the plugins of the engine that started it."""
    door = await asyncio.start_unix_server(_serve_caller, door_of(os.getppid()))
    try:
        yield
    finally:
        door.close()


async def until_ended() -> None:
    """Returns when the engine ends this process, or is gone itself: one that is killed ends nobody."""
    ended, parent = asyncio.Event(), os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    while os.getppid() == parent and not ended.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), ORPHAN_CHECK_SECONDS)


async def _serve_caller(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One plugin, for as long as the process is there that the engine takes for it; only for our own user."""
    with contextlib.closing(writer):
        peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        if CREDENTIALS.unpack(peer)[1] != os.getuid():
            return
        name, engine = (await reader.readline()).decode().split()
        async with serving(name, engine) as port:
            writer.write(f"{port}\n".encode())
            await reader.read()


async def _alone(name: str, engine: str) -> None:
    async with serving(name, engine) as port:
        print(port, flush=True)
        await until_ended()


def main() -> None:
    """Serves one plugin in this process: arguments are its name and, last, the engine's address."""
    _, name, *rest = sys.argv
    if not rest:
        sys.exit("this is a Pulumi plugin: the pulumi engine starts it, with its own address as the last argument")
    asyncio.run(_alone(name, rest[-1]))
