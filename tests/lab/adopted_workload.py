"""What somebody runs on a cluster before it grows: pods that serve and pods that count, and objects of their own.

Owns the namespace ``shop``. Does not own any expectation: tests/lab/test_adopt.py does.
"""

import json
from collections.abc import Mapping
from typing import Any

from lab.mirror.content import TOOLS_IMAGE
from tests.lab.kubeadm_cluster import KubeadmCluster, apply

NAMESPACE = "shop"
SERVICE = "10.96.7.7"
PORT = 8080
SERVE = f"mkdir /www && hostname >/www/index.html && exec httpd -f -p {PORT} -h /www"
# Once the Service serves, prints the number of requests after each, and for each that failed curl's code and the time.
# It asks the address, so that names are nobody's concern here. The bound is for a connection that goes nowhere: on an
# overloaded machine an ordinary answer takes seconds.
ASK = f"""n=0 f=''
until curl -s -m 10 -o /dev/null http://{SERVICE}/; do sleep 0.1; done
while :; do
    curl -s -m 10 -o /dev/null http://{SERVICE}/ || f="$f $?@$(date +%T)"
    n=$((n + 1))
    echo "$n$f"
    sleep 0.1
done"""
COUNT = "n=0; while :; do n=$((n + 1)); echo $n; sleep 0.2; done"
UNCHANGED = (
    *("secrets", "configmaps", "services", "serviceaccounts", "roles", "rolebindings"),
    *("customresourcedefinitions", "teas.shop.example.com"),
)


def start(cluster: KubeadmCluster) -> None:
    """All of it, running."""
    apply(cluster, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, _definition()])
    cluster.kubectl("wait", "--for=condition=Established", "crd/teas.shop.example.com", "--timeout=30s")
    apply(cluster, [*_pods(), *_objects()])
    for what in ("deployment/names", "deployment/asker", "statefulset/counter"):
        cluster.kubectl("rollout", "status", what, f"--namespace={NAMESPACE}", "--timeout=120s")


def asked(cluster: KubeadmCluster) -> tuple[int, list[str]]:
    """How many requests were made of the Service so far; of each that failed code and time, ``28@03:15:00``."""
    requests, *failures = _last(cluster, "deployment/asker").split()
    return int(requests), failures


def counted(cluster: KubeadmCluster) -> int:
    """How far the counter has come; it begins anew with its container."""
    return int(_last(cluster, "statefulset/counter"))


def containers(cluster: KubeadmCluster) -> Mapping[str, str]:
    """Each container of the workload and of the pod network, by pod: another one means that it was restarted."""
    found: dict[str, str] = {}
    for namespace in (NAMESPACE, "kube-flannel"):
        items = json.loads(cluster.kubectl("get", "pods", f"--namespace={namespace}", "--output=json"))["items"]
        found |= {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["containerID"] for pod in items}
    return found


def objects(cluster: KubeadmCluster) -> Mapping[str, str]:
    """Each object of the kinds that nobody has a reason to change, with the version that a write would have raised."""
    text = cluster.kubectl("get", ",".join(UNCHANGED), f"--namespace={NAMESPACE}", "--output=json")
    return {
        f"{item['kind']} {item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for item in json.loads(text)["items"]
        if item["metadata"].get("namespace", NAMESPACE) == NAMESPACE and not _someone_elses(item)
    }


def _someone_elses(item: Mapping[str, Any]) -> bool:
    return item["kind"] == "CustomResourceDefinition" and not item["metadata"]["name"].endswith("shop.example.com")


def _last(cluster: KubeadmCluster, what: str) -> str:
    return cluster.kubectl("logs", what, f"--namespace={NAMESPACE}", "--tail=1").strip()


def _pods() -> list[dict[str, Any]]:
    return [
        _workload("Deployment", "names", SERVE, 2),
        _workload("Deployment", "asker", ASK, 1),
        _workload("StatefulSet", "counter", COUNT, 1),
        _named("v1", "Service", "names")
        | {"spec": {"clusterIP": SERVICE, "selector": {"app": "names"}, "ports": [{"port": 80, "targetPort": PORT}]}},
    ]


def _objects() -> list[dict[str, Any]]:
    reader = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    return [
        *(_named("v1", "Secret", f"password-{n}") | {"stringData": {"password": f"open sesame {n}"}} for n in range(5)),
        *(_named("shop.example.com/v1", "Tea", f"tea-{n}") | {"spec": {"grams": 100 + n}} for n in range(5)),
        _named("v1", "ConfigMap", "prices") | {"data": {"oolong": "7"}},
        _named("v1", "ServiceAccount", "clerk"),
        _named("rbac.authorization.k8s.io/v1", "Role", "reader")
        | {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]},
        _named("rbac.authorization.k8s.io/v1", "RoleBinding", "clerk-reads")
        | {"roleRef": reader, "subjects": [{"kind": "ServiceAccount", "name": "clerk", "namespace": NAMESPACE}]},
    ]


def _definition() -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"grams": {"type": "integer"}}}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "teas.shop.example.com"},
        "spec": {
            "group": "shop.example.com",
            "scope": "Namespaced",
            "names": {"plural": "teas", "singular": "tea", "kind": "Tea"},
            "versions": [version],
        },
    }


def _workload(kind: str, name: str, script: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    pod = {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": name, "image": TOOLS_IMAGE, "command": ["sh", "-c", script]}],
    }
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return _named("apps/v1", kind, name) | {"spec": spec | ({"serviceName": name} if kind == "StatefulSet" else {})}


def _named(api_version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}
