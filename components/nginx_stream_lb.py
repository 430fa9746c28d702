"""One load balancer host: nginx with the check that knows who is ready, and its share in the virtual address.

Owns what is staged there and the host's turn. Does not own what the files say (``render.load_balancer``,
``render.keepalived``), nor how they are put to work (scripts/activate-lb.sh).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.host import RemoteHost, Staged
from components.pki import ClusterPki
from render import load_balancer, parts
from render.files import File
from render.load_balancer import Balancer
from settings import Stack


@dataclass(frozen=True)
class NginxStreamLBArgs:
    """``pki``: whose ``ca`` vouches for the apiservers that the check asks; ``harbor_ca`` does so for hubs.

    ``after``: what has to be well before this host has its turn; the load balancer before it, so that a change that
    one of them does not survive leaves the other alone.
    """

    stack: Stack
    host: RemoteHost
    prepared: Staged
    pki: ClusterPki
    after: Sequence[pulumi.Resource] = ()
    harbor_ca: pulumi.Input[str] | None = None


class NginxStreamLB(pulumi.ComponentResource):
    """``active`` ends when nginx runs with what is staged and, with a virtual address, somebody answers there."""

    def __init__(self, name: str, args: NginxStreamLBArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:NginxStreamLB", name, None, opts)
        host, stack = args.host, args.stack
        balancer = load_balancer.balancer(stack, host.settings)
        # Apart, so that a first preview shows nginx's files although no CA is there yet.
        plain = host.stage(
            "lb",
            parts.balancer(stack, host.settings),
            parent=self,
            depends_on=[args.prepared.command],
        )
        trusted = host.stage(
            "lb-ca",
            pulumi.Output.all(args.pki.trusted["ca"], args.harbor_ca).apply(
                lambda pems: {"lb.ca": _ca_files(balancer, *pems)}
            ),
            parent=self,
            depends_on=[args.prepared.command],
        )
        self.active = host.activate(
            "activate-lb",
            "activate-lb.sh",
            activation_variables(stack, balancer),
            [plain, trusted],
            parent=self,
            depends_on=args.after,
            retires="lb",
        )
        self.register_outputs({"address": host.settings.address, "statusPage": f"http://{balancer.status}/upstreams/"})


def activation_variables(stack: Stack, balancer: Balancer) -> dict[str, str]:
    """What scripts/activate-lb.sh needs to know."""
    vip = stack.load_balancer.vip
    return {
        "STATUS": balancer.status,
        "PORTS": " ".join(str(service.listen) for service in balancer.services),
        "SERVICES": " ".join(service.name for service in balancer.services),
        "VIP": f"{vip.address}:{stack.load_balancer.port}" if vip else "",
    }


def _ca_files(balancer: Balancer, cluster_ca: str, harbor_ca: str | None) -> list[File]:
    authorities = {load_balancer.API_SERVICE: cluster_ca, load_balancer.HUB_SERVICE: harbor_ca or ""}
    return [File(load_balancer.ca_path(service.name), authorities[service.name]) for service in balancer.services]
