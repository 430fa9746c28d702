"""How long a control plane takes to be highly available: by the program, by kubeadm, and at the least."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from bench import ground, kubeadm
from bench.ready import await_ha, timed
from lab import hosts

Times = dict[str, float]


def by_the_program() -> tuple[Times, dict[str, int]]:
    """``pulumi up`` as a whole, and when it had the three apiservers ready; also each host's SSH connections."""
    ground.empty()
    before = _connections()
    started = time.monotonic()
    given_up = Event()
    with ThreadPoolExecutor(1) as pool:
        ready = pool.submit(await_ha, given_up=given_up)
        run = ground.PROGRAM.up()
        if run.code != 0:
            given_up.set()
        times = {"up_seconds": run.ok().seconds, "up_until_ready_seconds": ready.result() - started}
    return times, {name: count - before[name] for name, count in _connections().items()}


def floor() -> Times:
    """The kubelets started at once with everything in place but data, until all three apiservers are ready.

    Follows ``by_the_program``: its files are what is in place; their etcd manifests found a new cluster.
    """
    ground.on_all(ground.MASTERS, f"{ground.END_PODS}\nrm -rf /var/lib/etcd/member")
    seconds = timed(_start_kubelets)
    return {"floor_seconds": seconds}


def by_kubeadm() -> Times:
    """``kubeadm init`` and two ``kubeadm join``, until all three apiservers are ready behind the load balancer."""
    ground.empty()
    kubeadm.lay_ground()
    started = time.monotonic()
    kubeadm.init_and_join()
    return {"kubeadm_seconds": await_ha() - started}


def _start_kubelets() -> None:
    ground.on_all(ground.MASTERS, "systemctl start kubelet")
    await_ha(through_balancer=False)


def _connections() -> dict[str, int]:
    count = "journalctl -u ssh --no-pager -o cat | grep -c 'Accepted publickey'"
    return {name: int(hosts.run(name, count).stdout or 0) for name in hosts.BENCH}
