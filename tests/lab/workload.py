"""Four pods, one a node, that serve their own name: what the tests of a cluster talk to and through.

Owns the namespace ``evenkeel-test``, which is gone afterwards. Does not own any expectation: the tests do.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from lab import toolchain
from lab.mirror.content import TOOLS_IMAGE
from tests.lab.subject import kubeconfig, kubectl

NAMESPACE = "evenkeel-test"
NAME = "names"
PORT = 8080
READY_SECONDS = 60
LABELS = {"app": NAME}
SERVE = f"mkdir /www && hostname >/www/index.html && echo serving && exec httpd -f -p {PORT} -h /www"


@dataclass(frozen=True)
class Pod:
    """One of the pods."""

    name: str
    node: str
    address: str

    def sh(self, script: str) -> str:
        """What a script prints in it; the apiserver that was asked reaches the pod's kubelet for that."""
        return kubectl("exec", f"--namespace={NAMESPACE}", self.name, "--", "sh", "-c", script)


@dataclass(frozen=True)
class Workload:
    """The pods and the Service before them."""

    pods: list[Pod]
    service_address: str


@contextmanager
def running(replicas: int) -> Iterator[Workload]:
    """The pods, ready; the namespace is removed in the end, without waiting for it."""
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    try:
        _apply(_namespace(), _deployment(replicas), _service())
        _rolled_out()
        yield Workload(_pods(), json.loads(_get("service", NAME))["spec"]["clusterIP"])
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def _apply(*objects: dict[str, Any]) -> None:
    command = [str(toolchain.binary("kubernetes", "kubectl")), "apply", f"--kubeconfig={kubeconfig()}", "--filename=-"]
    subprocess.run(command, input=yaml.safe_dump_all(objects), text=True, check=True, capture_output=True)


def _rolled_out() -> None:
    kubectl("rollout", "status", f"--namespace={NAMESPACE}", f"deployment/{NAME}", f"--timeout={READY_SECONDS}s")


def _get(*what: str) -> str:
    return kubectl("get", f"--namespace={NAMESPACE}", "--output=json", *what)


def _pods() -> list[Pod]:
    items = json.loads(_get("pods", f"--selector=app={NAME}"))["items"]
    return [Pod(pod["metadata"]["name"], pod["spec"]["nodeName"], pod["status"]["podIP"]) for pod in items]


def _namespace() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def _service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"selector": LABELS, "ports": [{"port": 80, "targetPort": PORT}]},
    }


def _deployment(replicas: int) -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": TOOLS_IMAGE,
        "command": ["sh", "-c", SERVE],
        "readinessProbe": {"httpGet": {"port": PORT, "path": "/"}, "periodSeconds": 1},
    }
    pod = {
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": LABELS},
            }
        ],
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": pod},
        },
    }
