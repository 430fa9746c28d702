"""``python -m ops harbor-probe``: whether all hubs of a stack run Harbor with the same keys, those of the stack.

Owns asking every hub at once, and the table of what they say. Does not own what is tried: that is scripts/hub-probe.sh,
which an ``up`` left on each hub, with what it needs to know.
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops import stacks
from render import openssh
from render.preparation import ON_HOST
from settings import Host

PROBE = f"{ON_HOST}/hub-probe.sh"
SECONDS = 120
REMEDY = (
    "Run `pulumi config set evenkeel:repair WORD` with a word that it did not have, and `pulumi up`: "
    "every hub gets the stack's own files again, and its containers anew."
)


@dataclass(frozen=True)
class Finding:
    """One thing that a hub tried: ``why`` says what is wrong with it, and is empty when nothing is."""

    hub: str
    what: str
    why: str


def command(
    stack: Annotated[str, typer.Option(help="The stack whose hubs are asked.")],
) -> None:
    """Try on every hub of a stack what no health endpoint of Harbor tells.

    What each container runs with is compared with what the stack wants; a token, an upload and a form that begin at one
    hub are used at every other. Nothing is changed. Ends with 1 when something is wrong.
    """
    console = Console(highlight=False)
    try:
        hubs = list(stacks.read(stack).hubs().values())
    except stacks.StackError as error:
        _fail(str(error))
    if not hubs:
        _fail(f"stack {stack}: has no hosts of role hub; choose one that has")
    with console.status(f"asking {', '.join(hub.name for hub in hubs)}"), ThreadPoolExecutor() as pool:
        findings = [finding for found in pool.map(ask, hubs) for finding in found]
    console.print(table(findings))
    if any(finding.why for finding in findings):
        _fail(REMEDY)


def ask(hub: Host) -> list[Finding]:
    """What one hub finds."""
    user = [] if hub.ssh.user == "root" else ["sudo", "-n"]
    with identity(hub) as key:
        words = openssh.command(hub.ssh, key, [*user, PROBE])
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return [Finding(hub.name, "the probe", f"has not ended after {SECONDS} s; see what that hub is doing")]
    findings = read(hub.name, done.stdout)
    if findings and any(finding.why for finding in findings) == (done.returncode != 0):
        return findings
    said = (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()[-1]
    return [*findings, Finding(hub.name, "the probe", f"did not run to its end: {said}")]


def read(hub: str, printed: str) -> list[Finding]:
    """The lines of scripts/hub-probe.sh."""
    findings = []
    for line in printed.splitlines():
        verdict, _, text = line.partition(" ")
        what, _, why = text.partition(": ")
        if verdict in ("ok", "wrong"):
            findings.append(Finding(hub, what, why if verdict == "wrong" else ""))
    return findings


def table(findings: list[Finding]) -> Table:
    """All findings, a row each."""
    shown = Table("hub", "tried", "found")
    for finding in findings:
        found = Text(finding.why, style="red") if finding.why else Text("well", style="green")
        shown.add_row(finding.hub, Text(finding.what), found)
    return shown


@contextlib.contextmanager
def identity(hub: Host) -> Iterator[str]:
    """The private key in a file of its own for as long as ``ssh`` needs it."""
    descriptor, path = tempfile.mkstemp(prefix="evenkeel-")  # readable by this user only
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{hub.ssh.private_key.get_secret_value().rstrip()}\n")
        yield path
    finally:
        Path(path).unlink()


def _fail(text: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(text, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)
