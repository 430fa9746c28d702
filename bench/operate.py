"""How long an operator waits for ``ops status`` and ``ops verify``, and how much of what was changed by hand is found.

Runs on stack ``dev``: with two workers more, so that it has ten hosts, and then as it is, damaged and mended by one
``up``. Owns the figures; the damage is that of the tests.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from lab import hosts, ssh, stack
from lab.paths import CLONE
from tests.lab.commands import ops
from tests.lab.damage import DAMAGE, damage_and_mend
from tests.lab.program import DEV, spares
from tests.lab.trial import fresh

ROUNDS = 3
ADDED = {"spare1": ["worker"], "spare2": ["worker"]}


def measure() -> dict[str, float]:
    """Medians on a stack that is well, and what of the damage was found."""
    with _ten_hosts() as project:
        seconds = {f"{command}_seconds": _median(command, project) for command in ("status", "verify")}
    mended = damage_and_mend()
    found = sum(damage.finding in mended.found for damage in DAMAGE)
    left = 0 if mended.left.startswith("Nothing differs") else len(mended.left.splitlines())
    return {**seconds, "damaged": len(DAMAGE), "damage_found": found, "damage_left": left, "hosts": _hosts()}


@contextmanager
def _ten_hosts() -> Iterator[Path]:
    """The clone but for dev's file, which names two workers more; they are up, and gone afterwards."""
    added = {"hosts": spares(list(ADDED), ADDED)}
    try:
        for name in ADDED:
            fresh(name)
        ssh.ensure(ADDED)
        DEV.up(added).ok()
        with TemporaryDirectory() as folder:
            project = Path(folder)
            for path in CLONE.iterdir():
                (project / path.name).symlink_to(path)
            (project / stack.SETTINGS.name).unlink()
            whole = yaml.safe_load(stack.SETTINGS.read_text())
            whole["config"]["evenkeel:hosts"] |= added["hosts"]
            (project / stack.SETTINGS.name).write_text(yaml.safe_dump(whole))
            yield project
    finally:
        try:
            DEV.up().ok()
        finally:
            for name in ADDED:
                hosts.destroy(name)


def _median(command: str, project: Path) -> float:
    seconds = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        done = ops(command, folder=project)
        seconds.append(time.monotonic() - started)
        if done.returncode != 0:
            raise RuntimeError(f"bench: ops {command} finds fault with stack dev:\n{done.stdout}{done.stderr}")
    return statistics.median(seconds)


def _hosts() -> int:
    return len(hosts.CLUSTER) + len(hosts.HUBS) + len(ADDED)
