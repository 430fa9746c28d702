"""What runs inside the cluster, and what its nodes are called there, as Kubernetes resources.

Owns: the provider, the order of objects, and who waits for them. Does not own what the objects say (``render.addons``),
nor a node's taint (``render.kubelet``; ``render.addons.nodes`` says why).

Objects are registered under the official package's type tokens without its typed classes: those cost 0.15 s of every
run to import and add nothing to objects that a schema has checked (``tests.schemas``).

How they are applied: server-side, as one field manager with a fixed name, and by force. The name is fixed because the
engine invents another one for every object whose creation it has not recorded: after an interrupted run, the earlier
name would keep its fields for good. Force and upsert take over what a kubeadm cluster has under the same names. A
ConfigMap is changed in place (the package's default deletes it first, under the pods that mount it).

A cluster that can't be reached any more makes a ``pulumi destroy`` fail rather than forget what it holds;
PULUMI_K8S_DELETE_UNREACHABLE=true lets it forget.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
from pulumi_kubernetes import Provider

from components.registered import Registered
from render import addons
from render.addons import kubeadm, nodes
from render.addons.objects import Object
from settings import Stack

FIELD_MANAGER = "evenkeel"
HOST = "evenkeel.dev/host"
REPAIR = "evenkeel.dev/repair"
WORKLOADS = ("DaemonSet", "Deployment")


@dataclass(frozen=True)
class ClusterAddonsArgs:
    """``kubeconfig`` must be one of system:masters: a new cluster knows no other administrator until this has run.

    ``trusted`` is the bundle (PEM) of the authorities that the API is trusted by.
    ``cluster_identifier`` must stay the same for the cluster's life: a change replaces everything here.
    ``hosts`` gives each node something that changes when its host is replaced; the node is then labelled again. It
    must not be known before the node is in the API: applying labels to a node that is not there would create it, and
    the kubelet that then finds it registers without its taints.
    ``after`` is what has to be done before the API can be asked through the kubeconfig's server.
    ``await_ready`` decides whether this ends when the pods are ready or as soon as the API has taken the objects.
    """

    stack: Stack
    kubeconfig: pulumi.Input[str]
    trusted: pulumi.Input[str]
    cluster_identifier: str
    hosts: Mapping[str, pulumi.Input[str]]
    after: Sequence[pulumi.Resource] = ()
    await_ready: bool = True


class KubernetesObject(Registered):
    """Any object of the API as the official package registers it; ``patch`` for fields of an object that others own."""

    def __init__(self, name: str, body: Object, opts: pulumi.ResourceOptions, patch: bool = False) -> None:
        super().__init__(type_token(body["apiVersion"], body["kind"], patch), name, body, opts)


class ClusterAddons(pulumi.ComponentResource):
    """RBAC, kube-proxy, the pod network, CoreDNS and the nodes' roles."""

    def __init__(self, name: str, args: ClusterAddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:ClusterAddons", name, None, opts)
        self._name, self._await_ready = name, args.await_ready
        # Another word changes every object, so that each is applied again with all its fields.
        self._repair = {REPAIR: args.stack.repair} if args.stack.repair else {}
        self.provider = Provider(
            f"{name}-api",
            kubeconfig=pulumi.Output.secret(args.kubeconfig),
            cluster_identifier=args.cluster_identifier,
            enable_server_side_apply=True,
            enable_patch_force=True,
            enable_config_map_mutable=True,
            upsert_existing_objects=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        cluster_info = pulumi.Output.from_input(args.trusted).apply(partial(kubeadm.cluster_info, args.stack))
        every = addons.by_addon(args.stack, cluster_info)
        self.objects = [made for addon in every.values() for made in self._addon(addon)]
        self.node_roles = {
            node: self._node_role(node, nodes.labels(host), args.hosts[node])
            for node, host in args.stack.nodes().items()
        }
        self.register_outputs({"kubernetesVersion": args.stack.release.versions.kubernetes})

    def _addon(self, objects: Sequence[Object]) -> list[KubernetesObject]:
        """An add-on's objects: its namespace before what lies in it, its pods after what they need."""
        made: dict[str, KubernetesObject] = {}
        for body in objects:
            before = list(made.values()) if body["kind"] in WORKLOADS else self._namespace_of(body, made)
            key = f"{body['kind'].lower()}-{body['metadata']['name']}"
            made[key] = KubernetesObject(f"{self._name}-{key}", self._applied(body), self._options(before))
        return list(made.values())

    def _namespace_of(self, body: Object, made: Mapping[str, KubernetesObject]) -> list[KubernetesObject]:
        namespace = made.get(f"namespace-{body['metadata'].get('namespace')}")
        return [namespace] if namespace else []

    def _applied(self, body: Object) -> Object:
        """A Service is never waited for: that takes 10 s of unchanged endpoints, and says less than its ready pods."""
        skips = body["kind"] == "Service" or (body["kind"] in WORKLOADS and not self._await_ready)
        return annotated(body, self._repair | ({"pulumi.com/skipAwait": "true"} if skips else {}))

    def _node_role(self, node: str, labels: Mapping[str, str], host: pulumi.Input[str]) -> KubernetesObject:
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": dict(labels)}}
        options = pulumi.ResourceOptions.merge(self._options([]), pulumi.ResourceOptions(retain_on_delete=True))
        return KubernetesObject(
            f"{self._name}-node-{node}", annotated(body, {HOST: host, **self._repair}), options, patch=True
        )

    def _options(self, before: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self.provider, depends_on=list(before))


def type_token(api_version: str, kind: str, patch: bool = False) -> str:
    """The official package's name for a kind, such as ``kubernetes:core/v1:ConfigMap``."""
    module = api_version if "/" in api_version else f"core/{api_version}"
    return f"kubernetes:{module}:{kind}{'Patch' if patch else ''}"


def annotated(body: Object, annotations: Mapping[str, pulumi.Input[str]]) -> Object:
    """The object with the field manager's name, which the package reads from the object itself, and ``annotations``."""
    metadata = body["metadata"]
    manager = {"pulumi.com/patchFieldManager": FIELD_MANAGER}
    return body | {"metadata": metadata | {"annotations": metadata.get("annotations", {}) | manager | annotations}}
