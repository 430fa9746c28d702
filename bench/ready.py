"""When a control plane is highly available: every apiserver says ready, by itself and through the load balancer."""

import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from bench.ground import API_PORT, BALANCER_ADDRESS, MASTERS
from lab import hosts
from tests.lab.readiness import says_ready

SECONDS = 240
EVERY = 0.1
PATIENCE = 2.0


def await_ha(through_balancer: bool = True, given_up: Event | None = None) -> float:
    """The moment (monotonic) at which the last of the three, and the load balancer, first said ready.

    ``given_up`` ends the wait: nobody wants to know any more.
    """
    until = given_up or Event()
    addresses = [hosts.ADDRESSES[name] for name in MASTERS] + [BALANCER_ADDRESS] * through_balancer
    with ThreadPoolExecutor(len(addresses)) as pool:
        return max(pool.map(lambda address: _first_ready(address, until), addresses))


def timed(action: Callable[[], object]) -> float:
    """Seconds that it takes."""
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _first_ready(address: str, given_up: Event) -> float:
    deadline = time.monotonic() + SECONDS
    while not _ready(address):
        if time.monotonic() > deadline:
            raise TimeoutError(f"bench: https://{address}:{API_PORT}/readyz did not say ok within {SECONDS} s")
        if given_up.wait(EVERY):
            break
    return time.monotonic()


def _ready(address: str) -> bool:
    """Not verified: the authority is made while this asks, and what is measured is time."""
    anybody = ssl._create_unverified_context()  # the module's own name for it
    return says_ready(address, anybody, PATIENCE)
