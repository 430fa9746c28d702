"""``python -m ops promote SOURCE TARGET``: pins in one stack the release that another has proven.

Owns the order of things: refuse, preview with the new pin, show what it would do, and only then write the one line.
Does not own the rules (``ops.promotion``), the file (``ops.stack_file``) or the summary (``ops.review``).
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ops import review, stack_file
from ops.promotion import Promotion, Running, refusals
from ops.stack_file import StackFile, StackFileError
from releases import ReleaseError, read_lock, read_release
from releases.store import lock_digest, lock_path


class PromoteError(Exception):
    """Nothing was promoted, and no file changed; the text has one line for each thing that stands in the way."""


def command(
    source: Annotated[str, typer.Argument(help="The stack in which the release was up and well.")],
    target: Annotated[str, typer.Argument(help="The stack of the next environment, whose file shall pin it.")],
    rollback: Annotated[bool, typer.Option("--rollback", help="Older versions than the target's are wanted.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Refuse or show, and change nothing.")] = False,
) -> None:
    """Pin the release of one stack in the next one's file, and show what that will do there."""
    folder = Path.cwd()
    try:
        files = stack_file.read(source, folder), stack_file.read(target, folder)
        text = _allowed(*files, rollback)
        typer.echo(_previewed(target, text), nl=False)
    except (PromoteError, StackFileError, review.PreviewError) as error:
        typer.echo(f"promote: {error}", err=True)
        raise typer.Exit(1) from error
    path = folder / stack_file.file_name(target)
    if not check:
        path.write_text(text)
        typer.echo(f"\n{path.name} pins release {files[0].release}; commit it, and open a pull request.")


def _allowed(source: StackFile, target: StackFile, rollback: bool) -> str:
    """The target's file with the new pin, if nothing stands in the way."""
    release = source.release
    try:
        path = target.lock_path(release) or lock_path(release)
        promotion = Promotion(
            source=source.stack,
            target=target.stack,
            source_environment=source.environment,
            target_environment=target.environment,
            source_release=release,
            target_release=target.release,
            running=_running(source.stack),
            lock=lock_digest(read_lock(path, release)),
            now=read_release(target.release).versions,
            then=read_release(release).versions,
        )
    except ReleaseError as error:
        raise PromoteError(f"release {release}: {error}") from error
    if found := refusals(promotion, rollback):
        raise PromoteError("\n".join(found))
    return target.pinned(release)


def _running(stack: str) -> Running | None:
    """What the stack's outputs say was up and well; none where there never was such a run."""
    outputs = json.loads(_pulumi(["stack", "output", "--json", "--stack", stack], f"the outputs of {stack}"))
    found = outputs.get("release")
    return Running(found["name"], found["lock"]) if isinstance(found, dict) else None


def _previewed(stack: str, text: str) -> str:
    """The summary of what the target would become with this file in the place of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / stack_file.file_name(stack)
        path.write_text(text)
        words = ["preview", "--json", "--stack", stack, "--config-file", str(path)]
        return review.summary(review.read(_pulumi(words, f"the preview of {stack}")))


def _pulumi(words: list[str], what: str) -> str:
    try:
        done = subprocess.run(["pulumi", "--non-interactive", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PromoteError("pulumi: is not on PATH; install it, as for `pulumi up`") from error
    if done.returncode != 0:
        raise PromoteError(
            f"{what} could not be had, so nothing was changed:\n{done.stderr.strip()}\n{_told(done.stdout)}"
        )
    return done.stdout


def _told(output: str) -> str:
    """What a preview that failed says, without the steps that it got to."""
    try:
        return "\n".join(review.read(output).errors)
    except review.PreviewError:
        return output.strip()
