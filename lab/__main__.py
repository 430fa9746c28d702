"""The lab's commands: ``python -m lab up``, ``down``, ``status``, and each phase of ``up`` by itself.

Owns: the order of the phases and what the user reads. Does not own: what a phase does.
"""

import sys

import typer

from lab import daemon, hosts, node, packages, ssh
from lab.errors import LabError
from lab.progress import console, say, step
from lab.toolchain import BuildError

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.command("hosts")
def start_hosts() -> None:
    """The machine's packages, dockerd, the node image, and the hosts with sshd and the lab's key."""
    with step("packages and Docker"):
        packages.ensure(say)
        daemon.ensure(say)
    with step("node image"):
        node.ensure(say)
    with step(f"hosts {', '.join(hosts.HOSTS)}"):
        hosts.ensure()
        ssh.ensure(hosts.names())


@app.command()
def status() -> None:
    """What of the lab is there."""
    for name in hosts.names():
        console.print(f"{name:10} {hosts.ADDRESSES[name]:12} {'runs' if name in hosts.running() else 'stopped'}")


def main() -> None:
    """Runs a command; an expected failure is told in its own words."""
    try:
        app()
    except (LabError, BuildError) as error:
        console.print(f"[red]lab:[/] {error}", soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
