"""How long an operator waits for ``ops status`` and ``ops verify``, and how much of what was changed by hand is found.

Runs on stack ``dev``, whose damage one ``up`` mends again. Owns the figures; the damage is that of the tests.
"""

import statistics
import time

from lab import hosts
from tests.lab.commands import ops
from tests.lab.damage import DAMAGE, damage_and_mend

ROUNDS = 3


def measure() -> dict[str, float]:
    """Medians on a stack that is well, and what of the damage was found."""
    seconds = {f"{command}_seconds": _median(command) for command in ("status", "verify")}
    mended = damage_and_mend()
    found = sum(damage.finding in mended.found for damage in DAMAGE)
    left = 0 if mended.left.startswith("Nothing differs") else len(mended.left.splitlines())
    return {**seconds, "damaged": len(DAMAGE), "damage_found": found, "damage_left": left, "hosts": _hosts()}


def _median(command: str) -> float:
    seconds = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        done = ops(command)
        seconds.append(time.monotonic() - started)
        if done.returncode != 0:
            raise RuntimeError(f"bench: ops {command} finds fault with stack dev:\n{done.stdout}{done.stderr}")
    return statistics.median(seconds)


def _hosts() -> int:
    return len(hosts.CLUSTER) + len(hosts.HUBS)
