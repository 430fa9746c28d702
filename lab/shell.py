"""Runs programs on this machine for the lab, and turns their failures into ``LabError``.

Owns: capturing, and what of a failed program's output the user gets to see. Does not own: what is run.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError

LINES_SHOWN = 20


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs ``command`` and captures its output; with ``check`` a failure raises with its last lines."""
    environment = {**os.environ, **env} if env else None
    done = subprocess.run(
        [str(part) for part in command],
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        check=False,
        timeout=timeout,
    )
    if check and done.returncode != 0:
        raise LabError(_describe(command, done))
    return done


def output(command: Sequence[str | Path]) -> str:
    """The standard output of ``command``, without the newline at its end."""
    return run(command).stdout.strip()


def unmount_below(folder: Path) -> None:
    """Takes away whatever is still mounted in a folder that is to be removed."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if Path(mount).is_relative_to(folder)]):
        run(["umount", "--lazy", mount], check=False)  # one above it may have taken it along


def _describe(command: Sequence[str | Path], done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stdout + done.stderr).strip().splitlines()[-LINES_SHOWN:]
    shown = " ".join(str(part) for part in command)
    if len(shown) > 200:
        shown = shown[:200] + " ..."
    return f"`{shown}` ended with {done.returncode}:\n  " + "\n  ".join(lines)
