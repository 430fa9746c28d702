"""What people do to hosts and clusters by hand: one row each, with what ``ops verify`` must say of it.

Owns doing all of it to stack ``dev`` at once, and one ``up`` that mends it. Does not own what is expected of that
(tests/lab/test_damage.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab import hosts
from tests.lab.commands import ops
from tests.lab.program import DEV, Load

SCHEDULER = "/etc/kubernetes/manifests/kube-scheduler.yaml"
PKI = "/etc/kubernetes/pki"


@dataclass(frozen=True)
class Damage:
    """``host`` is where ``command`` runs; ``said`` is what verify says, behind the host's name."""

    host: str
    command: str
    said: str
    where: str = ""

    @property
    def finding(self) -> str:
        """The line that verify must print, as far as it is known beforehand."""
        return f"{self.where or self.host}: {self.said}"


KUBECTL = "kubectl --kubeconfig=/etc/kubernetes/admin.conf"


def _in_cluster(command: str, said: str) -> Damage:
    return Damage("wudang", f"{KUBECTL} {command}", said, "cluster")


DAMAGE = (
    Damage("wudang", f"sed -i 's/v=2/v=3/; $a # by hand' {SCHEDULER}", f"{SCHEDULER} differs"),
    Damage("wudang", f"chmod 0644 {PKI}/etcd/server.key", f"{PKI}/etcd/server.key has mode 0644, not 0600"),
    Damage("wudang", f"cp {PKI}/etcd/peer.crt {PKI}/etcd/server.crt", f"{PKI}/etcd/server.crt differs (fingerprint"),
    Damage(
        "emei",
        f"cp {PKI}/apiserver-kubelet-client.key {PKI}/front-proxy-client.key",
        f"{PKI}/front-proxy-client.key differs (fingerprint",
    ),
    Damage("emei", "rm /etc/kubernetes/admin.conf", "/etc/kubernetes/admin.conf is not there"),
    Damage(
        "emei",
        "systemctl disable --now --quiet evenkeel-csr-approver",
        "evenkeel-csr-approver is inactive and disabled, not active and enabled",
    ),
    Damage("emei", "chown 1000:1000 /etc/kubernetes/scheduler.conf", "/etc/kubernetes/scheduler.conf belongs to"),
    Damage("shaolin", "echo '# by hand' >>/etc/containerd/config.toml", "/etc/containerd/config.toml differs"),
    Damage("shaolin", "echo 7 >/proc/sys/net/ipv4/tcp_retries2", "net.ipv4.tcp_retries2 is 7, not 5"),
    Damage(
        "shaolin",
        "rm /usr/local/bin/kubectl && cp /usr/local/bin/etcdctl /usr/local/bin/kubectl",
        "/usr/local/bin/kubectl is not the program that was unpacked for it",
    ),
    Damage("huashan", "sed -i '$a maxPods: 7' /var/lib/kubelet/config.yaml", "/var/lib/kubelet/config.yaml differs"),
    Damage("huashan", "systemctl disable --quiet kubelet", "kubelet is active and disabled, not active and enabled"),
    Damage(
        "huashan",
        "rm /usr/local/bin/runc && cp /bin/true /usr/local/bin/runc",
        "/usr/local/bin/runc is not the program that was unpacked for it",
    ),
    Damage("lb1", "echo '# by hand' >>/etc/nginx/nginx.conf", "/etc/nginx/nginx.conf differs"),
    Damage("lb1", "sed -i '/wudang/d' /var/lib/evenkeel/lb/upstreams", "/var/lib/evenkeel/lb/upstreams differs"),
    Damage("lb1", "chmod 0666 /etc/keepalived/keepalived.conf", "/etc/keepalived/keepalived.conf has mode 0666"),
    Damage("lb2", "systemctl stop nginx", "nginx is inactive and enabled, not active and enabled"),
    Damage("hub1", "docker rm --force harbor-portal", "harbor-portal does not run as wanted"),
    Damage("hub2", "echo '# by hand' >>/etc/evenkeel/harbor/core/app.conf", "/etc/evenkeel/harbor/core/app.conf"),
    _in_cluster("label node huashan node-role.kubernetes.io/worker-", "Node huashan metadata.labels"),
    _in_cluster(
        f"-n kube-system get configmap coredns -o yaml | sed 's/cache 30/cache 31/' | {KUBECTL} replace -f -",
        "ConfigMap kube-system/coredns data.Corefile differs",
    ),
    # By its tag: whoever pushes another image under it decides what runs.
    _in_cluster(
        "-n kube-system get deployment coredns -o yaml | sed '/image:/s/@sha256.*//' | "
        f"{KUBECTL} -n kube-system replace -f -",
        "Deployment kube-system/coredns spec.template.spec.containers[coredns].image is",
    ),
)


@dataclass(frozen=True)
class Mended:
    """What verify said of the damage, and after the ``up`` that mended it; what clients saw of that ``up``."""

    found: str
    left: str
    clients: Mapping[str, Mapping[str, Any]]


def damage_and_mend() -> Mended:
    """Leaves stack ``dev`` as it shall be."""
    DEV.up().ok()
    for damage in DAMAGE:
        hosts.run(damage.host, damage.command, check=True)
    found = " ".join(ops("verify").stdout.split())
    load = Load.start()
    try:
        DEV.up({"repair": "after-the-damage"}).ok()
    finally:
        clients = load.stop()
    left = ops("verify").stdout
    DEV.up().ok()
    return Mended(found, left, clients)
