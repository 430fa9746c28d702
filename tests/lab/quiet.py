"""Stack ``dev`` out of the way of a test that has several clusters' worth of its own to run on this machine.

Does not own how a host is frozen (``lab.hosts``).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lab import hosts
from tests.lab.program import kubectl
from tests.waiting import eventually

BUSY = ("shaolin", "wudang", "emei", "huashan")
SECONDS = 120


@contextmanager
def dev_frozen() -> Iterator[None]:
    """Its masters and its worker take no processor time meanwhile, and are well again afterwards."""
    running = [name for name in BUSY if name in hosts.running()]
    try:
        for name in running:
            hosts.pause(name)
        yield
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(hosts.unpause, running))
        if running:
            eventually(_well, SECONDS, "stack dev is well after it was frozen")


def _well() -> bool:
    if kubectl("get", "--raw=/readyz", "--request-timeout=5s", check=False) != "ok":
        return False
    nodes = kubectl("get", "nodes", "--no-headers", "--request-timeout=5s", check=False).splitlines()
    return len(nodes) == len(BUSY) and all(node.split()[1] == "Ready" for node in nodes)
