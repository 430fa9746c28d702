"""Ports for the programs that a test starts.

Not the kernel's own choice (port 0): it may give that port to any connection before the program listens on it, and
once gave a registry's away. These lie below what Linux gives to connections by default, and no two workers of one
run share any.
"""

import contextlib
import os
import socket
from collections.abc import Iterator

FIRST, END, EACH = 20000, 32768, 2000


def _mine() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST + worker * EACH
    assert first + EACH <= END, f"ports for {(END - FIRST) // EACH} workers"
    while True:
        yield from range(first, first + EACH)


_ports = _mine()


def free_port() -> int:
    """A loopback port that nobody listens on, and that this run gives to nobody else before long."""
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            # Without it a connection that has just ended counts as a listener.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
