"""``python -m ops report``: writes the page.

Owns the order: settings, hosts, engine, file. Asks by the same reading as ``ops status``. Does not own what the page
says (``page``).
"""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops import stack_file, stacks, status
from ops.report import engine
from ops.report.page import page
from ops.report.roll import Roll

NEW_FILE_MODE = 0o666  # less the umask, as for any file that a user makes


def command(
    stack: Annotated[str, typer.Option(help="The stack that is shown.")],
    output: Annotated[Path | None, typer.Option(help="The file; STACK.html unless said.")] = None,
) -> None:
    """Write one HTML page that shows a stack: topology, health, certificates, versions, the last roll.

    Nothing on the hosts is changed. Ends with 1 when something is not well, or no page could be written.
    """
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    path = output or Path(f"{stack_file.own_name(stack)}.html")
    try:
        settings = stacks.read(stack)
        found = status.ask(stack, settings)
        now = datetime.now(UTC)
        write(path, page(settings, found, _last_roll(stack, list(settings.hosts)), now))
    except (stacks.StackError, OSError) as error:
        unwritten = f"{path}: cannot be written ({getattr(error, 'strerror', '')}); choose another --output"
        errors.print(unwritten if isinstance(error, OSError) else str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    print(path)
    for trouble in found.troubles:
        errors.print(trouble, style="red", markup=False)
    raise typer.Exit(1 if found.troubles else 0)


def write(path: Path, text: str) -> None:
    """Moves the whole page into place: who reloads it never sees half of one."""
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(fresh).chmod(NEW_FILE_MODE & ~_umask())
        Path(fresh).replace(path)
    except OSError:
        Path(fresh).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def _last_roll(stack: str, hosts: list[str]) -> Roll | str | None:
    """The page is worth having without it."""
    try:
        return engine.roll(stack, hosts)
    except engine.EngineError as error:
        return str(error)
