"""The control plane's static pods: etcd, kube-apiserver, kube-controller-manager and kube-scheduler of one master.

Owns their flags, probes and mounts (kubeadm's own, from ``phases/controlplane/manifests.go`` and
``phases/etcd/local.go``, and what differs for a reason, said beside it). Does not own when a pod is replaced: the
activation scripts fill in ``@REVISION@``, a digest over all that the pod reads, so that the kubelet restarts a pod
exactly when one of its files has changed.
"""

from collections.abc import Mapping
from typing import Any

from render.files import File
from render.yaml_text import yaml_text
from settings import Host, Stack

MANIFESTS = "/etc/kubernetes/manifests"
PKI = "/etc/kubernetes/pki"
SIGNER = f"{PKI}/ca-signer.crt"  # where ca.crt holds two: the controller manager signs with a file of one
ETCD_DATA = "/var/lib/etcd"
API_PORT = 6443
ETCD_CLIENT_PORT = 2379
ETCD_PEER_PORT = 2380
ETCD_METRICS_PORT = 2381
# Entries of etcd's log between two snapshots of its own. kubeadm has 10000, and a young cluster has yet to come there.
# Until then a member of 3.6 that starts finds the cluster version of 3.5 in its log, takes it for a downgrade, and
# writes a snapshot in which those who joined later are members but do not vote. From its next start on it takes no
# answer from them, and where it votes alone it leads a cluster of one, beside the others.
ETCD_SNAPSHOT_COUNT = "1000"
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259

Flags = dict[str, str]

_ETCD_GUARDS = {"feature-gates": "InitialCorruptCheck=true", "watch-progress-notify-interval": "5s"}
# The same by the names that they had before 3.6, which 3.6 refuses.
_ETCD_GUARDS_3_5 = {"experimental-initial-corrupt-check": "true", "experimental-watch-progress-notify-interval": "5s"}


def peer_url(host: Host) -> str:
    """Where the other members reach this master's etcd member."""
    return f"https://{host.address}:{ETCD_PEER_PORT}"


def client_url(host: Host) -> str:
    """Where apiservers and etcdctl reach this master's etcd member."""
    return f"https://{host.address}:{ETCD_CLIENT_PORT}"


def etcd(stack: Stack, host: Host) -> File:
    """The member's manifest. ``initial-cluster`` matters only to a member without data: the activation fills it in."""
    flags = {
        "name": host.name,
        "listen-client-urls": f"https://127.0.0.1:{ETCD_CLIENT_PORT},{client_url(host)}",
        "advertise-client-urls": client_url(host),
        "listen-peer-urls": peer_url(host),
        "initial-advertise-peer-urls": peer_url(host),
        "initial-cluster": f"{host.name}={peer_url(host)}",
        "initial-cluster-state": "existing",
        "data-dir": ETCD_DATA,
        "cert-file": f"{PKI}/etcd/server.crt",
        "key-file": f"{PKI}/etcd/server.key",
        "trusted-ca-file": f"{PKI}/etcd/ca.crt",
        "client-cert-auth": "true",
        "peer-cert-file": f"{PKI}/etcd/peer.crt",
        "peer-key-file": f"{PKI}/etcd/peer.key",
        "peer-trusted-ca-file": f"{PKI}/etcd/ca.crt",
        "peer-client-cert-auth": "true",
        "snapshot-count": ETCD_SNAPSHOT_COUNT,
        "listen-metrics-urls": f"http://127.0.0.1:{ETCD_METRICS_PORT}",
        **(_ETCD_GUARDS_3_5 if stack.release.versions.etcd.startswith("3.5.") else _ETCD_GUARDS),
    }
    mounts = {"etcd-certs": f"{PKI}/etcd", "etcd-data": ETCD_DATA}
    probes = {
        "livenessProbe": _probe("127.0.0.1", ETCD_METRICS_PORT, "/livez", "HTTP", 10, 8, 10),
        "readinessProbe": _probe("127.0.0.1", ETCD_METRICS_PORT, "/readyz", "HTTP", 0, 3, 1),
        "startupProbe": _probe("127.0.0.1", ETCD_METRICS_PORT, "/readyz", "HTTP", 10, 24, 10),
    }
    resources = {"requests": {"cpu": "100m", "memory": "100Mi"}}
    flags |= stack.cluster.etcd.extra_args
    annotations = {"kubeadm.kubernetes.io/etcd.advertise-client-urls": client_url(host)}
    return _pod("etcd", stack.release.image("etcd"), flags, mounts, probes, resources, annotations, writable=True)


def kube_apiserver(stack: Stack, host: Host) -> File:
    """The apiserver's manifest: its own advertise address, and its own etcd member first.

    The other members follow because an apiserver that knows only its own stalls whenever that member restarts. First
    is no preference: etcd's client asks all of them in turn.
    """
    cluster = stack.cluster
    others = [client_url(master) for name, master in stack.masters().items() if name != host.name]
    flags = {
        "advertise-address": host.address,
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "client-ca-file": f"{PKI}/ca.crt",
        "enable-admission-plugins": "NodeRestriction",
        "enable-bootstrap-token-auth": "true",
        "etcd-cafile": f"{PKI}/etcd/ca.crt",
        "etcd-certfile": f"{PKI}/apiserver-etcd-client.crt",
        "etcd-keyfile": f"{PKI}/apiserver-etcd-client.key",
        "etcd-servers": ",".join([f"https://127.0.0.1:{ETCD_CLIENT_PORT}", *others]),
        "kubelet-certificate-authority": f"{PKI}/ca.crt",
        "kubelet-client-certificate": f"{PKI}/apiserver-kubelet-client.crt",
        "kubelet-client-key": f"{PKI}/apiserver-kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
        "proxy-client-cert-file": f"{PKI}/front-proxy-client.crt",
        "proxy-client-key-file": f"{PKI}/front-proxy-client.key",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-client-ca-file": f"{PKI}/front-proxy-ca.crt",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "secure-port": str(API_PORT),
        "service-account-issuer": f"https://kubernetes.default.svc.{cluster.domain}",
        "service-account-key-file": f"{PKI}/sa.pub",
        "service-account-signing-key-file": f"{PKI}/sa.key",
        "service-cluster-ip-range": str(cluster.service_cidr),
        # It says "not ready" for 10 s while it still serves, so that every load balancer has let go of it in time, and
        # answers 429 with Retry-After afterwards instead of hanging until the kubelet kills it.
        "shutdown-delay-duration": "10s",
        "shutdown-send-retry-after": "true",
        "tls-cert-file": f"{PKI}/apiserver.crt",
        "tls-private-key-file": f"{PKI}/apiserver.key",
    }
    flags |= cluster.api_server.extra_args
    mounts = {"ca-certs": "/etc/ssl/certs", "k8s-certs": PKI}
    probes = {
        "livenessProbe": _probe(host.address, API_PORT, "/livez", "HTTPS", 10, 8, 10),
        "readinessProbe": _probe(host.address, API_PORT, "/readyz", "HTTPS", 0, 3, 1),
        "startupProbe": _probe(host.address, API_PORT, "/livez", "HTTPS", 10, 24, 10),
    }
    annotations = {"kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint": f"{host.address}:{API_PORT}"}
    image = stack.release.image("kube-apiserver")
    return _pod("kube-apiserver", image, flags, mounts, probes, {"requests": {"cpu": "250m"}}, annotations)


def kube_controller_manager(stack: Stack) -> File:
    """The controller manager's manifest; one of the masters' holds the lease."""
    own, cluster = "/etc/kubernetes/controller-manager.conf", stack.cluster
    flags = {
        "allocate-node-cidrs": "true",
        "authentication-kubeconfig": own,
        "authorization-kubeconfig": own,
        "bind-address": "127.0.0.1",
        "client-ca-file": f"{PKI}/ca.crt",
        "cluster-cidr": str(cluster.pod_cidr),
        "cluster-name": cluster.name,
        "cluster-signing-cert-file": SIGNER if cluster.pki.generations.renews_ca else f"{PKI}/ca.crt",
        "cluster-signing-key-file": f"{PKI}/ca.key",
        "controllers": "*,bootstrapsigner,tokencleaner",
        "kubeconfig": own,
        "leader-elect": "true",
        "requestheader-client-ca-file": f"{PKI}/front-proxy-ca.crt",
        "root-ca-file": f"{PKI}/ca.crt",
        "service-account-private-key-file": f"{PKI}/sa.key",
        "service-cluster-ip-range": str(cluster.service_cidr),
        "use-service-account-credentials": "true",
    }
    flags |= cluster.controller_manager.extra_args
    mounts = {"ca-certs": "/etc/ssl/certs", "k8s-certs": PKI, "kubeconfig": own}
    probes = {
        "livenessProbe": _probe("127.0.0.1", CONTROLLER_MANAGER_PORT, "/healthz", "HTTPS", 10, 8, 10),
        "startupProbe": _probe("127.0.0.1", CONTROLLER_MANAGER_PORT, "/healthz", "HTTPS", 10, 24, 10),
    }
    image = stack.release.image("kube-controller-manager")
    return _pod("kube-controller-manager", image, flags, mounts, probes, {"requests": {"cpu": "200m"}})


def kube_scheduler(stack: Stack) -> File:
    """The scheduler's manifest; one of the masters' holds the lease."""
    own = "/etc/kubernetes/scheduler.conf"
    flags = {
        "authentication-kubeconfig": own,
        "authorization-kubeconfig": own,
        "bind-address": "127.0.0.1",
        "kubeconfig": own,
        "leader-elect": "true",
    }
    flags |= stack.cluster.scheduler.extra_args
    probes = {
        "livenessProbe": _probe("127.0.0.1", SCHEDULER_PORT, "/livez", "HTTPS", 10, 8, 10),
        "readinessProbe": _probe("127.0.0.1", SCHEDULER_PORT, "/readyz", "HTTPS", 0, 3, 1),
        "startupProbe": _probe("127.0.0.1", SCHEDULER_PORT, "/livez", "HTTPS", 10, 24, 10),
    }
    image = stack.release.image("kube-scheduler")
    return _pod("kube-scheduler", image, flags, {"kubeconfig": own}, probes, {"requests": {"cpu": "100m"}})


def _probe(host: str, port: int, path: str, scheme: str, delay: int, failures: int, period: int) -> dict[str, Any]:
    return {
        "httpGet": {"host": host, "path": path, "port": port, "scheme": scheme},
        "initialDelaySeconds": delay,
        "timeoutSeconds": 15,
        "failureThreshold": failures,
        "periodSeconds": period,
    }


def _pod(
    name: str,
    image: str,
    flags: Flags,
    mounts: Mapping[str, str],
    probes: Mapping[str, Any],
    resources: Mapping[str, Any],
    annotations: Mapping[str, str] | None = None,
    writable: bool = False,
) -> File:
    container = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [name, *(f"--{flag}={value}" for flag, value in flags.items())],
        **probes,
        "resources": resources,
        "volumeMounts": [
            {"name": volume, "mountPath": path, **({} if writable else {"readOnly": True})}
            for volume, path in mounts.items()
        ],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "kube-system",
            "labels": {"component": name, "tier": "control-plane"},
            "annotations": {**(annotations or {}), "evenkeel.dev/revision": "@REVISION@"},
        },
        "spec": {
            "containers": [container],
            "hostNetwork": True,
            "priority": 2000001000,
            "priorityClassName": "system-node-critical",
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [
                {"name": volume, "hostPath": {"path": path, "type": _host_path_type(path)}}
                for volume, path in mounts.items()
            ],
        },
    }
    return File(f"{MANIFESTS}/{name}.yaml", yaml_text(pod), mode="0600")


def _host_path_type(path: str) -> str:
    return "File" if path.endswith(".conf") else "DirectoryOrCreate"
