"""``python -m ops restore``: an etcd without a majority, or one that shall go back to a snapshot, begins anew.

Owns the command: which master begins, what may not be done, and in which order the masters have their part. Does not
own what happens on a host (scripts/etcd-restore.sh), nor how the others join: that is an ``up`` (docs/recover.md).
"""

import hashlib
import shlex
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ops import ssh, stacks
from ops.backup import SUMS
from render.etcd import member_variables
from render.scripts import assignments, host_scripts
from settings import Host, Stack

SECONDS = 900
SCRIPTS = ("lib.sh", "static-pods.sh", "etcd.sh", "etcd-restore.sh")  # in the order of their text; the last one begins
RECEIVED = "/var/lib/evenkeel/restore.db"  # SNAPSHOT of scripts/etcd-restore.sh
ASIDE = "/var/lib/etcd/before-restore-*"


class RestoreError(Exception):
    """It is not, or not wholly, done; the text says why and what to do."""


@dataclass(frozen=True)
class Holding:
    """What one master holds. ``revision`` is etcd's own, 0 where nobody knows it; ``turn``: it has had one before."""

    data: bool = False
    revision: int = 0
    majority: bool = False
    manifest: bool = False
    turn: bool = False
    prepared: bool = False


def command(
    stack: Annotated[str, typer.Option(help="The stack whose etcd begins anew.")],
    snapshot: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The etcd.db of a backup, in place of a master's own data."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="The master that begins, if not the one that holds most.")] = None,
    lost: Annotated[
        list[str] | None, typer.Option(help="A master whose machine is gone and never runs again; may be repeated.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Make one master's data, or a snapshot, the cluster's: it begins alone, and an `up` lets the others join it.

    What masters hold now is set aside on them, not removed. Ends with 1 when it is not done; to be run again then.
    """
    console, errors = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        settings = stacks.read(stack)
        with console.status(f"asking {', '.join(settings.masters())} what they hold"):
            held = look(settings, lost or [])
        console.print(_table(held))
        first = chosen(stack, held, snapshot, host, lost or [])
        console.print(_warning(held, first, snapshot), style="yellow", markup=False)
        if not yes and not typer.confirm("Go on?"):
            raise typer.Exit(1)
        restore(console, settings, list(held), first, snapshot)
    except (stacks.StackError, RestoreError) as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    console.print(_after(stack, held, first, lost or []), markup=False)


def look(stack: Stack, lost: Collection[str] = ()) -> dict[str, Holding]:
    """What each master but the lost ones holds. A silent one that is not lost runs on unseen, as a second cluster."""
    answers = part(stack, stack.masters().values(), "look")
    wrong = [f"--lost {name}: no master of this stack" for name in lost if name not in stack.masters()]
    wrong += [f"--lost {one.host}: it answers" for one in answers if one.host in lost and one.code is not None]
    there = [answer for answer in answers if answer.host not in lost]
    wrong += [] if there else ["no master is left that could begin"]
    wrong += [answer.fault or f"{answer.host}: did not say all" for answer in there if not _whole(answer)]
    if wrong:
        remedy = "Nothing was changed. A machine that is gone for good is named with --lost."
        raise RestoreError("\n".join([*wrong, remedy]))
    return {answer.host: _holding(answer.output) for answer in there}


def chosen(
    stack: str, held: Mapping[str, Holding], snapshot: Path | None, host: str | None, lost: Collection[str] = ()
) -> str:
    """The master that begins."""
    if host is not None and host not in held:
        raise RestoreError(f"--host {host}: no master of this stack; choose one of {', '.join(held)}")
    well = [name for name, one in held.items() if one.majority]
    if well and not snapshot:
        missing = {name: one for name, one in held.items() if name not in well}
        turn = f" Who is missing has its turn in\n    {turns(stack, missing)}\n" if missing else " "
        raise RestoreError(
            f"{', '.join(well)}: agrees with a majority of its members, so nothing needs to be restored.{turn}"
            "To go back to a snapshot all the same, name it with --snapshot."
        )
    holders = [name for name, one in held.items() if one.data]
    if not snapshot and (not holders or (host and host not in holders)):
        nobody = f"{host} holds no" if host else "no master holds"
        raise RestoreError(f"{nobody} etcd data; name a snapshot with --snapshot")
    first = host or (next(iter(held)) if snapshot else max(holders, key=lambda name: held[name].revision))
    if not held[first].prepared:
        raise RestoreError(f"{first}: has no etcdutl yet; run up before this: it prepares the machine, and stops")
    # An `up` starts a fresh one: in the order of turns, and not while a machine is missing.
    if not held[first].manifest and (lost or first != next(iter(held))):
        remedy = "begin with the first master of the stack, and put machines in the place of lost ones before"
        raise RestoreError(f"{first}: nothing ran there before, so it is the next up that starts it; {remedy}")
    return first


def turns(stack: str, masters: Mapping[str, Holding]) -> str:
    """The ``up`` in which these masters have their turns.

    The engine sees that a machine is a fresh one, and no change of others. A fresh one's turn can't be replaced: the
    one before was the old machine's, whose key nobody shows any more.
    """
    again = [f"--replace=**::{name}-activate" for name, one in masters.items() if one.turn]
    return shlex.join(["pulumi", "up", "--stack", stack, *again])


def restore(console: Console, stack: Stack, there: Sequence[str], first: str, snapshot: Path | None) -> None:
    """All parts of it. Nobody begins before all have ended: killed anywhere before that, it can be run again."""
    masters = {name: stack.hosts[name] for name in there}
    digest = ""
    if snapshot:
        digest = checksum(snapshot)
        with _step(console, f"sending {snapshot} to {first}"):
            _well([ssh.send(masters[first], snapshot, digest, RECEIVED, SECONDS)])
    with _step(console, "ending etcd and apiserver on all masters"):
        _well(part(stack, masters.values(), "end"))
    with _step(console, "setting aside what the others hold"):
        _well(part(stack, [host for name, host in masters.items() if name != first], "aside"))
    with _step(console, f"beginning anew on {first}"):
        _well(part(stack, [masters[first]], "begin", digest))


def part(stack: Stack, hosts: Iterable[Host], name: str, digest: str = "") -> list[ssh.Answer]:
    """These masters have that part of scripts/etcd-restore.sh, side by side."""
    scripts = host_scripts()
    lines = "".join(scripts[file] for file in SCRIPTS)

    def script(host: Host) -> str:
        variables = {"EVENKEEL_HOST": host.name, "RESTORE": name, "SUM": digest, **member_variables(stack, host.name)}
        return assignments(variables) + lines

    return ssh.ask_all(hosts, script, SECONDS)


def checksum(snapshot: Path) -> str:
    """A snapshot's sha256, held against the one that ``ops backup`` has written beside it."""
    with snapshot.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    sums = snapshot.with_name(SUMS)
    if sums.exists() and f"{digest}  {snapshot.name}" not in sums.read_text().splitlines():
        raise RestoreError(f"{snapshot}: is not what {sums} was written of; choose another backup")
    return digest


@contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    started = time.monotonic()
    with console.status(what):
        yield
    console.print(f"{what}: {time.monotonic() - started:.1f} s", markup=False)


def _well(answers: Iterable[ssh.Answer]) -> None:
    faults = [answer.words for answer in answers if answer.code != 0]
    if faults:
        remedy = "What etcd held is there still. Mend this, and run the same command again."
        raise RestoreError("\n".join([*faults, remedy]))


def _whole(answer: ssh.Answer) -> bool:
    return answer.code == 0 and answer.output.endswith("end\n")


def _holding(output: str) -> Holding:
    told = dict(line.split(" ", 1) for line in output.splitlines() if " " in line)
    return Holding(
        data="data" in told,
        revision=int(told.get("revision", 0)),
        majority="majority" in told,
        manifest="manifest" in told,
        turn="turn" in told,
        prepared="prepared" in told,
    )


def _table(held: Mapping[str, Holding]) -> Table:
    table = Table("master", "etcd data", "revision", "agrees with a majority")
    for name, one in held.items():
        revision = str(one.revision or "unknown") if one.data else ""
        table.add_row(name, "yes" if one.data else "none", revision, "yes" if one.majority else "no")
    return table


def _warning(held: Mapping[str, Holding], first: str, snapshot: Path | None) -> str:
    revision = held[first].revision or "unknown"
    source = f"the snapshot {snapshot}" if snapshot else f"its own data, of revision {revision}"
    return (
        f"{first} begins alone with {source}. What was written later, or elsewhere, is no part of the cluster then; "
        f"masters keep what they hold now in {ASIDE}. The API is away meanwhile; what runs on nodes goes on."
    )


def _after(stack: str, held: Mapping[str, Holding], first: str, lost: Sequence[str]) -> str:
    started = held[first].manifest
    waiting = {name: one for name, one in held.items() if name != first or not started}
    begun = f"The API answers, through {first} alone." if started else f"{first} has the data; nothing runs there yet."
    places = [f"Put machines in the place of {', '.join(lost)} and pin their keys."] if lost else []
    turn = [f"The masters have their turns in\n    {turns(stack, waiting)}"] if waiting or lost else []
    return "\n".join([begun, *places, *turn, f"Once all is well (docs/recover.md), remove {ASIDE} on the masters."])
