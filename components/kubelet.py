"""What every node's kubelet needs, master or worker: the same parts, staged by the component of the node's role."""

import pulumi

from components.host import Texts
from components.pki import ClusterPki
from render import kubelet
from render.static_pods import PKI
from settings import Host, Stack


def secret_parts(pki: ClusterPki, node: str) -> dict[str, Texts]:
    """The parts ``ca``, what a node trusts, and ``kubelet.secret``, its first client certificate."""
    first = pki.leaves[f"kubelet-{node}"]
    return {
        "ca": {f"{PKI}/ca.crt": pki.trusted["ca"]},
        "kubelet.secret": {kubelet.FIRST_CLIENT_PAIR: pulumi.Output.concat(first.certificate, first.key)},
    }


def variables(stack: Stack, node: Host) -> dict[str, str]:
    """What scripts/kubelet.sh needs to know."""
    return {"NODE": node.name, "API_SERVER": kubelet.api_server(stack, node)}
