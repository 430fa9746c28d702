"""A kubeadm cluster of the lab before and while it grows into stack ``adopt``: its hosts, the look at it, the settings.

Does not own the cluster's making (``tests.lab.kubeadm_cluster``), nor what must hold afterwards
(tests/lab/test_adopt.py).
"""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

import settings
from lab import engine, hosts, stack
from lab.paths import CLONE, KNOWN_HOSTS, PRIVATE_KEY
from tests.lab import kubeadm_cluster
from tests.lab.program import FOLDER, Program, spares
from tests.lab.trial import Trial
from tests.pages import command

NAME = "adopt"
MASTER, WORKER, SECOND, THIRD, BALANCER, OTHER_BALANCER = (f"spare{number}" for number in range(13, 19))
ADDED_MASTERS, BALANCERS = (SECOND, THIRD), (BALANCER, OTHER_BALANCER)
FOURTH = "spare19"  # a master that comes when the first one goes
EVERYBODY = [MASTER, WORKER, *ADDED_MASTERS, *BALANCERS]
VIP = "10.77.0.231"
IN_PAGE = {"MASTER": hosts.ADDRESSES[MASTER], "mine": NAME, "~/.ssh/mine_ed25519": str(PRIVATE_KEY)}


def like_dev(release: str = "", cluster: Mapping[str, Any] | None = None) -> settings.Stack:
    """The lab's own settings, for a host that no stack has.

    ``release``: of another release, which has been locked; ``cluster``: changes to that section.
    """
    master = {"address": hosts.ADDRESSES["shaolin"], "roles": ["master", "lb"]}
    balancer = {"address": master["address"], "port": 8443, "vip": None}
    values = Program("like-dev", {"hosts": {"shaolin": master}, "loadBalancer": balancer}).settings(
        {"cluster": cluster or {}}
    )
    return settings.parse(values | {"release": locked(release or values["release"]["name"])}, CLONE)


def locked(name: str) -> dict[str, Any]:
    """The section ``release`` for a release that was locked from the lab's mirror."""
    release: dict[str, Any] = yaml.safe_load(stack.SETTINGS.read_text())["config"]["evenkeel:release"]
    return release | {"name": name, "lock": str(stack.lock_path(name).relative_to(CLONE))}


@contextmanager
def grown() -> Iterator[Trial]:
    """The cluster of one master, which held an object ``kubeadms`` when it grew, in one ``up`` that nobody disturbs."""
    Program(NAME).forget()
    Program(NAME).create()
    try:
        cluster = kubeadm_cluster.make(MASTER, WORKER, EVERYBODY[2:], like_dev())
        cluster.kubectl("create", "configmap", "kubeadms")
        file = project()
        look()
        trial = Trial(Program(NAME, sections(file.read_text())), (MASTER, *ADDED_MASTERS), EVERYBODY)
        trial.program.up().ok()
        yield trial
    finally:
        clear_away(EVERYBODY)


def clear_away(names: Iterable[str]) -> None:
    """The hosts, the stack that has them, and the snapshots that its ``up`` kept, which hold the cluster's secrets."""
    Program(NAME).forget()
    for name in names:
        hosts.destroy(name)
    for path in (CLONE / "snapshots").glob(f"{NAME}-*.db"):
        path.unlink()
    (FOLDER / f"{NAME}.kubeconfig").unlink(missing_ok=True)


def project() -> Path:
    """The stack's file, empty, in a project's folder of its own: the clone has none for this stack."""
    folder = FOLDER / NAME
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "Pulumi.yaml").write_text((CLONE / "Pulumi.yaml").read_text())
    path = folder / f"Pulumi.{NAME}.yaml"
    salt = yaml.safe_load(stack.SETTINGS.read_text())["encryptionsalt"]
    path.write_text(yaml.safe_dump({"encryptionsalt": salt}))
    return path


def look() -> str:
    """What the look at the master says, as docs/adopt.md has it; it writes into the file of ``project``."""
    _types(command("adopt", "ssh-keyscan", IN_PAGE))
    key = (FOLDER / NAME / "known_hosts").read_text().split()[1:3]
    assert " ".join(key) in KNOWN_HOSTS.read_text(), "it is not the host's own"
    return _types(
        command("adopt", "python -m ops adopt root@MASTER --stack mine --identity ~/.ssh/mine_ed25519", IN_PAGE)
    )


def undo() -> str:
    """What the way back says."""
    return _types(
        command("adopt", "python -m ops adopt root@MASTER --stack mine --identity ~/.ssh/mine_ed25519 --undo", IN_PAGE)
    )


def without_key(name: str) -> dict[str, Any]:
    """What the stack's file says once a key was taken out of it, as docs/rotate.md has it."""
    _types(command("rotate", "pulumi config rm", IN_PAGE | {"clusterCaKey": name}))
    return sections((FOLDER / NAME / f"Pulumi.{NAME}.yaml").read_text())


def _types(line: str) -> str:
    environment = {**os.environ, **engine.environment(), "PYTHONPATH": str(CLONE)}
    shell = ["sh", "-c", line]
    done = subprocess.run(shell, cwd=FOLDER / NAME, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sections(text: str) -> dict[str, Any]:
    """What the look wrote, and what a user adds to it: two masters, two load balancers, host keys, and the mirror."""
    config = yaml.safe_load(text)["config"]
    written = {name.removeprefix("evenkeel:"): value for name, value in config.items()}
    roles = {name: ["master"] for name in ADDED_MASTERS} | {name: ["lb"] for name in BALANCERS}
    return written | {
        "hosts": written["hosts"] | spares(list(roles), roles),
        "loadBalancer": {"address": VIP, "vip": {"address": VIP, "routerId": 52}, "extraSans": []},
        "release": locked(written["release"]["name"]),
        "ssh": written["ssh"] | {"knownHosts": str(KNOWN_HOSTS)},
    }
