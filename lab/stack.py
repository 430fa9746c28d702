"""Stack ``dev`` on the lab's hosts: its lock, its ``pulumi up``, and what is left for the user.

Owns: the calls of ``pulumi`` and ``python -m ops lock`` that a user of the lab would type. Does not own: the program,
nor which Pulumi runs it (``lab.engine``).
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from lab import engine
from lab.errors import LabError
from lab.mirror import content, serve
from lab.paths import CLONE, KUBECONFIG, LAB, STATE
from lab.shell import run

STACK = "dev"
SETTINGS = CLONE / f"Pulumi.{STACK}.yaml"


def release_name() -> str:
    """The release that the stack names."""
    return str(yaml.safe_load(SETTINGS.read_text())["config"]["evenkeel:release"]["name"])


def lock_path(name: str) -> Path:
    """Where the lock lies that the lab writes for a release."""
    return LAB / f"{name}.lock.yaml"


def lock(name: str) -> Path:
    """Locks a release against what the lab's mirror serves."""
    target = lock_path(name)
    mirror = ["--mirror-artifacts", serve.ARTIFACTS, "--mirror-images", serve.IMAGES]
    command = [sys.executable, "-m", "ops", "lock", name, *mirror, "--arch", content.architecture()]
    run([*command, "--output", target], cwd=CLONE, env=engine.environment())
    return target


def select() -> None:
    """Makes the stack's state, or finds it."""
    pulumi("stack", "select", STACK, "--create")
    release_abandoned_locks()


def up(arguments: Sequence[str] = ()) -> None:
    """Runs ``pulumi up`` as a user would, its progress going where this process's output goes.

    Without the outputs: the hundred lines of ``certificates`` would push all else off the screen.
    """
    command = [str(engine.program()), "up", "--yes", "--suppress-outputs", "--stack", STACK, *arguments]
    done = subprocess.run(command, cwd=CLONE, env=engine.environment(), stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise LabError(f"pulumi up ended with {done.returncode} (see above); correct the cause and run make up again")


def pulumi(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs one ``pulumi`` command in the clone and captures its output."""
    return run([engine.program(), *arguments], cwd=CLONE, env=engine.environment(), check=check)


def outputs() -> dict[str, object]:
    """The stack's outputs, secrets in clear."""
    shown = pulumi("stack", "output", "--json", "--show-secrets", "--stack", STACK)
    return dict(json.loads(shown.stdout))


def write_kubeconfig() -> None:
    """Puts the administrator's kubeconfig where ``.lab/env`` says that it is."""
    text = str(outputs()["kubeconfig"])
    fresh = KUBECONFIG.with_name("kubeconfig.new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(KUBECONFIG)


def nodes() -> str:
    """The cluster's nodes, as kubectl shows them."""
    return run(["kubectl", "get", "nodes", "--output=wide"], env=engine.environment()).stdout


def release_abandoned_locks() -> None:
    """Ends the lock that an engine of this machine left behind when it was killed: nobody holds it any more."""
    for file in (STATE / ".pulumi" / "locks").rglob("*.json"):
        holder = json.loads(file.read_text())
        if holder.get("hostname") == os.uname().nodename and not Path(f"/proc/{holder.get('pid')}").exists():
            file.unlink()
