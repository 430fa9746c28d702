"""The ports of a host's roles: what will listen there, and what others must reach.

Owns the ports of the kubelet and of flannel's tunnel. Does not own those of the control plane (``render.static_pods``),
of Harbor's containers (``render.harbor``) or those that users set (``settings``), nor what is made of them
(scripts/preflight.sh). What a port of the user's may not be is told before any host is asked
(``settings.rules.load_balancer``).
"""

from render import harbor
from render.addons import flannel
from render.static_pods import (
    API_PORT,
    CONTROLLER_MANAGER_PORT,
    ETCD_CLIENT_PORT,
    ETCD_METRICS_PORT,
    ETCD_PEER_PORT,
    SCHEDULER_PORT,
)
from settings import Host, Stack, kube_proxy

KUBELET_PORT = 10250
KUBELET_HEALTH_PORT = 10248
VXLAN_PORT = 8472  # flannel's, as the kernel has it
LOOPBACK = "127.0.0.1"


def listening(stack: Stack, host: Host) -> list[tuple[str, str]]:
    """Port and program of all that will listen on this host."""
    found: list[tuple[int, str]] = []
    if "master" in host.roles:
        found += [(API_PORT, "kube-apiserver")]
        found += [(port, "etcd") for port in (ETCD_CLIENT_PORT, ETCD_PEER_PORT, ETCD_METRICS_PORT)]
        found += [(CONTROLLER_MANAGER_PORT, "kube-controller-manager"), (SCHEDULER_PORT, "kube-scheduler")]
    if host.name in stack.nodes():
        found += [(KUBELET_PORT, "kubelet"), (KUBELET_HEALTH_PORT, "kubelet")]
        addresses = [kube_proxy.address(stack.cluster.kube_proxy.config, field) for field in kube_proxy.USUAL]
        found += [(port, "kube-proxy") for _, port in addresses]
        found += [(flannel.HEALTH_PORT, "flanneld")] if stack.cluster.cni == "flannel" else []
    if "lb" in host.roles:
        found += [(stack.load_balancer.port, "nginx"), (stack.load_balancer.status_port, "nginx")]
        found += [(stack.harbor.port, "nginx")] if stack.harbor else []
    found += [(port.external, "docker-proxy") for port in _published(stack, host)]
    return [(str(port), program) for port, program in found]


def entrances(stack: Stack, host: Host) -> str:
    """What the stack's other hosts, or clients, must reach on this one, in the words that a preflight says."""
    tcp = {port.external for port in _published(stack, host) if port.address != LOOPBACK}
    if "master" in host.roles:
        tcp |= {API_PORT, ETCD_CLIENT_PORT, ETCD_PEER_PORT}
    if "lb" in host.roles:
        tcp |= {stack.load_balancer.port, stack.load_balancer.status_port}
        tcp |= {stack.harbor.port} if stack.harbor else set()
    if host.name in stack.nodes():
        tcp.add(KUBELET_PORT)
    pods = host.name in stack.nodes() and stack.cluster.cni == "flannel"
    more = [f"UDP {VXLAN_PORT} and what pods send each other"] if pods else []
    more += ["VRRP"] if "lb" in host.roles and stack.load_balancer.vip else []
    return ", ".join([f"TCP {' '.join(str(port) for port in sorted(tcp))}", *more])


def _published(stack: Stack, host: Host) -> list[harbor.Port]:
    """The TCP ports of Harbor's containers on a hub."""
    if "hub" not in host.roles or stack.harbor is None:
        return []
    ports = [port for one in harbor.containers(stack, host) for port in one.ports]
    return [port for port in ports if port.protocol == "tcp"]
