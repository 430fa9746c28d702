"""A kubeadm single master with a workload that grows to three: by ``pulumi up``, and by kubeadm as it is done by hand.

Both begin with the same cluster, made anew, and with two masters and load balancers to be that have nothing but their
system; both end with three ready apiservers behind the load balancer, to which worker and kube-proxy have turned. Ours
has two of them and a virtual address, the other one.
Does not own the cluster (``tests.lab.kubeadm_cluster``), nor what people do by hand (``tests.lab.by_write_up``).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab import adopted_workload, kubeadm_cluster
from tests.lab.adoption import (
    EVERYBODY,
    MASTER,
    NAME,
    WORKER,
    clear_away,
    like_dev,
    look,
    project,
    sections,
)
from tests.lab.by_write_up import grow_by_hand
from tests.lab.kubeadm_cluster import KubeadmCluster
from tests.lab.program import Load, Program


def measure() -> dict[str, Any]:
    """Seconds of both, and what clients of the master and the workload saw of ours."""
    with _cluster() as cluster:
        before, containers = adopted_workload.asked(cluster), adopted_workload.containers(cluster)
        ours = _by_the_program(cluster)
        if not containers.items() <= adopted_workload.containers(cluster).items():
            raise RuntimeError("bench: a container of the workload was restarted, and what it had counted is gone")
        requests, failures = adopted_workload.asked(cluster)
        ours["adopt_workload_requests"] = requests - before[0]
        ours["adopt_workload_failures"] = len(failures) - len(before[1])
    with _cluster() as cluster:
        started = time.monotonic()
        grow_by_hand()
        return ours | {"adopt_by_kubeadm_seconds": time.monotonic() - started}


@contextmanager
def _cluster() -> Iterator[KubeadmCluster]:
    """With its workload; afterwards none of its hosts is there, nor a stack that has them."""
    try:
        cluster = kubeadm_cluster.make(MASTER, WORKER, EVERYBODY[2:], like_dev())
        adopted_workload.start(cluster)
        yield cluster
    finally:
        clear_away(EVERYBODY)


def _by_the_program(cluster: KubeadmCluster) -> dict[str, Any]:
    file = project()
    Program(NAME).forget()
    Program(NAME).create()
    look()
    program = Program(NAME, sections(file.read_text()))
    load = Load.start(kubeconfig=cluster.kubeconfig)
    try:
        seconds = program.up().ok().seconds
    finally:
        clients = load.stop()
    gap = max(seen["longest_gap_seconds"] for seen in clients.values())
    lost = sum(seen["lost_writes"] for seen in clients.values())
    return {"adopt_seconds": seconds, "adopt_unavailable_seconds": gap, "adopt_lost_writes": lost}
