"""flannel, the default pod network: upstream's ``kube-flannel.yml`` of 0.28 without its init containers.

What those would copy to the node, the CNI plugin and its list of plugins, is checked and laid down by the hosts'
preparation (``render.flannel``), so the DaemonSet needs neither folder. Three more things differ:

- It reaches the API through the load balancer, by ``KUBERNETES_SERVICE_HOST``: the Service's address works only where
  kube-proxy runs already, and neither shall wait for the other.
- ``--iface`` is the node's own address, so that pod traffic takes the network that the stack names and not merely the
  one with the default route.
- It programs nftables where kube-proxy does, so that a node has one packet filter, and it tolerates every taint: a node
  without pod network stays unusable whatever it is tainted for.
"""

import json
from collections.abc import Mapping

from render.addons import kube_proxy
from render.addons.objects import (
    Object,
    cluster_role,
    cluster_role_binding,
    config_map,
    from_field,
    host_path,
    namespaced,
    of_service_account,
    on_every_node,
    read_once,
    rule,
    service_account,
)
from settings import Stack

NAMESPACE = "kube-flannel"
NAME = "flannel"
CONFIG_MAP = "kube-flannel-cfg"
DAEMON_SET = "kube-flannel-ds"
CONFIG_FOLDER = "/etc/kube-flannel"
HEALTH_PORT = 8081
HEALTH_ADDRESS = "127.0.0.1"
BACKEND = "vxlan"
LABELS = {"app": NAME}


def objects(stack: Stack) -> list[Object]:
    """flannel's objects, the namespace first and the DaemonSet last; none where the user brings another network."""
    if stack.cluster.cni != "flannel":
        return []
    data = {"net-conf.json": _network(stack)}
    return [
        _namespace(),
        service_account(NAMESPACE, NAME),
        _role(),
        cluster_role_binding(NAME, NAME, of_service_account(NAMESPACE, NAME)),
        config_map(NAMESPACE, CONFIG_MAP, data, LABELS),
        _daemon_set(stack, read_once(stack, data)),
    ]


def _network(stack: Stack) -> str:
    network = {
        "Network": str(stack.cluster.pod_cidr),
        "EnableNFTables": kube_proxy.uses_nftables(stack),
        "Backend": {"Type": BACKEND},
    }
    return json.dumps(network, indent=2) + "\n"


def _namespace() -> Object:
    labels = {"k8s-app": NAME, "pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _role() -> Object:
    nodes = rule("", ["nodes"], ["get", "list", "watch"])
    return cluster_role(NAME, [nodes, rule("", ["nodes/status"], ["patch"])])


def _daemon_set(stack: Stack, data: Mapping[str, str]) -> Object:
    volumes = [
        host_path("run", "/run/flannel", "DirectoryOrCreate"),
        {"name": "flannel-cfg", "configMap": {"name": CONFIG_MAP}},
        host_path("xtables-lock", "/run/xtables.lock", "FileOrCreate"),
    ]
    head = namespaced("apps/v1", "DaemonSet", NAMESPACE, DAEMON_SET, LABELS)
    return head | {"spec": on_every_node(NAME, LABELS, data, _container(stack), volumes)}


def _container(stack: Stack) -> Object:
    return {
        "name": "kube-flannel",
        "image": stack.release.image(NAME),
        "imagePullPolicy": "IfNotPresent",
        "command": ["/opt/bin/flanneld"],
        "args": [
            "--ip-masq",
            "--kube-subnet-mgr",
            "--iface=$(NODE_ADDRESS)",
            f"--healthz-ip={HEALTH_ADDRESS}",
            f"--healthz-port={HEALTH_PORT}",
        ],
        "env": _environment(stack),
        "livenessProbe": _probe("/healthz") | {"initialDelaySeconds": 10, "periodSeconds": 30},
        "readinessProbe": _probe("/readyz") | {"periodSeconds": 5},
        "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
        "securityContext": {"privileged": False, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
        "volumeMounts": [
            {"name": "run", "mountPath": "/run/flannel"},
            {"name": "flannel-cfg", "mountPath": CONFIG_FOLDER},
            {"name": "xtables-lock", "mountPath": "/run/xtables.lock"},
        ],
    }


def _environment(stack: Stack) -> list[Object]:
    return [
        {"name": "KUBERNETES_SERVICE_HOST", "value": stack.load_balancer.address},
        {"name": "KUBERNETES_SERVICE_PORT", "value": str(stack.load_balancer.port)},
        from_field("NODE_NAME", "spec.nodeName"),
        from_field("NODE_ADDRESS", "status.hostIP"),
        {"name": "EVENT_QUEUE_DEPTH", "value": "5000"},
    ]


def _probe(path: str) -> Object:
    return {"httpGet": {"host": HEALTH_ADDRESS, "path": path, "port": HEALTH_PORT}}
