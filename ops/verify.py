"""``python -m ops verify``: what differs between a stack's hosts and cluster and what the stack would write there.

Owns what is asked of each host, and what a finding means. Does not own the comparison on a host (scripts/verify.sh),
that of the cluster's objects (``ops.objects``), nor mending: that is an ``up`` with a new ``evenkeel:repair``.
"""

import base64
import difflib
import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from ops import objects, ssh, stacks
from render import parts
from render.files import File
from render.parts import Inventory
from render.scripts import Scripts, assignments, host_scripts
from settings import Host, Stack

DRIFT, UNKNOWN = 2, 1
REMEDY = (
    "To mend this: `pulumi config set evenkeel:repair WORD --stack {stack}` with a word that it did not have, "
    "and `pulumi up --refresh --stack {stack}`; docs/status.md says what that leaves to you."
)
LINES_OF_A_DIFF = 40
REVISION = re.compile(r"(evenkeel\.dev/revision:).*")
FIRST_START = re.compile(r"--initial-cluster(-state|-token)?=")
# Kind of a finding: what it says, with its subject before it and its details after.
SAYINGS = {
    "missing": "is not there",
    "mode": "has mode {0}, not {1}",
    "owner": "belongs to {0}, not to {1}",
    "content": "differs",
    "secret": "differs (fingerprint {0}, not {1})",
    "unstaged": "part is not staged on this host",
    "turn": "was last found well with other files than those staged for it",
    "unit": "is {0} and {1}, not active and enabled",
    "sysctl": "is {0}, not {1}",
    "program": "is not the program that was unpacked for it",
    "upstream": "upstream {0} is not in nginx's list",
    "container": "does not run as wanted ({0})",
}


@dataclass(frozen=True)
class Finding:
    """One thing that differs: where, what, how, and for readable texts the lines of a diff."""

    where: str
    what: str
    how: str
    diff: tuple[str, ...] = ()


def command(
    stack: Annotated[str, typer.Option(help="The stack whose hosts and cluster are looked at.")],
) -> None:
    """Find every managed file, unit and cluster object that is not as the stack would write it.

    Nothing is changed. Ends with 2 when something differs, 0 when nothing does, and 1 when a host could not be asked
    and the others are as they should be.
    """
    console, errors = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        settings = stacks.read(stack)
    except stacks.StackError as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(UNKNOWN) from error
    findings, faults = compare(settings)
    show(console, findings)
    for fault in faults:
        errors.print(fault, style="red", markup=False)
    if findings:
        console.print(f"{len(findings)} differ. {REMEDY.format(stack=stack)}", markup=False)
        raise typer.Exit(DRIFT)
    if faults:
        raise typer.Exit(UNKNOWN)
    console.print(f"Nothing differs on {len(settings.hosts)} hosts and in the cluster.")


def compare(stack: Stack) -> tuple[list[Finding], list[str]]:
    """What differs anywhere, and who could not be asked. Hosts and cluster are asked at the same time."""
    scripts = host_scripts()
    wanted = objects.wanted(stack)
    with ThreadPoolExecutor(max_workers=1) as beside:
        of_cluster = beside.submit(objects.in_cluster, stack, wanted)
        answers = ssh.ask_all(stack.hosts.values(), partial(script, stack, scripts))
        cluster = of_cluster.result()
    findings, faults = [], []
    for answer in answers:
        inventory = parts.inventory(stack, stack.hosts[answer.host], scripts)
        findings += read(answer.host, inventory, answer.output)
        if not answer.output.endswith("end\n"):
            faults.append(answer.fault or f"{answer.host}: did not say all; run this again")
    if cluster.code == 0:
        findings += [_of_object(one) for one in objects.differences(wanted, objects.read(cluster.output))]
    else:
        faults.append(f"the cluster's objects could not be read: {cluster.fault}")
    return findings, faults


def script(stack: Stack, scripts: Scripts, host: Host) -> str:
    """What one host runs."""
    inventory = parts.inventory(stack, host, scripts)
    plain = [file for files in inventory.plain.values() for file in files]
    variables = {
        "EVENKEEL_HOST": host.name,
        "PLAIN": "\n".join(f"{_digest(file)} {file.mode} {file.owner} {file.path}" for file in plain),
        "HELD": " ".join(inventory.held),
        "UNITS": " ".join(inventory.units),
        "TURNS": "\n".join(f"{unit} {' '.join(of)}" for unit, of in inventory.turns.items()),
    }
    return scripts["lib.sh"] + scripts["artifacts.sh"] + assignments(variables) + scripts["verify.sh"]


def settled(file: File) -> str:
    """A file's text without what the host fills into a manifest, as scripts/verify.sh has it."""
    if "/manifests/" not in file.path:
        return file.content
    lines = REVISION.sub(r"\1", file.content).splitlines(keepends=True)
    return "".join(line for line in lines if not FIRST_START.search(line))


def read(host: str, inventory: Inventory, printed: str) -> list[Finding]:
    """The lines of scripts/verify.sh; one that a lost connection has cut off says nothing."""
    files = {file.path: file for part in inventory.plain.values() for file in part}
    found = []
    whole, _, _ = printed.rpartition("\n")
    for line in whole.splitlines():
        kind, *words = line.split(" ")
        if kind not in SAYINGS or not words:
            continue
        subject, *details = words
        diff = _diff(files[subject], details[0]) if kind == "content" else ()
        found.append(Finding(host, subject, SAYINGS[kind].format(*details), diff))
    return found


def show(console: Console, findings: Iterable[Finding]) -> None:
    """A line a finding, and under it what of a readable text differs."""
    for finding in findings:
        console.print(Text.assemble((finding.where, "bold"), f": {finding.what} ", (finding.how, "red")))
        for line in finding.diff[:LINES_OF_A_DIFF]:
            style = {"+": "green", "-": "red"}.get(line[:1], "")
            console.print(Text(f"    {line}", style=style))
        if len(finding.diff) > LINES_OF_A_DIFF:
            console.print(f"    and {len(finding.diff) - LINES_OF_A_DIFF} lines more")


def _digest(file: File) -> str:
    return hashlib.sha256(settled(file).encode()).hexdigest()


def _diff(file: File, encoded: str) -> tuple[str, ...]:
    return _lines(settled(file), base64.b64decode(encoded).decode(errors="replace"))


def _lines(wanted: str, found: str) -> tuple[str, ...]:
    """``-`` is what the stack wants, ``+`` what is there."""
    both = difflib.unified_diff(wanted.splitlines(), found.splitlines(), lineterm="", n=1)
    return tuple(line for line in both if not line.startswith(("---", "+++")))


def _of_object(one: objects.Difference) -> Finding:
    if not one.path:
        return Finding("cluster", one.subject, "is not there")
    if "\n" in one.wanted + one.found:
        return Finding("cluster", f"{one.subject} {one.path}", "differs", _lines(one.wanted, one.found))
    return Finding("cluster", f"{one.subject} {one.path}", f"is {one.found}, not {one.wanted}")
