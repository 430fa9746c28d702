"""The small Kubernetes objects that every add-on needs, and the digest that rolls its pods.

Owns their form. Does not own which add-on has which, nor how they reach the API (``components.cluster_addons``).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from settings import Stack

Object = dict[str, Any]
Labels = Mapping[str, str]

RBAC_GROUP = "rbac.authorization.k8s.io"
CONFIG_DIGEST = "evenkeel.dev/config"


def namespaced(
    api_version: str, kind: str, namespace: str, name: str, labels: Mapping[str, str] | None = None
) -> Object:
    """The head of a namespaced object; ``labels`` only where there are any."""
    metadata: Object = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def service_account(namespace: str, name: str) -> Object:
    """A ServiceAccount, whose token the pods that name it are given."""
    return namespaced("v1", "ServiceAccount", namespace, name)


def config_map(namespace: str, name: str, data: Mapping[str, str], labels: Labels | None = None) -> Object:
    """A ConfigMap of whole text files."""
    return namespaced("v1", "ConfigMap", namespace, name, labels) | {"data": dict(data)}


def cluster_role(name: str, rules: Iterable[Object]) -> Object:
    """A ClusterRole."""
    return {"apiVersion": f"{RBAC_GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}


def cluster_role_binding(name: str, role: str, subject: Object) -> Object:
    """Gives ``subject`` the ClusterRole ``role`` in the whole cluster."""
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }


def rule(group: str, resources: Iterable[str], verbs: Iterable[str], names: Iterable[str] = ()) -> Object:
    """One line of a role: ``verbs`` on ``resources`` of one API group, on all of them unless ``names`` are given."""
    line: Object = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return line | ({"resourceNames": list(names)} if names else {})


def of_service_account(namespace: str, name: str) -> Object:
    """A binding's subject: the pods that run under this ServiceAccount."""
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def of_user(name: str) -> Object:
    """A binding's subject: the holder of a client certificate with this common name."""
    return {"apiGroup": RBAC_GROUP, "kind": "User", "name": name}


def of_group(name: str) -> Object:
    """A binding's subject: the holders of client certificates with this organization."""
    return {"apiGroup": RBAC_GROUP, "kind": "Group", "name": name}


def digest_of(data: Mapping[str, str]) -> Object:
    """The pod template's annotation that changes with the ConfigMap its pods read at start, so that they roll."""
    text = json.dumps(dict(data), sort_keys=True)
    return {CONFIG_DIGEST: hashlib.sha256(text.encode()).hexdigest()[:16]}


def read_once(stack: Stack, data: Mapping[str, str]) -> Mapping[str, str]:
    """What a pod reads when it starts: its configuration, the authorities that it trusts, and its token."""
    generations = stack.cluster.pki.generations
    if [generations.ca, generations.service_account] == [[1], [1]]:
        return data
    return {**data, "generations": f"{generations.ca} {generations.service_account}"}


def on_every_node(
    account: str, labels: Labels, data: Mapping[str, str], container: Object, volumes: Iterable[Object]
) -> Object:
    """A DaemonSet's spec: a pod on each node and its network, whatever the node is tainted for; ``data`` rolls it."""
    pod = {
        "priorityClassName": "system-node-critical",
        "hostNetwork": True,
        "serviceAccountName": account,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": list(volumes),
    }
    template = {"metadata": {"labels": labels, "annotations": digest_of(data)}, "spec": pod}
    return {"selector": {"matchLabels": labels}, "updateStrategy": {"type": "RollingUpdate"}, "template": template}


def from_field(name: str, path: str) -> Object:
    """A container's environment variable taken from the pod's own fields."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def host_path(name: str, path: str, kind: str = "") -> Object:
    """A pod's volume that is a path of its node; ``kind`` says what must be there or is made."""
    return {"name": name, "hostPath": {"path": path, **({"type": kind} if kind else {})}}
