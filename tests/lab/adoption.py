"""A kubeadm cluster of the lab before and while it grows into stack ``adopt``: its hosts, the look at it, the settings.

Does not own the cluster's making (``tests.lab.kubeadm_cluster``), nor what must hold afterwards
(tests/lab/test_adopt.py).
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

import settings
from lab import engine, hosts, stack
from lab.paths import CLONE, KNOWN_HOSTS, PRIVATE_KEY
from tests.lab.program import FOLDER, Program

NAME = "adopt"
MASTER, WORKER, SECOND, THIRD, BALANCER = (f"spare{number}" for number in range(13, 18))
ADDRESS = hosts.ADDRESSES[BALANCER]


def like_dev() -> settings.Stack:
    """The lab's own settings, for a host that no stack has."""
    master = {"address": hosts.ADDRESSES["shaolin"], "roles": ["master", "lb"]}
    balancer = {"address": master["address"], "port": 8443, "vip": None}
    values = Program("like-dev", {"hosts": {"shaolin": master}, "loadBalancer": balancer}).settings()
    return settings.parse(values, CLONE)


def clear_away(names: Iterable[str]) -> None:
    """The hosts, the stack that has them, and the snapshots that its ``up`` kept, which hold the cluster's secrets."""
    Program(NAME).forget()
    for name in names:
        hosts.destroy(name)
    for path in (CLONE / "snapshots").glob(f"{NAME}-*.db"):
        path.unlink()


def project() -> Path:
    """The stack's file, empty, in a project's folder of its own: the clone has none for this stack."""
    folder = FOLDER / NAME
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "Pulumi.yaml").write_text((CLONE / "Pulumi.yaml").read_text())
    path = folder / f"Pulumi.{NAME}.yaml"
    salt = yaml.safe_load(stack.SETTINGS.read_text())["encryptionsalt"]
    path.write_text(yaml.safe_dump({"encryptionsalt": salt}))
    return path


def look(*more: str) -> str:
    """What ``ops adopt`` says of the master; it writes into the file of ``project``."""
    command = [sys.executable, "-m", "ops", "adopt", f"root@{hosts.ADDRESSES[MASTER]}", "--stack", NAME, *more]
    command += ["--known-hosts", str(KNOWN_HOSTS), "--identity", str(PRIVATE_KEY)]
    environment = {**os.environ, **engine.environment(), "PYTHONPATH": str(CLONE)}
    done = subprocess.run(command, cwd=FOLDER / NAME, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sections(text: str) -> dict[str, Any]:
    """What the look wrote, and what a user adds to it: two masters, a load balancer, and where the lab fetches from."""
    config = yaml.safe_load(text)["config"]
    written = {name.removeprefix("evenkeel:"): value for name, value in config.items()}
    added = {name: {"address": hosts.ADDRESSES[name], "roles": ["master"]} for name in (SECOND, THIRD)}
    added[BALANCER] = {"address": ADDRESS, "roles": ["lb"]}
    release = yaml.safe_load(stack.SETTINGS.read_text())["config"]["evenkeel:release"]
    return written | {
        "hosts": written["hosts"] | added,
        "loadBalancer": {"address": ADDRESS, "vip": None, "extraSans": []},
        "release": release,
    }
