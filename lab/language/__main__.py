"""Serves the language host until its engine ends it, or dies."""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # ships no types
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # the SDK's own message size limit, not exported
from pulumi.runtime.proto import language_pb2_grpc

from lab.language.host import LanguageHost

ORPHAN_CHECK_SECONDS = 1.0


def main() -> None:
    """Prints the port, then waits. The first argument is the exec script's path, the last one the engine's address."""
    parent, ended = os.getppid(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    _, runner, *_, engine = sys.argv
    host = LanguageHost(engine, Path(runner))
    # A thread for each program or policy pack that runs, and some for the short questions meanwhile.
    server = grpc.server(ThreadPoolExecutor(max_workers=16), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while os.getppid() == parent and not ended.wait(ORPHAN_CHECK_SECONDS):
        pass
    host.stop()
    server.stop(grace=None)


if __name__ == "__main__":
    main()
