"""Serves the language host, and the plugins beside it, until its engine ends it, or dies."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # ships no types
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # the SDK's own message size limit, not exported
from pulumi.runtime.proto import language_pb2_grpc

from lab.language.host import LanguageHost
from lab.plugins.serving import open_door, until_ended


async def main() -> None:
    """Prints the port, then waits. The first argument is the exec script's path, the last one the engine's address."""
    _, runner, *_, engine = sys.argv
    host = LanguageHost(engine, Path(runner))
    # A thread for each program or policy pack that runs, and some for the short questions meanwhile.
    server = grpc.server(ThreadPoolExecutor(max_workers=16), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    async with open_door():
        print(port, flush=True)
        await until_ended()
    host.stop()
    server.stop(grace=None)


if __name__ == "__main__":
    asyncio.run(main())
