"""What a run costs that changes nothing: stack ``dev`` against an empty program on the same engine and environment."""

import contextlib
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from lab import engine
from tests.lab.program import DEV

ROUNDS = 3
UP = ["up", "--yes", "--skip-preview"]
PREVIEW = ["preview"]
REMOVE = ["stack", "rm", "--yes", "--force"]


def measure() -> dict[str, float]:
    """Medians of runs that alternate, so that a busy machine is busy for both."""
    assert_unchanged()
    with empty_project() as run_empty:
        seconds: dict[str, list[float]] = {name: [] for name in ("up", "empty_up", "preview", "empty_preview")}
        for _ in range(ROUNDS):
            seconds["up"].append(DEV.up().ok().seconds)
            seconds["empty_up"].append(run_empty(UP))
            seconds["preview"].append(DEV.preview().ok().seconds)
            seconds["empty_preview"].append(run_empty(PREVIEW))
    return {f"noop_{name}_seconds": statistics.median(values) for name, values in seconds.items()}


def assert_unchanged() -> None:
    """A first run may still have something to do; what is measured must not."""
    DEV.up().ok()
    steps = DEV.steps()
    if steps:
        raise RuntimeError(f"bench: a second `up` of stack {DEV.stack} would change {[step['urn'] for step in steps]}")


@contextmanager
def empty_project() -> Iterator[Callable[[list[str]], float]]:
    """A project whose program says nothing; yields what runs one command on it and tells the seconds."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        options = {"virtualenv": str(engine.VENV)}
        project = {"name": "empty", "runtime": {"name": "python", "options": options}}
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
        (folder / "__main__.py").write_text('"""Nothing."""\n')

        def run(words: list[str]) -> float:
            started = time.monotonic()
            command = [str(engine.program()), *words, "--stack", "empty"]
            subprocess.run(command, cwd=folder, env=engine.environment(), capture_output=True, check=True)
            return time.monotonic() - started

        with contextlib.suppress(subprocess.CalledProcessError):
            run(REMOVE)  # what a run that was killed has left
        run(["stack", "init"])
        run(UP)
        try:
            yield run
        finally:
            run(REMOVE)
