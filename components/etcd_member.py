"""The etcd member of one master: its certificates, its manifest, and its right to found the cluster.

Owns what is staged for etcd. Does not own when it is put to work: that is the master's turn in ``components.rollout``.
"""

from dataclasses import dataclass

import pulumi

from components.birth import Birth
from components.host import Parts, RemoteHost, Staged, secret_files
from components.pki import ClusterPki
from render import static_pods
from render.etcd import initial_cluster, member_variables
from render.scripts import call
from render.static_pods import PKI
from settings import Stack

FOUNDERS = "founders"


@dataclass(frozen=True)
class EtcdMemberArgs:
    """``genesis``: the day on which the stack's etcd cluster was formed, and by whom."""

    stack: Stack
    host: RemoteHost
    prepared: Staged
    pki: ClusterPki
    genesis: Birth


class EtcdMember(pulumi.ComponentResource):
    """One voting member. ``staged`` is what the master's activation shall put to work."""

    def __init__(self, name: str, args: EtcdMemberArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:EtcdMember", name, None, opts)
        host, node = args.host, args.host.settings
        variables = member_variables(args.stack, node.name)
        secrets = host.stage(
            "etcd-secrets",
            _secret_parts(args.pki, node.name),
            parent=self,
            depends_on=[args.prepared.command],
            secret=True,
            then=pulumi.Output.all(args.genesis.token, args.genesis.facts).apply(
                lambda given: _ticket(variables, given[0], given[1][FOUNDERS])
            ),
        )
        manifest = host.stage(
            "etcd", {"etcd": [static_pods.etcd(args.stack, node)]}, parent=self, depends_on=[args.prepared.command]
        )
        self.staged: list[Staged] = [secrets, manifest]
        self.register_outputs({"peerUrl": static_pods.peer_url(node)})


def genesis(stack: Stack) -> Birth:
    """The birth of the etcd cluster: its token, and who founded it.

    Both are kept in the stack's state and never change: whoever is added later, or comes back empty, joins. An adopted
    cluster has been formed already, so nobody founds it.
    """
    founders = "nobody" if stack.adopted else initial_cluster(stack)
    return Birth("etcd-genesis", {FOUNDERS: founders}, pulumi.ResourceOptions(protect=True))


def _ticket(variables: dict[str, str], token: str, founders: str) -> str:
    """A host gets its founding ticket only when its files are staged for the first time in the stack's life."""
    return f'if [ "$1" = first ]; then\n{call(f"founding-ticket.sh {token} {founders}", variables)}fi\n'


def _secret_parts(pki: ClusterPki, node: str) -> pulumi.Output[Parts]:
    folder = f"{PKI}/etcd"
    pairs = {
        "server": pki.leaves[f"etcd-server-{node}"],
        "peer": pki.leaves[f"etcd-peer-{node}"],
        "healthcheck-client": pki.leaves["etcd-healthcheck-client"],
    }
    texts = {f"{folder}/{name}.crt": pair.certificate for name, pair in pairs.items()}
    texts |= {f"{folder}/{name}.key": pair.key for name, pair in pairs.items()}
    texts[f"{folder}/ca.crt"] = pki.trusted["etcd-ca"]
    return secret_files({"etcd.secret": texts})
