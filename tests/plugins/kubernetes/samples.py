"""Inputs of resources, as the SDK sends them, for the contract tests."""

from typing import Any

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
DAEMON_SET = "kubernetes:apps/v1:DaemonSet"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
NODE_PATCH = "kubernetes:core/v1:NodePatch"
SECRET = "kubernetes:core/v1:Secret"
MAPS = "/api/v1/namespaces/default/configmaps"
ROLE_BINDING = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"

Object = dict[str, Any]


def obj(api_version: str, kind: str, name: str | None = None, **content: Any) -> Object:
    """Inputs of a resource, as the SDK sends them."""
    metadata = {"metadata": {"name": name}} if name else {}
    return {"apiVersion": api_version, "kind": kind} | metadata | content


def config_map(name: str | None = None, **data: Any) -> Object:
    return obj("v1", "ConfigMap", name, data=data)


def workload(kind: str, name: str, image: str = "app:1", **spec: Any) -> Object:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": image, "resources": {"requests": {"cpu": "0.10"}}}]},
    }
    return obj("apps/v1", kind, name, spec={"selector": {"matchLabels": labels}, "template": template} | spec)


def annotated(inputs: Object, **annotations: str) -> Object:
    marks = {f"pulumi.com/{key}": value for key, value in annotations.items()}
    return inputs | {"metadata": inputs["metadata"] | {"annotations": marks}}
