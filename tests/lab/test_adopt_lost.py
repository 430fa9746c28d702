"""A cluster that has grown loses the master that kubeadm made, and then a majority, and is restored like any other.

Its one master had all that there was before; what is left at last is who joined last.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab import adoption, kubeadm_cluster
from tests.lab.adoption import MASTER, NAME, SECOND, THIRD, WORKER
from tests.lab.program import Run
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
def grown() -> Iterator[Trial]:
    """The cluster, with an object from before and one from after it grew."""
    with dev_frozen(), adoption.grown() as trial:
        trial.kubectl("create", "configmap", "grown")
        yield trial


@pytest.fixture(scope="module")
def replaced(grown: Trial) -> Trial:
    """An empty machine in the place of kubeadm's master, and an ``up``."""
    kubeadm_cluster.empty([MASTER])
    grown.program.up().ok()
    return grown


@pytest.fixture(scope="module")
def lost(replaced: Trial) -> Lost:
    """It is lost once more, and another one with it."""
    kubeadm_cluster.empty(LOST)
    return Lost(replaced, replaced.program.up())


def assert_whole(trial: Trial) -> None:
    """All members vote, all nodes are ready, and what was written at any time is there."""
    for master in MASTERS:
        assert trial.voters(master) == sorted(MASTERS)
        assert trial.cluster_id(master) == trial.cluster_id(THIRD)
    for name in ("kubeadms", "grown"):
        assert trial.kubectl("get", "configmap", name, "--output=name") == f"configmap/{name}\n"
    eventually(lambda: trial.ready_nodes() == sorted([*MASTERS, WORKER]), 60, "every node is ready")


@pytest.fixture(scope="module")
def restored(lost: Lost) -> Trial:
    """All masters are back."""
    begun = restore(lost.trial, command("recover", "python -m ops restore --stack NAME", {"NAME": NAME})).ok()
    turns(lost.trial, begun.text).ok()
    return lost.trial


def test_the_master_that_kubeadm_made_is_lost_and_replaced_like_any_other(replaced: Trial) -> None:
    assert_whole(replaced)
    assert replaced.program.steps() == []


def test_an_up_founds_no_second_cluster_and_says_who_holds_data(lost: Lost) -> None:
    assert lost.run.code != 0
    told = "etcd: this host holds no etcd data, the cluster was formed before"
    assert any(f"{master}: {told}" in lost.run.text for master in LOST)
    assert f"{THIRD} answers and holds data" in lost.run.text


def test_all_that_was_there_is_there_after_a_restore(restored: Trial) -> None:
    assert_whole(restored)


def test_every_master_has_the_authorities_that_kubeadm_made(restored: Trial) -> None:
    for name in ("ca", "front-proxy-ca", "etcd/ca"):
        said = {kubeadm_cluster.run(master, f"cat /etc/kubernetes/pki/{name}.crt") for master in MASTERS}
        assert len(said) == 1, name


def test_nothing_is_left_to_do(restored: Trial) -> None:
    assert restored.program.steps() == []
