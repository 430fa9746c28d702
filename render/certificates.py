"""The table of all certificates of a stack's control plane: name, authority, subject, usages and names.

Owns what a certificate says (kubeadm's ``certlist.go`` is the source). Does not own keys, validity or where the files
go: those are ``components.pki`` and the components that place them.
"""

from dataclasses import dataclass
from typing import Literal

from settings import Host, Stack
from settings.fields import is_ip

Authority = Literal["ca", "front-proxy-ca", "etcd-ca"]
AUTHORITIES: dict[Authority, str] = {
    "ca": "kubernetes",
    "front-proxy-ca": "front-proxy-ca",
    "etcd-ca": "etcd-ca",
}
# kubeadm adds key_encipherment. An ECDSA key must not claim it (RFC 8813), a client has no use for it (RFC 5280), and
# an RSA server needs it only for key exchanges without forward secrecy, which Go no longer offers.
SIGNER = ("cert_signing", "digital_signature")
CLIENT = ("digital_signature", "client_auth")
SERVER = ("digital_signature", "server_auth")
BOTH = ("digital_signature", "server_auth", "client_auth")


@dataclass(frozen=True)
class Certificate:
    """One row: ``host`` is the only host that holds it, or None where all masters (or the operator) share it."""

    name: str
    authority: Authority
    common_name: str
    usages: tuple[str, ...]
    organization: str | None = None
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    host: str | None = None


def table(stack: Stack) -> list[Certificate]:
    """Every leaf certificate of the stack, in a fixed order."""
    rows = _shared()
    for master in stack.masters().values():
        rows += [_apiserver(stack, master), _etcd(master, "server"), _etcd(master, "peer")]
    return rows + [_kubelet(node) for node in stack.nodes().values()]


def _shared() -> list[Certificate]:
    return [
        Certificate("apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client", CLIENT),
        Certificate("front-proxy-client", "front-proxy-ca", "front-proxy-client", CLIENT),
        Certificate("apiserver-etcd-client", "etcd-ca", "kube-apiserver-etcd-client", CLIENT),
        Certificate("etcd-healthcheck-client", "etcd-ca", "kube-etcd-healthcheck-client", CLIENT),
        Certificate("controller-manager", "ca", "system:kube-controller-manager", CLIENT),
        Certificate("scheduler", "ca", "system:kube-scheduler", CLIENT),
        Certificate("csr-approver", "ca", "evenkeel:csr-approver", CLIENT),
        Certificate("admin", "ca", "kubernetes-admin", CLIENT, "kubeadm:cluster-admins"),
        Certificate("break-glass", "ca", "kubernetes-super-admin", CLIENT, "system:masters"),
    ]


def _apiserver(stack: Stack, master: Host) -> Certificate:
    service = "kubernetes.default.svc"
    dns = [master.name, "kubernetes", "kubernetes.default", service, f"{service}.{stack.cluster.domain}"]
    balancer = stack.load_balancer
    endpoints = [balancer.address, *([balancer.vip.address] if balancer.vip else []), *balancer.extra_sans]
    endpoints += [host.address for host in stack.load_balancers().values()] + stack.cluster.api_server.extra_sans
    ips = [stack.cluster.service_address, master.address]
    ips += [str(name) for name in endpoints if is_ip(str(name))]
    dns += [str(name) for name in endpoints if not is_ip(str(name))]
    return Certificate(
        f"apiserver-{master.name}",
        "ca",
        "kube-apiserver",
        SERVER,
        dns_names=tuple(dict.fromkeys(dns)),
        ip_addresses=tuple(dict.fromkeys(ips)),
        host=master.name,
    )


def _etcd(master: Host, side: Literal["server", "peer"]) -> Certificate:
    return Certificate(
        f"etcd-{side}-{master.name}",
        "etcd-ca",
        master.name,
        BOTH,
        dns_names=(master.name, "localhost"),
        ip_addresses=(master.address, "127.0.0.1", "::1"),
        host=master.name,
    )


def _kubelet(node: Host) -> Certificate:
    return Certificate(f"kubelet-{node.name}", "ca", f"system:node:{node.name}", CLIENT, "system:nodes", host=node.name)
