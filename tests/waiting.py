"""Waiting for what happens by itself. Owns no limit: each test says how long it is ready to wait."""

import time
from collections.abc import Callable

GLANCE = 0.05


def eventually(happened: Callable[[], bool], seconds: float, what: str, glance: float = GLANCE) -> float:
    """Waits until ``happened``, and returns after how many seconds; fails when it takes longer than ``seconds``."""
    start = time.monotonic()
    while not happened():
        assert time.monotonic() - start < seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(glance)
    return time.monotonic() - start
