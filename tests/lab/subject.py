"""Whose cluster the tests look at that look at any: stack ``dev``'s, unless ``SUBJECT`` in the environment names a file
that says which.

What those tests say holds for every cluster of the program, however it began; ``truths_hold`` runs them on another
stack's. Does not own what runs a stack (``tests.lab.program``).
"""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import settings
from lab.paths import CLONE
from tests.lab.program import DEV, FOLDER, Program
from tests.lab.program import kubectl as ask
from tests.waiting import eventually

SUBJECT = "EVENKEEL_TEST_SUBJECT"
SYSTEM = "--namespace=kube-system"
# A pod that is about to go is ready as long as it serves; its time of deletion is among the words then.
SHOWN = "jsonpath={.items[*].status.containerStatuses[*].ready} {.items[*].metadata.deletionTimestamp}"
READY = ("get", "pods", SYSTEM, f"--output={SHOWN}")
AT_REST = ("test_cluster.py", "test_endpoints.py", "test_certificates.py", "test_serving_certificates.py")


@cache
def program() -> Program:
    """The program on that stack."""
    named = os.environ.get(SUBJECT)
    return Program(**json.loads(Path(named).read_text())) if named else DEV


@cache
def stack() -> settings.Stack:
    """The settings. Not a constant: without a running lab they name files that are not there."""
    return program().parsed()


def masters() -> tuple[str, ...]:
    """Its masters' names, in the order of their turns."""
    return tuple(sorted(stack().masters()))


def balancers() -> tuple[str, ...]:
    """The names of its load balancers."""
    return tuple(stack().load_balancers())


def address() -> str:
    """The load balancers' virtual address."""
    vip = stack().load_balancer.vip
    assert vip
    return vip.address


def kubectl(*arguments: str) -> str:
    """What kubectl prints, as the stack's administrator and through its load balancer."""
    return ask(*arguments, kubeconfig=kubeconfig())


@cache
def kubeconfig() -> Path:
    """The stack's administrator's."""
    return program().kubeconfig()


def truths_hold(other: Program, tests: Sequence[str] = AT_REST) -> None:
    """These tests on another stack, once its add-ons' pods are those of its last ``up``; they must pass.

    ``tests``: by file, such as ``test_rolls.py`` or ``test_rolls.py::test_this``; else those of a cluster at rest.
    """
    path = other.kubeconfig()
    for what in ("daemonset/kube-proxy", "deployment/coredns"):
        ask("rollout", "status", what, SYSTEM, "--timeout=110s", kubeconfig=path)
    eventually(lambda: set(ask(*READY, kubeconfig=path).split()) == {"true"}, 60, "the pods before them have gone")
    file = FOLDER / f"{other.stack}.subject.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(dataclasses.asdict(other)))
    try:
        named = [f"tests/lab/{test}" for test in tests]
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short", *named]
        environment = {**os.environ, SUBJECT: str(file)}
        tried = subprocess.run(command, cwd=CLONE, env=environment, capture_output=True, text=True, check=False)
    finally:
        file.unlink()
    assert tried.returncode == 0, tried.stdout[-20000:]
