"""Which Kubernetes kind a Pulumi type token names, which kinds are served, and which of them live in a namespace.

Does not own: the names of kinds in URLs, which the API server tells (``cluster``).
"""

from dataclasses import dataclass

from lab.plugins.base import PluginError, own_type

NAMESPACED = frozenset(
    ("ConfigMap", "DaemonSet", "Deployment", "Endpoints", "EndpointSlice", "LimitRange", "NetworkPolicy")
    + ("PodDisruptionBudget", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount")
)
CLUSTER_WIDE = frozenset(
    ("ClusterRole", "ClusterRoleBinding", "Namespace", "Node", "PriorityClass", "RuntimeClass", "StorageClass")
)
"""Well-known kinds: like the official plugin, a preview needs no API server to know their scope."""

NOT_SERVED = frozenset(
    ("CustomResourceDefinition", "Ingress", "Job", "PersistentVolume", "PersistentVolumeClaim", "Pod")
    + ("ReplicationController", "ResourceQuota", "StatefulSet")
)
"""Kinds for which the official plugin has rules of its own (readiness, replacement) that are not implemented here."""

NOT_SERVED_GROUPS = ("helm.sh", "kustomize", "yaml")


@dataclass(frozen=True)
class Kind:
    """A kind of one API version; ``patch`` if the resource owns only some fields of an object that others own."""

    api_version: str
    name: str
    patch: bool

    def __str__(self) -> str:
        return f"{self.api_version}/{self.name}"


def from_token(qualified_type: str) -> Kind:
    """The kind of a token such as ``kubernetes:apps/v1:DaemonSet`` or ``kubernetes:core/v1:NodePatch``."""
    token = own_type(qualified_type)
    package, _, rest = token.partition(":")
    module, _, type_name = rest.partition(":")
    group, _, version = module.partition("/")
    name = type_name.removesuffix("Patch")
    if package != "kubernetes" or not (group and version and name):
        raise PluginError(f"{token}: not a type of this plugin; expected kubernetes:<group>/<version>:<Kind>")
    if group in NOT_SERVED_GROUPS or name in NOT_SERVED or name.endswith("List"):
        raise PluginError(f"{token}: the lab's plugin does not implement this type; the official plugin may")
    api_version = version if group == "core" else f"{group}/{version}"
    return Kind(api_version, name, patch=type_name != name)


def known_scope(kind: Kind) -> bool | None:
    """Whether the kind is namespaced, or None where only the API server can tell."""
    if kind.name in NAMESPACED:
        return True
    return False if kind.name in CLUSTER_WIDE else None
