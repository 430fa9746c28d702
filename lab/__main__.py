"""The lab's commands: ``python -m lab up``, ``down``, ``status``, and each phase of ``up`` by itself.

Owns: the order of the phases and what the user reads. Does not own: what a phase does.
"""

import fcntl
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from lab import daemon, engine, hosts, node, packages, ssh, stack, stores, toolchain
from lab.cache import cache_root
from lab.errors import LabError
from lab.mirror import content, serve
from lab.paths import CLONE, KUBECONFIG, LAB
from lab.progress import console, say, step
from releases import read_release

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.command()
def up() -> None:
    """Everything, from the machine's packages to a cluster that answers. Run again, it finishes what was begun."""
    started = time.monotonic()
    with _alone():
        _machine()
        _toolchain()
        _hosts()
        _mirror()
        _engine()
        _stack()
    _summary()
    console.print(f"\nup in {time.monotonic() - started:.0f} s")


@app.command()
def down() -> None:
    """Removes hosts, disks, network, images, state and the Docker daemon that the lab started; keeps the cache."""
    with _alone():
        if daemon.answers() or daemon.has_data():
            daemon.ensure(say)
            owner = hosts.network_owner()
            with step("hosts, disks and network"):
                hosts.remove_all()
            if owner in (None, CLONE):
                with step("Docker daemon of the lab"):
                    daemon.stop()
            else:
                say(f"the lab of the clone {owner} stays")
        shutil.rmtree(LAB, ignore_errors=True)
    console.print(f"nothing is left but the cache, {cache_root()}")


@app.command()
def status() -> None:
    """What of the lab is there."""
    if not daemon.answers():
        console.print("no Docker daemon runs, and no host")
        return
    owner, running = hosts.network_owner(), hosts.running()
    console.print(f"the lab on this machine belongs to {owner or 'no clone'}; Pulumi: {engine.description()}")
    for name in hosts.names():
        console.print(f"{name:10} {hosts.ADDRESSES[name]:12} {'runs' if name in running else 'stopped'}")
    if KUBECONFIG.exists():
        _summary()


@app.command("packages")
def install_packages() -> None:
    """Only the distribution's packages that checks and lab need."""
    packages.install(say)


@app.command("toolchain")
def build_toolchain() -> None:
    """Only builds the programs that are not in the cache."""
    with _alone():
        packages.ensure(say)
        _toolchain()


@app.command("hosts")
def start_hosts() -> None:
    """Only the hosts: packages, Docker, node image, network, sshd with the lab's key."""
    with _alone():
        _machine()
        _hosts()


@app.command("mirror")
def fill_mirror() -> None:
    """Only the mirror: its content, and its host serving it."""
    with _alone():
        _machine()
        _toolchain()
        _hosts()
        _mirror()


@app.command("engine")
def prepare_engine() -> None:
    """Only what a ``pulumi`` command needs: .lab/env, the engine with its plugins, the stack, the release's lock."""
    with _alone():
        _engine()


@app.command("stack")
def update_stack() -> None:
    """Only ``pulumi up`` on hosts that run."""
    with _alone():
        _engine()
        _stack()
    _summary()


def _machine() -> None:
    with step("packages and Docker"):
        packages.ensure(say)
        daemon.ensure(say)
        hosts.claim_network()


def _toolchain() -> None:
    with step("toolchain"):
        toolchain.build(say=say)


def _hosts() -> None:
    with step("system images of the hosts"):
        node.ensure(say)
    with step(f"hosts {', '.join(hosts.HOSTS)}"):
        hosts.ensure()
        ssh.ensure(hosts.running())
    with step(f"servers for Harbor's data on {', '.join(hosts.STORES)}"):
        stores.ensure()


def _mirror() -> None:
    with step(f"mirror {serve.ARTIFACTS} and {serve.IMAGES}"):
        serve.ensure(content.ensure(read_release(stack.release_name()), say))


def _engine() -> None:
    with step(f"engine: {engine.description()}"):
        engine.prepare()
        stack.select()
    with step("lock of the release, from the mirror"):
        stack.lock(stack.release_name())


def _stack() -> None:
    with step(f"pulumi up --yes --stack {stack.STACK}", quiet=True):
        stack.up()
    stack.write_kubeconfig()


def _summary() -> None:
    console.print(f"\nendpoint  {stack.outputs()['apiEndpoint']}\n\n{stack.nodes()}", markup=False)
    console.print(
        f"To use it:  . {LAB.name}/env\n"
        "            kubectl get pods -A\n"
        f"            pulumi preview --stack {stack.STACK}\n"
        f"            ssh -F {LAB.name}/ssh_config shaolin",
        markup=False,
    )


@contextmanager
def _alone() -> Iterator[None]:
    """One command that changes the lab at a time, whichever clone it is typed in."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "lab.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise LabError(f"another command changes the lab right now: {lock.read().strip()}; wait for it") from None
        lock.truncate(0)
        lock.write(f"{' '.join(sys.argv[1:])} in {CLONE}\n")
        lock.flush()
        yield


def main() -> None:
    """Runs a command; an expected failure is told in its own words."""
    try:
        app()
    except (LabError, toolchain.BuildError) as error:
        console.print("lab:", style="red", end=" ")
        console.print(str(error), markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
