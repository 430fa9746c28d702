"""A cluster of three masters that kubeadm made comes into a stack, and nothing restarts but what the preview shows."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from lab import hosts, ssh
from tests.lab import adopted_workload, kubeadm_cluster
from tests.lab.adoption import (
    BALANCER,
    BALANCERS,
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
from tests.lab.by_write_up import grow_by_hand
from tests.lab.kubeadm_cluster import KubeadmCluster
from tests.lab.program import Load, Program, Run
from tests.lab.quiet import dev_frozen
from tests.lab.subject import truths_hold
from tests.lab.trial import ETCDCTL

pytestmark = [pytest.mark.lab, pytest.mark.long]

MASTERS = (MASTER, SECOND, THIRD)
OURS = "spare12"  # the stack's own load balancer; kubeadm's stays where it is


@dataclass(frozen=True)
class Imported:
    """The stack's first ``up``, what its preview had said, and what ran before and after."""

    cluster: KubeadmCluster
    program: Program
    said: str
    steps: list[dict[str, Any]]
    run: Run
    before: Mapping[str, str]
    after: Mapping[str, str]
    clients: Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def imported() -> Iterator[Imported]:
    with dev_frozen():
        yield from _imported()


def _imported() -> Iterator[Imported]:
    everybody = [*MASTERS, WORKER, BALANCER, OURS]
    program = Program(NAME)
    program.forget()
    program.create()
    try:
        cluster = kubeadm_cluster.make(MASTER, WORKER, [SECOND, THIRD, BALANCER, OURS], like_dev())
        adopted_workload.start(cluster)
        grow_by_hand()
        ssh.ensure(everybody)
        file = project()
        said = look()
        program = Program(NAME, with_our_balancer(sections(file.read_text())))
        before, steps = adopted_workload.containers(cluster), program.steps()
        load = Load.start("-server", f"https://{hosts.ADDRESSES[BALANCER]}:6443", kubeconfig=cluster.kubeconfig)
        try:
            run = program.up()
        finally:
            clients = load.stop()
        yield Imported(cluster, program, said, steps, run, before, adopted_workload.containers(cluster), clients)
    finally:
        clear_away(everybody)


def with_our_balancer(values: dict[str, Any]) -> dict[str, Any]:
    """What a user adds: no master, and a load balancer of the stack's beside the one that is there."""
    listed = {name: host for name, host in values["hosts"].items() if name not in BALANCERS}
    listed[OURS] = {"address": hosts.ADDRESSES[OURS], "roles": ["lb"]}
    balancer = {"address": hosts.ADDRESSES[OURS], "vip": None, "extraSans": [hosts.ADDRESSES[BALANCER]]}
    return values | {"hosts": listed, "loadBalancer": balancer}


def test_every_master_is_found(imported: Imported) -> None:
    adopted = imported.program.values["adopted"]
    assert sorted(adopted["masters"]) == sorted(MASTERS)


def test_its_up_ends_well_and_a_second_one_changes_nothing(imported: Imported) -> None:
    imported.run.ok()
    assert imported.program.steps() == []


def test_the_same_three_members_vote(imported: Imported) -> None:
    members = json.loads(kubeadm_cluster.run(MASTER, f"{ETCDCTL} member list -w json"))["members"]
    assert sorted(member["name"] for member in members if not member.get("isLearner")) == sorted(MASTERS)


def test_all_that_holds_for_a_cluster_from_bare_hosts_holds_for_it(imported: Imported) -> None:
    truths_hold(imported.program)


def test_no_pod_of_the_workload_or_the_network_was_restarted(imported: Imported) -> None:
    assert imported.before.items() <= imported.after.items()


def test_no_write_is_lost_and_clients_of_the_old_load_balancer_are_served_by_the_others(imported: Imported) -> None:
    """It knows nothing of readiness: a connection to a master that restarts fails, and the next one does not."""
    for kind, seen in imported.clients.items():
        assert seen["lost_writes"] == 0, kind
        assert seen["longest_gap_seconds"] < 15, kind
