"""Restoring a trial's etcd as docs/recover.md says: the command with a yes, and then the ``up`` that it names.

Does not own what was lost before, nor what must hold afterwards (tests/lab/test_lost_masters.py and
tests/lab/test_adopt_lost.py).
"""

import shlex
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from ops import stacks
from ops.__main__ import commands
from tests.lab.program import Run
from tests.lab.trial import Trial


def restore(trial: Trial, words: str) -> Run:
    """The page's command on the trial's stack."""
    started = time.monotonic()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stacks, "read", lambda _: trial.program.parsed())
        done = CliRunner().invoke(commands(["restore", "lock"]), [*shlex.split(words)[3:], "--yes"])
    return Run(done.exit_code, done.output, time.monotonic() - started)


def turns(trial: Trial, said: str, changes: dict[str, Any] | None = None) -> Run:
    """The ``up`` that a restore has named."""
    (words,) = (shlex.split(line) for line in said.splitlines() if line.startswith("    pulumi up"))
    return trial.program.up(changes, words[words.index(trial.program.stack) + 1 :])
