"""kube-proxy as kubeadm 1.36 runs it (``phases/addons/proxy``), with the load balancer as its server.

Names, selector and file layout are kubeadm's, so that an adopted cluster keeps its DaemonSet. Two things differ: its
pods roll when their ConfigMap changes (they read it only at start), and they have a readiness probe, so that a bad
setting stops the roll at the first node. kubeadm's Role for joining nodes is left out: nodes don't join by token.
Does not own the packet filter's programs: they are in the image.
"""

from collections.abc import Mapping
from typing import Any

from render import network
from render.addons.objects import (
    Object,
    cluster_role_binding,
    config_map,
    from_field,
    host_path,
    namespaced,
    of_service_account,
    on_every_node,
    read_once,
    service_account,
)
from render.yaml_text import yaml_text
from settings import Stack
from settings.kube_proxy import HEALTH, address
from settings.merge import merged

NAMESPACE = "kube-system"
NAME = "kube-proxy"
FOLDER = "/var/lib/kube-proxy"
CONFIG_KEY = "config.conf"
KUBECONFIG_KEY = "kubeconfig.conf"
CREDENTIALS = "/var/run/secrets/kubernetes.io/serviceaccount"
ANY_ADDRESS = ("0.0.0.0", "::")
LABELS = {"k8s-app": NAME}


def objects(stack: Stack) -> list[Object]:
    """kube-proxy's objects, the DaemonSet last."""
    data = {CONFIG_KEY: _yaml(configuration(stack)), KUBECONFIG_KEY: _yaml(_kubeconfig(network.api_endpoint(stack)))}
    return [
        service_account(NAMESPACE, NAME),
        cluster_role_binding("kubeadm:node-proxier", "system:node-proxier", of_service_account(NAMESPACE, NAME)),
        config_map(NAMESPACE, NAME, data, {"app": NAME}),
        _daemon_set(stack, read_once(stack, data)),
    ]


def configuration(stack: Stack) -> dict[str, Any]:
    """The KubeProxyConfiguration: the stack's own settings laid over what the cluster fixes."""
    base = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{FOLDER}/{KUBECONFIG_KEY}"},
        "clusterCIDR": str(stack.cluster.pod_cidr),
    }
    return merged(base, stack.cluster.kube_proxy.config)


def uses_nftables(stack: Stack) -> bool:
    """Whether kube-proxy programs nftables rather than iptables; the pod network follows it (``addons.flannel``)."""
    return configuration(stack).get("mode") == "nftables"


def _kubeconfig(server: str) -> Object:
    """Names files that the kubelet mounts and renews, and so holds no secret."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "default", "cluster": {"certificate-authority": f"{CREDENTIALS}/ca.crt", "server": server}}
        ],
        "contexts": [{"name": "default", "context": {"cluster": "default", "namespace": "default", "user": "default"}}],
        "current-context": "default",
        "users": [{"name": "default", "user": {"tokenFile": f"{CREDENTIALS}/token"}}],
    }


def _daemon_set(stack: Stack, data: Mapping[str, str]) -> Object:
    volumes = [
        {"name": NAME, "configMap": {"name": NAME}},
        host_path("xtables-lock", "/run/xtables.lock", "FileOrCreate"),
        host_path("lib-modules", "/lib/modules"),
    ]
    head = namespaced("apps/v1", "DaemonSet", NAMESPACE, NAME, LABELS)
    return head | {"spec": on_every_node(NAME, LABELS, data, _container(stack), volumes)}


def _container(stack: Stack) -> Object:
    return {
        "name": NAME,
        "image": stack.release.image(NAME),
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/local/bin/kube-proxy", f"--config={FOLDER}/{CONFIG_KEY}", "--hostname-override=$(NODE_NAME)"],
        "env": [from_field("NODE_NAME", "spec.nodeName")],
        "securityContext": {"privileged": True},
        "volumeMounts": [
            {"name": NAME, "mountPath": FOLDER},
            {"name": "xtables-lock", "mountPath": "/run/xtables.lock"},
            {"name": "lib-modules", "mountPath": "/lib/modules", "readOnly": True},
        ],
        "readinessProbe": _readiness(*address(configuration(stack), HEALTH)),
    }


def _readiness(host: str, port: int) -> Object:
    """Asks kube-proxy where it was told to answer. /livez, because /healthz also fails on a node that is being drained
    by an autoscaler, which says nothing about kube-proxy."""
    get: Object = {"path": "/livez", "port": port}
    return {"httpGet": get | ({} if host in ANY_ADDRESS else {"host": host}), "periodSeconds": 5}


def _yaml(document: Object) -> str:
    return yaml_text(document)
