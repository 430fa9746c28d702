"""The project's own commands on stack ``dev``, as an operator runs them. Does not own what they must say."""

import subprocess
import sys
import time
from pathlib import Path

from lab import engine
from lab.paths import CLONE
from tests.lab.program import DEV


def ops(*words: str, folder: Path = CLONE) -> "subprocess.CompletedProcess[str]":
    """``python -m ops WORDS --stack dev`` in a project's folder, on a wide terminal; prints how long it took."""
    command = [sys.executable, "-m", "ops", *words, "--stack", DEV.stack]
    environment = {**engine.environment(), "COLUMNS": "300"}
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    print(f"{' '.join(words)}: {time.monotonic() - started:.1f} s")
    return done
