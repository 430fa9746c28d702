"""A node that runs workloads: container runtime and kubelet, which asks the load balancer.

Owns what is staged; does not own when it is put to work (``components.rollout``), nor the node's labels
(``components.cluster_addons``).
"""

from dataclasses import dataclass

import pulumi

from components import kubelet
from components.host import RemoteHost, Staged, secret_files
from components.pki import ClusterPki
from render import parts
from render.scripts import call
from settings import Stack


@dataclass(frozen=True)
class WorkerNodeArgs:
    """``host`` must not be a master: those run a kubelet of their own kind."""

    stack: Stack
    host: RemoteHost
    prepared: Staged
    pki: ClusterPki


class WorkerNode(pulumi.ComponentResource):
    """One worker. ``staged`` is what its activation shall put to work."""

    def __init__(self, name: str, args: WorkerNodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:WorkerNode", name, None, opts)
        host, node = args.host, args.host.settings
        self.host, self.variables = host, kubelet.variables(args.stack, node)
        secrets = host.stage(
            "kubelet-secrets",
            secret_files(kubelet.secret_parts(args.pki, node.name)),
            parent=self,
            depends_on=[args.prepared.command],
            secret=True,
        )
        plain = host.stage(
            "kubelet",
            {"kubelet": parts.node_files(args.stack, node)},
            parent=self,
            depends_on=[args.prepared.command, secrets.command],
            then=call("activate-worker.sh first", self.variables),
        )
        self.staged: list[Staged] = [args.prepared, secrets, plain]
        self.register_outputs({"address": node.address})
