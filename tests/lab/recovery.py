"""What the tests of failures look at: who is well, who holds the virtual address, who leads, and the VIP from outside.

Does not own how something is made to fail (``lab.hosts``), the load (``tests.lab.program``), or any limit (the tests).
"""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from lab import hosts
from tests.lab import subject
from tests.lab.readiness import ready
from tests.lab.subject import kubectl
from tests.waiting import eventually

LEADERS = ("kube-scheduler", "kube-controller-manager")
PORT = 6443
CA = "/var/lib/evenkeel/lb/apiserver.ca.pem"
ETCD_HEALTH = (
    "ETCDCTL_CACERT={0}/ca.crt ETCDCTL_CERT={0}/healthcheck-client.crt ETCDCTL_KEY={0}/healthcheck-client.key "
    "etcdctl --command-timeout=2s endpoint health"
).format("/etc/kubernetes/pki/etcd")


def member_healthy(master: str) -> bool:
    """Its own etcd member answers a read that a quorum agrees on."""
    return hosts.run(master, ETCD_HEALTH).returncode == 0


def admitted(master: str) -> bool:
    """Both load balancers give it new connections."""
    return all(f"{master} up" in upstreams(balancer) for balancer in subject.balancers())


def upstreams(balancer: str) -> list[str]:
    """What its nginx runs with."""
    url = f"http://{hosts.ADDRESSES[balancer]}:8404/upstreams/apiserver"
    return hosts.run(balancer, f"curl -q -fs --max-time 2 {url}").stdout.splitlines()


def node_ready(name: str, since: float) -> bool:
    """Its kubelet has said so at ``since`` or later: a Node stays Ready for 50 s after its host is gone."""
    status = json.loads(kubectl("get", "node", name, "--output=json"))["status"]
    (ready,) = (condition for condition in status["conditions"] if condition["type"] == "Ready")
    return ready["status"] == "True" and datetime.fromisoformat(ready["lastHeartbeatTime"]).timestamp() >= int(since)


def master_back(master: str, seconds: float, since: float, reported: float = 0) -> str:
    """Waits until all of a master is at work again; tells how long after ``since`` each part was.

    ``reported``: the kubelet must have reported at that time or later.
    """
    marks = []
    parts: dict[str, Callable[[], bool]] = {
        "apiserver": lambda: ready(master),
        "etcd": lambda: member_healthy(master),
        "load balancers": lambda: admitted(master),
        "node": lambda: node_ready(master, reported),
    }
    for part, well in parts.items():
        eventually(well, since + seconds - time.time(), f"{master} is back: {part}")
        marks.append(f"{part} {time.time() - since:.1f} s")
    return ", ".join(marks)


def leader(component: str) -> str:
    """The host whose instance holds the lease."""
    path = "jsonpath={.spec.holderIdentity}"
    return kubectl("get", "lease", "--namespace=kube-system", component, f"--output={path}").partition("_")[0]


def leading(master: str) -> list[str]:
    """The components whose leader is on this host."""
    return [component for component in LEADERS if leader(component) == master]


def holders() -> list[str]:
    """The load balancers that have the virtual address."""
    running = hosts.running()
    return [name for name in subject.balancers() if name in running and f" {subject.address()}/" in _addresses(name)]


def holder() -> str:
    """The one that has it, once it is one."""
    eventually(lambda: len(holders()) == 1, 10, "one load balancer has the virtual address")
    return holders()[0]


def balancer_well(name: str) -> bool:
    """It lists all masters as up, and its keepalived runs: it could take the address over."""
    up = sorted(f"{master} up" for master in subject.masters())
    return sorted(upstreams(name)) == up and hosts.run(name, "systemctl is-active keepalived").returncode == 0


def _addresses(name: str) -> str:
    return hosts.run(name, "ip -o -4 address show").stdout


@dataclass
class Probe:
    """Opens a new TCP and TLS connection to the virtual address again and again, and keeps the longest time without.

    An attempt is given 0.5 s, so that a lost SYN, which the kernel repeats after 1 s, does not pass for an outage.
    """

    longest: float = 0
    attempts: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> "Probe":
        """Begins."""
        trusted = ssl.create_default_context(cadata=hosts.run(subject.balancers()[0], f"cat {CA}", check=True).stdout)
        self._thread = threading.Thread(target=self._run, args=(trusted,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> float:
        """Ends, and returns the longest time from one connection to the next."""
        assert self._thread
        self._ended.set()
        self._thread.join()
        return self.longest

    def _run(self, trusted: ssl.SSLContext) -> None:
        last = time.monotonic()
        while not self._ended.is_set():
            self.attempts += 1
            if _connects(trusted):
                self.longest = max(self.longest, time.monotonic() - last)
                last = time.monotonic()
            time.sleep(0.05)
        self.longest = max(self.longest, time.monotonic() - last)


def _connects(trusted: ssl.SSLContext) -> bool:
    try:
        with (
            socket.create_connection((subject.address(), PORT), timeout=0.5) as plain,
            trusted.wrap_socket(plain, server_hostname=subject.address()),
        ):
            return True
    except OSError:
        return False
