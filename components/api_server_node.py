"""The control plane of one master beside etcd: apiserver, controller manager, scheduler, kubelet and CSR approver.

Everything on it talks to its own apiserver. Owns what is staged; does not own when it is put to work
(``components.rollout``), nor the node's labels (``components.cluster_addons``).
"""

from dataclasses import dataclass

import pulumi

from components import kubelet
from components.etcd_member import EtcdMember
from components.host import RemoteHost, Staged, Texts, secret_files
from components.pki import ClusterPki
from render import csr_approver, parts, static_pods
from render.etcd import member_variables
from render.kubeconfig import kubeconfig
from render.network import api_endpoint
from render.scripts import call
from render.static_pods import API_PORT, PKI
from settings import Host, Stack


@dataclass(frozen=True)
class ApiServerNodeArgs:
    """``etcd``: this master's own member, whose files are laid out before anything starts."""

    stack: Stack
    host: RemoteHost
    prepared: Staged
    pki: ClusterPki
    etcd: EtcdMember


class ApiServerNode(pulumi.ComponentResource):
    """One master. ``staged`` is all that its activation shall put to work, etcd's files included."""

    def __init__(self, name: str, args: ApiServerNodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:ApiServerNode", name, None, opts)
        host, node, stack = args.host, args.host.settings, args.stack
        self.host, self.variables = host, activation_variables(stack, node)
        secrets = host.stage(
            "control-plane-secrets",
            secret_files(_secret_parts(stack, args.pki, node)),
            parent=self,
            depends_on=[args.prepared.command],
            secret=True,
        )
        before = [*args.etcd.staged, secrets]
        plain = host.stage(
            "control-plane",
            parts.control_plane(stack, node),
            parent=self,
            then=call("activate-master.sh first", self.variables),
            after=[args.prepared, *before],
            retires="master",
        )
        self.staged: list[Staged] = [args.prepared, *before, plain]
        self.register_outputs({"url": f"https://{node.address}:{API_PORT}"})


def activation_variables(stack: Stack, node: Host) -> dict[str, str]:
    """What scripts/activate-master.sh needs to know."""
    pages = [f"{host.address}:{stack.load_balancer.status_port}" for host in stack.load_balancers().values()]
    return {
        **member_variables(stack, node.name),
        **kubelet.variables(stack, node),
        "LOAD_BALANCERS": " ".join(pages),
        "MASTERS": str(len(stack.masters())),
    }


def kubeconfig_of(stack: Stack, pki: ClusterPki, row: str, server: str | None = None) -> pulumi.Output[str]:
    """A kubeconfig (secret) for the subject of a row of the certificate table; it asks the load balancer by default."""
    pair, user = pki.leaves[row], pki.subjects[row]
    return pulumi.Output.all(pki.trusted["ca"], pair.certificate, pair.key).apply(
        lambda pems: kubeconfig(stack.cluster.name, server or api_endpoint(stack), pems[0], user, pems[1], pems[2])
    )


def _secret_parts(stack: Stack, pki: ClusterPki, node: Host) -> dict[str, Texts]:
    own = f"https://{node.address}:{API_PORT}"

    def config(row: str) -> pulumi.Output[str]:
        return kubeconfig_of(stack, pki, row, own)

    return {
        **kubelet.secret_parts(pki, node.name),
        "pki.secret": _shared_keys(stack, pki),
        "apiserver.secret": _apiserver_keys(pki, node.name),
        "controller-manager.secret": {"/etc/kubernetes/controller-manager.conf": config("controller-manager")},
        "scheduler.secret": {"/etc/kubernetes/scheduler.conf": config("scheduler")},
        "csr-approver.secret": {csr_approver.KUBECONFIG: config("csr-approver")},
        "admin.secret": {"/etc/kubernetes/admin.conf": config("admin")},
    }


def _shared_keys(stack: Stack, pki: ClusterPki) -> Texts:
    """What all masters must hold alike: a token signed by one is verified by the others."""
    signer = {static_pods.SIGNER: pki.authorities["ca"].certificate} if stack.cluster.pki.generations.renews_ca else {}
    return {
        **signer,
        f"{PKI}/ca.key": pki.authorities["ca"].key,
        f"{PKI}/front-proxy-ca.crt": pki.trusted["front-proxy-ca"],
        f"{PKI}/sa.key": pki.service_account_key,
        f"{PKI}/sa.pub": pki.service_account_public_keys,
    }


def _apiserver_keys(pki: ClusterPki, node: str) -> Texts:
    pairs = {
        "apiserver": pki.leaves[f"apiserver-{node}"],
        "apiserver-kubelet-client": pki.leaves["apiserver-kubelet-client"],
        "apiserver-etcd-client": pki.leaves["apiserver-etcd-client"],
        "front-proxy-client": pki.leaves["front-proxy-client"],
    }
    texts = {f"{PKI}/{name}.crt": pair.certificate for name, pair in pairs.items()}
    return texts | {f"{PKI}/{name}.key": pair.key for name, pair in pairs.items()}
