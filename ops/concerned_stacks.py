"""``python -m ops concerned-stacks``: which stacks a change of files concerns, so that a pull request previews those.

Owns that reading of paths. Does not own how a change is found (``git diff --name-only``).
"""

import json
import sys
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from posixpath import normpath

import typer

from ops import stack_file
from ops.stack_file import StackFile, StackFileError

# What no stack is made of; everything else is the program's, and so concerns all.
APART = ("tests", "docs", "lab", "bench", ".ci", ".github")
TEXTS = (".md", "LICENSE")


def command() -> None:
    """Read changed paths, one a line, and print the names of the stacks that they concern as JSON."""
    folder = Path.cwd()
    names = sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in folder.glob("Pulumi.*.yaml"))
    try:
        files = [stack_file.read(name, folder) for name in names]
    except StackFileError as error:
        typer.echo(f"concerned-stacks: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(concerned(files, sys.stdin.read().split("\n"))))


def concerned(stacks: Sequence[StackFile], changed: Collection[str]) -> list[str]:
    """The stacks that differ when these files do."""
    paths = [path for path in changed if path and not _apart(path)]
    return [stack.stack for stack in stacks if any(_concerns(stack, path, stacks) for path in paths)]


def _apart(path: str) -> bool:
    return path.split("/")[0] in APART or path.endswith(TEXTS)


def _concerns(stack: StackFile, path: str, stacks: Sequence[StackFile]) -> bool:
    name = PurePosixPath(path).name
    if path.startswith("releases/") and name.endswith(".yaml"):
        return path in _release(stack)
    owners = [other.stack for other in stacks if path in _release(other) or f".{other.stack}." in f".{name}."]
    return not owners or stack.stack in owners


def _release(stack: StackFile) -> tuple[str, str]:
    """The stack's release and the lock that it reads: its own where it names one, and then not the release's."""
    return f"releases/{stack.release}.yaml", normpath(stack.lock or f"releases/{stack.release}.lock.yaml")
