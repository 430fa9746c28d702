"""``python -m ops summarize-preview``: a preview as a reviewer reads it, for a terminal or a pull request's comment.

Owns reading and printing. Does not own what a preview means (``ops.review``).
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ops.review import PreviewError, read, summary


def command(
    file: Annotated[
        Path | None, typer.Argument(help="What `pulumi preview --json` printed; standard input else.")
    ] = None,
) -> None:
    """Say per host what a preview would write and restart, and in which order, as Markdown."""
    try:
        text = file.read_text() if file else sys.stdin.read()
        typer.echo(summary(read(text)), nl=False)
    except (PreviewError, OSError, UnicodeDecodeError) as error:
        typer.echo(f"summarize-preview: {error}", err=True)
        raise typer.Exit(1) from error
