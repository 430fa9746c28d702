"""``python -m ops harbor-probe``: whether all hubs of a stack run Harbor with the same keys, those of the stack.

Owns asking every hub at once, and the table of what they say. Does not own what is tried: that is scripts/hub-probe.sh,
which an ``up`` left on each hub, with what it needs to know.
"""

from dataclasses import dataclass
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops import ssh, stacks
from render.scripts import ON_HOST

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
    with console.status(f"asking {', '.join(hub.name for hub in hubs)}"):
        answers = ssh.ask_all(hubs, lambda _: f"exec {PROBE} </dev/null", SECONDS)
    findings = [finding for answer in answers for finding in found(answer)]
    console.print(table(findings))
    if any(finding.why for finding in findings):
        _fail(REMEDY)


def found(answer: ssh.Answer) -> list[Finding]:
    """What one hub finds."""
    findings = read(answer.host, answer.output)
    if findings and any(finding.why for finding in findings) == (answer.code != 0):
        return findings
    said = (answer.error or f"it ended with {answer.code}").splitlines()[-1]
    return [*findings, Finding(answer.host, "the probe", f"did not run to its end: {said}")]


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
        verdict = Text(finding.why, style="red") if finding.why else Text("well", style="green")
        shown.add_row(finding.hub, Text(finding.what), verdict)
    return shown


def _fail(text: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(text, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)
