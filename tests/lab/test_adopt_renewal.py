"""A cluster that has grown renews what kubeadm made it with, and what joins it by kubeadm is told of that in time."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from settings.secret_keys import AUTHORITY_KEYS
from tests.lab import adoption, kubeadm_cluster
from tests.lab.adoption import ADDED_MASTERS, MASTER, NAME, WORKER
from tests.lab.program import Program
from tests.lab.quiet import dev_frozen
from tests.lab.renewing import (
    STEPS,
    Step,
    assert_apiservers_reach_kubelets,
    assert_nobody_noticed,
    assert_only_new,
    take,
    wanting,
)
from tests.lab.trial import Trial
from tests.waiting import eventually

MASTERS = (MASTER, *ADDED_MASTERS)

pytestmark = [pytest.mark.lab, pytest.mark.long]


@dataclass(frozen=True)
class Renewed:
    """The cluster after all steps, and what a node that would join by kubeadm was told after each."""

    trial: Trial
    steps: Mapping[str, Step]
    joins: Mapping[str, str]


@pytest.fixture(scope="module")
def renewed() -> Iterator[Renewed]:
    with dev_frozen(), adoption.grown() as trial:
        steps, joins = {}, {}
        for step in STEPS:
            steps[step] = take(trial, step)
            joins[step] = join_as_far_as_nothing_changes()
        trial.program.kubeconfig()
        yield Renewed(trial, steps, joins)


def join_as_far_as_nothing_changes() -> str:
    """kubeadm finds the cluster by ``cluster-info``, whose authorities it pins, and reads ``kubeadm-config`` there."""
    command = kubeadm_cluster.run(MASTER, "kubeadm token create --print-join-command").strip()
    known = command.removeprefix("kubeadm join ")
    return kubeadm_cluster.run(WORKER, f"kubeadm join phase preflight {known} --ignore-preflight-errors=all 2>&1")


@pytest.mark.parametrize("step", STEPS)
def test_nobody_notices_a_step(renewed: Renewed, step: str) -> None:
    assert_nobody_noticed(renewed.steps[step])


@pytest.mark.parametrize("step", STEPS)
def test_what_joins_by_kubeadm_trusts_what_issues(renewed: Renewed, step: str) -> None:
    """It would go by kubeadm's first authority for ever, and refuse every apiserver from the step on that issues."""
    assert 'Reading configuration from the "kubeadm-config" ConfigMap' in renewed.joins[step]


def test_every_certificate_in_use_is_of_the_new_authorities_alone(renewed: Renewed) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: assert_only_new(node, node in MASTERS), (*MASTERS, WORKER)))


def test_every_apiserver_reaches_every_kubelet(renewed: Renewed) -> None:
    assert_apiservers_reach_kubelets(MASTERS, (*MASTERS, WORKER))


def test_kubeadms_own_commands_still_understand_the_cluster(renewed: Renewed) -> None:
    assert "apiserver-kubelet-client" in kubeadm_cluster.run(MASTER, "kubeadm certs check-expiration 2>&1")


def test_what_was_there_is_there(renewed: Renewed) -> None:
    assert renewed.trial.kubectl("get", "configmap", "kubeadms", "--output=name") == "configmap/kubeadms\n"
    eventually(lambda: renewed.trial.ready_nodes() == sorted((*MASTERS, WORKER)), 60, "every node is ready")


def test_keys_that_nobody_trusts_any_more_need_not_be_kept(renewed: Renewed) -> None:
    """They are why it was renewed."""
    for key in AUTHORITY_KEYS.values():
        kept = adoption.without_key(key)
    assert not set(AUTHORITY_KEYS.values()) & set(kept)
    assert Program(NAME, kept).steps(wanting(2)) == []
