"""``python -m ops backup``: what a lost cluster is made anew from, in a folder of this machine.

Owns the command and the folder. Does not own how a snapshot is taken (scripts/etcd-snapshot.sh), what is done with it
(docs/recover.md), or Harbor's database and images, which lie where the user has them.
"""

import base64
import binascii
import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops import ssh, stacks
from render.etcd import member_variables
from render.scripts import call
from settings import Host, Stack

SECONDS = 900
MOMENT = "%Y%m%dT%H%M%SZ"
SNAPSHOT, STATE, SUMS = "etcd.db", "state.json", "SHA256SUMS"


class BackupError(Exception):
    """There is no backup; the text says why and what to do."""


def command(
    stack: Annotated[str, typer.Option(help="The stack whose cluster and state are kept.")],
    folder: Annotated[Path, typer.Option(help="Where; each backup is a folder of its own in it.")] = Path("backups"),
    keep: Annotated[int | None, typer.Option(min=1, help="Remove the oldest of this stack beyond so many.")] = None,
) -> None:
    """Keep a snapshot of etcd, checked, and the stack's state, its secrets encrypted as they are there.

    Ends with 1 when there is none. Nothing on hosts is changed.
    """
    console, errors = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        settings = stacks.read(stack)
        with console.status(f"taking a snapshot of {stack}'s etcd"):
            data = snapshot(settings, errors)
        made = _kept(folder / stack, {SNAPSHOT: data, STATE: stacks.exported(stack)})
    except (stacks.StackError, BackupError) as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    console.print(f"{made}: {SNAPSHOT} ({len(data)} bytes) and {STATE}; docs/recover.md says how to go back to them")
    for old in list(beyond(folder / stack, keep)) if keep else ():
        shutil.rmtree(old)
        console.print(f"removed {old}")


def snapshot(stack: Stack, errors: Console) -> bytes:
    """Of the first master whose member agrees with a majority; one that does not would give what has been overtaken."""
    for host in stack.masters().values():
        answer = ssh.ask(host, _script(stack, host), SECONDS)
        if answer.code == 0 and (data := _whole(answer.output)):
            return data
        errors.print(answer.error or f"{host.name}: its snapshot came here incomplete", style="yellow", markup=False)
    raise BackupError(f"no master of {', '.join(stack.masters())} gave a snapshot; mend one of them and try again")


def _whole(output: str) -> bytes | None:
    """The snapshot of an answer; None where it is not the one that the checksum before it is of."""
    told, _, text = output.partition("\n")
    with contextlib.suppress(binascii.Error):
        data = base64.b64decode(text)
        return data if hashlib.sha256(data).hexdigest() == told else None
    return None


def _kept(folder: Path, files: dict[str, bytes]) -> Path:
    try:
        return written(folder, files)
    except OSError as error:
        raise BackupError(f"{folder}: {error.strerror}; free some space there, or choose another --folder") from error


def written(folder: Path, files: dict[str, bytes]) -> Path:
    """A new folder with these files and their checksums, for this user alone, whole or not there at all."""
    made = folder / datetime.now(UTC).strftime(MOMENT)
    new = folder / f".{made.name}"
    shutil.rmtree(new, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    new.mkdir(mode=0o700)
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    for name, data in {**files, SUMS: sums.encode()}.items():
        (new / name).touch(0o600)
        (new / name).write_bytes(data)
    new.rename(made)
    return made


def beyond(folder: Path, keep: int) -> Iterator[Path]:
    """The oldest backups, of which there are more than ``keep``."""
    yield from sorted(path for path in folder.iterdir() if _moment(path.name))[:-keep]


def _moment(name: str) -> bool:
    try:
        return bool(datetime.strptime(name, MOMENT))
    except ValueError:
        return False


def _script(stack: Stack, host: Host) -> str:
    """The checksum first, then the snapshot as text, which an answer is."""
    taken = call("etcd-snapshot.sh", member_variables(stack, host.name))
    return f'{{\n{taken}}} | {{ read -r sum; echo "$sum"; base64; }}\n'
