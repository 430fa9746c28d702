"""CoreDNS as kubeadm 1.36 runs it (``phases/addons/dns``): the Service on the cluster's DNS address and two replicas.

What differs from kubeadm, and why:

- Spreading is a rule, not a wish. kubeadm *prefers* different nodes; at a cluster's birth the first node to become
  ready then gets both replicas and keeps them, and losing that node loses DNS. A hard spread constraint counts nodes
  that are registered but not ready yet, so the second replica waits for the second node. A required anti-affinity
  would do that too, but would leave a one-node cluster with a replica that can never run; the constraint does not.
  ``matchLabelKeys`` spreads each revision by itself, so that a roll does not count the pods it replaces. Where one node
  alone takes these pods, because the others are tainted for something else, it is a wish again.
- A PodDisruptionBudget keeps one replica while nodes are drained. A broken pod may always be evicted.
- The pods roll when the Corefile changes, and a Corefile that CoreDNS refuses stops the roll at the first pod.

Upstream names are forwarded to the servers in the *node's* resolv.conf, as the kubelet's ``resolvConf`` names it. That
file must not name a loopback address (systemd-resolved's 127.0.0.53, Docker's 127.0.0.11): CoreDNS would ask itself,
and its ``loop`` plugin ends it rather than let it. It must name at least one server. Both are the kubelet's affair.
"""

from collections.abc import Mapping
from typing import Any

from render import kubelet
from render.addons.objects import (
    Object,
    cluster_role,
    cluster_role_binding,
    config_map,
    digest_of,
    namespaced,
    of_service_account,
    read_once,
    rule,
    service_account,
)
from settings import Stack

NAMESPACE = "kube-system"
NAME = "coredns"
SERVICE = "kube-dns"
ROLE = "system:coredns"
REPLICAS = 2
DNS_PORT = 53
METRICS_PORT = 9153
LIVENESS_PORT = 8080
READINESS_PORT = 8181
LABELS = {"k8s-app": "kube-dns"}
TOLERATED = ("CriticalAddonsOnly", "node-role.kubernetes.io/control-plane")
RESOURCES = {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}}

COREFILE = """\
.:53 {{
    errors
    health {{
       lameduck 5s
    }}
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus :{metrics_port}
    forward . /etc/resolv.conf {{
       max_concurrent 1000
    }}
    cache 30 {{
       disable success {domain}
       disable denial {domain}
    }}
    loop
    reload
    loadbalance
}}
"""


def objects(stack: Stack) -> list[Object]:
    """CoreDNS's objects, the Deployment last."""
    data = {"Corefile": COREFILE.format(domain=stack.cluster.domain, metrics_port=METRICS_PORT)}
    return [
        service_account(NAMESPACE, NAME),
        _role(),
        cluster_role_binding(ROLE, ROLE, of_service_account(NAMESPACE, NAME)),
        config_map(NAMESPACE, NAME, data),
        _service(stack.cluster.dns_address),
        _disruption_budget(),
        _deployment(stack.release.image(NAME), _spread(stack), read_once(stack, data)),
    ]


def _role() -> Object:
    core = rule("", ["endpoints", "services", "pods", "namespaces"], ["list", "watch"])
    return cluster_role(ROLE, [core, rule("discovery.k8s.io", ["endpointslices"], ["list", "watch"])])


def _service(address: str) -> Object:
    labels = LABELS | {"kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    service = namespaced("v1", "Service", NAMESPACE, SERVICE, labels)
    service["metadata"]["annotations"] = {"prometheus.io/port": str(METRICS_PORT), "prometheus.io/scrape": "true"}
    ports = [
        _service_port("dns", DNS_PORT, "UDP"),
        _service_port("dns-tcp", DNS_PORT, "TCP"),
        _service_port("metrics", METRICS_PORT, "TCP"),
    ]
    return service | {"spec": {"clusterIP": address, "ports": ports, "selector": LABELS}}


def _service_port(name: str, port: int, protocol: str) -> Object:
    return {"name": name, "port": port, "protocol": protocol, "targetPort": port}


def _disruption_budget() -> Object:
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": LABELS},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return namespaced("policy/v1", "PodDisruptionBudget", NAMESPACE, NAME, LABELS) | {"spec": spec}


def _deployment(image: str, spread: Object, data: Mapping[str, str]) -> Object:
    template = {"metadata": {"labels": LABELS, "annotations": digest_of(data)}, "spec": _pod(image, spread)}
    spec = {
        "replicas": REPLICAS,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        "selector": {"matchLabels": LABELS},
        "template": template,
    }
    return namespaced("apps/v1", "Deployment", NAMESPACE, NAME, LABELS) | {"spec": spec}


def _pod(image: str, spread: Object) -> Object:
    return {
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": NAME,
        "dnsPolicy": "Default",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [
            {"key": TOLERATED[0], "operator": "Exists"},
            {"key": TOLERATED[1], "effect": "NoSchedule"},
        ],
        "topologySpreadConstraints": [spread],
        "containers": [_container(image)],
        "volumes": [
            {"name": "config-volume", "configMap": {"name": NAME, "items": [{"key": "Corefile", "path": "Corefile"}]}}
        ],
    }


def _spread(stack: Stack) -> Object:
    """One a node. Taints that all nodes have are taken away by somebody, as a network does when it is there."""
    nodes = stack.nodes().values()
    alone = [_takes(kubelet.configuration(stack, node)) for node in nodes].count(True) == 1 < len(nodes)
    return {
        "topologyKey": "kubernetes.io/hostname",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway" if alone else "DoNotSchedule",
        "nodeTaintsPolicy": "Ignore",
        "labelSelector": {"matchLabels": LABELS},
        "matchLabelKeys": ["pod-template-hash"],
    }


def _takes(configuration: Mapping[str, Any]) -> bool:
    """Whether a node registers with no taint that keeps these pods away."""
    taints = configuration.get("registerWithTaints", [])
    return all(taint["key"] in TOLERATED or taint["effect"] == "PreferNoSchedule" for taint in taints)


def _container(image: str) -> Object:
    return {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": RESOURCES,
        "ports": [
            {"name": "dns", "containerPort": DNS_PORT, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": DNS_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
            {"name": "liveness-probe", "containerPort": LIVENESS_PORT, "protocol": "TCP"},
            {"name": "readiness-probe", "containerPort": READINESS_PORT, "protocol": "TCP"},
        ],
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": "liveness-probe", "scheme": "HTTP"},
            "initialDelaySeconds": 60,
            "timeoutSeconds": 5,
            "successThreshold": 1,
            "failureThreshold": 5,
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "readiness-probe", "scheme": "HTTP"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True}],
    }
