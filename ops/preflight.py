"""``python -m ops preflight``: what stands in the way of an ``up``, on all hosts, before there is one.

Owns the command. Does not own what is checked (scripts/preflight.sh and scripts/hub-preflight.sh, which an ``up`` runs
as well). Nothing is installed; what will be is downloaded, checked, and kept in /var/cache/evenkeel.
"""

from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from ops import ssh, stacks
from render import hub_preflight, preparation
from render.scripts import Scripts, host_scripts
from settings import Host, Stack

SECONDS = 600  # a first one downloads
WARNING = ": preflight: warning: "  # as scripts/preflight.sh says it


def command(
    stack: Annotated[str, typer.Option(help="The stack whose hosts are checked.")],
) -> None:
    """Check every host of a stack for what its roles need, as the beginning of an `up` does.

    Nothing is installed or restarted. Ends with 1 when something is missing.
    """
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        settings = stacks.read(stack)
    except stacks.StackError as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    if not passed(settings, console, errors):
        raise typer.Exit(1)


def passed(settings: Stack, console: Console, errors: Console) -> bool:
    """Checks, says what was found, and whether nothing is missing."""
    with console.status(f"checking {', '.join(settings.hosts)}"):
        faults, warnings = check(settings)
    for warning in (*settings.warnings, *warnings):
        errors.print(warning, style="yellow", markup=False)
    for fault in faults:
        errors.print(fault, style="red", markup=False)
    if not faults:
        console.print(f"{len(settings.hosts)} hosts have what they need.", style="green")
    return not faults


def check(stack: Stack) -> tuple[list[str], list[str]]:
    """What is wrong, and what is odd, in the hosts' own words."""
    scripts = host_scripts()
    answers = ssh.ask_all(stack.hosts.values(), partial(_script, stack, scripts), SECONDS)
    on_hubs = ssh.ask_all(stack.hubs().values(), partial(_hub_script, stack, scripts), SECONDS)
    faults = [answer.words for answer in (*answers, *on_hubs) if answer.code != 0]
    if stack.harbor and not faults:
        faults += filter(None, [hub_preflight.other_storage(stack.harbor, {one.host: one.output for one in on_hubs})])
    well = [answer for answer in (*answers, *on_hubs) if answer.code == 0]
    odd = [line for answer in well for line in answer.error.splitlines() if WARNING in line]
    return faults, [*odd, *preparation.same_machine({answer.host: answer.output for answer in answers})]


def _script(stack: Stack, scripts: Scripts, host: Host) -> str:
    return preparation.preflight_body(stack, host, scripts)


def _hub_script(stack: Stack, scripts: Scripts, hub: Host) -> str:
    return hub_preflight.body(stack, stack.harbor, hub, scripts) if stack.harbor else ""
