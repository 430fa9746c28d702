"""Asks the ``pulumi`` on PATH for what its state and history say of a stack's last roll.

Owns the two questions, which leave secrets encrypted. Does not own what the answers mean (``roll``).
"""

import subprocess
from collections.abc import Iterable

from ops.report.roll import Roll, last_roll

RUNS = "50"  # of the history: the last roll is rarely further back than this many runs


class EngineError(Exception):
    """State or history could not be had; the text says why."""


def roll(stack: str, hosts: Iterable[str]) -> Roll | None:
    """The last run in which hosts of the stack had their turn, if any had."""
    state = _ask(["stack", "export", "--stack", stack])
    history = _ask(["stack", "history", "--json", "--page-size", RUNS, "--stack", stack])
    return last_roll(state, history, hosts)


def _ask(words: list[str]) -> str:
    try:
        done = subprocess.run(["pulumi", "--non-interactive", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise EngineError("pulumi: is not on PATH") from error
    if done.returncode != 0:
        raise EngineError(f"pulumi {' '.join(words[:2])}: {done.stderr.strip()}")
    return done.stdout
