"""A cluster that has grown loses its majority, the master that kubeadm made among it, and is restored like any other.

Its one master had all that there was before; what is left here is the last that joined it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab import kubeadm_cluster
from tests.lab.adoption import (
    EVERYBODY,
    MASTER,
    NAME,
    SECOND,
    THIRD,
    WORKER,
    clear_away,
    like_dev,
    look,
    project,
    sections,
)
from tests.lab.program import Program, Run
from tests.lab.quiet import dev_frozen
from tests.lab.restoring import restore, turns
from tests.lab.trial import Trial
from tests.pages import command
from tests.waiting import eventually

MASTERS = (MASTER, SECOND, THIRD)
LOST = (MASTER, SECOND)

pytestmark = [pytest.mark.lab, pytest.mark.long]


@dataclass(frozen=True)
class Lost:
    """The cluster after two masters were replaced by empty machines, and the ``up`` that came next."""

    trial: Trial
    run: Run


@pytest.fixture(scope="module")
def lost() -> Iterator[Lost]:
    Program(NAME).forget()
    Program(NAME).create()
    with dev_frozen():
        try:
            cluster = kubeadm_cluster.make(MASTER, WORKER, EVERYBODY[2:], like_dev())
            cluster.kubectl("create", "configmap", "kubeadms")
            file = project()
            look()
            trial = Trial(Program(NAME, sections(file.read_text())), MASTERS, EVERYBODY)
            trial.program.up().ok()
            trial.kubectl("create", "configmap", "grown")
            kubeadm_cluster.empty(LOST)
            yield Lost(trial, trial.program.up())
        finally:
            clear_away(EVERYBODY)


@pytest.fixture(scope="module")
def restored(lost: Lost) -> Trial:
    """All masters are back."""
    begun = restore(lost.trial, command("recover", "python -m ops restore --stack NAME", {"NAME": NAME})).ok()
    turns(lost.trial, begun.text).ok()
    return lost.trial


def test_an_up_founds_no_second_cluster_and_says_who_holds_data(lost: Lost) -> None:
    assert lost.run.code != 0
    told = "etcd: this host holds no etcd data, the cluster was formed before"
    assert any(f"{master}: {told}" in lost.run.text for master in LOST)
    assert f"{THIRD} answers and holds data" in lost.run.text


def test_what_kubeadms_master_held_is_there_again_and_all_members_vote(restored: Trial) -> None:
    for name in ("kubeadms", "grown"):
        assert restored.kubectl("get", "configmap", name, "--output=name") == f"configmap/{name}\n"
    for master in MASTERS:
        assert restored.voters(master) == sorted(MASTERS)
        assert restored.cluster_id(master) == restored.cluster_id(THIRD)


def test_the_worker_that_kubeadm_joined_and_all_masters_are_ready(restored: Trial) -> None:
    eventually(lambda: restored.ready_nodes() == sorted([*MASTERS, WORKER]), 60, "every node is ready")


def test_every_master_has_the_authorities_that_kubeadm_made(restored: Trial) -> None:
    for name in ("ca", "front-proxy-ca", "etcd/ca"):
        said = {kubeadm_cluster.run(master, f"cat /etc/kubernetes/pki/{name}.crt") for master in MASTERS}
        assert len(said) == 1, name


def test_nothing_is_left_to_do(restored: Trial) -> None:
    assert restored.program.steps() == []
