"""flannel's part on a node: the list of CNI plugins that the container runtime reads.

It is laid down with the host's other files, so that a node needs no init container to be ready. Does not own the
plugins themselves (artifacts ``cni-plugins`` and ``flannel-cni``) nor flanneld (``render.addons.flannel``).
"""

import json

from render.files import File
from settings import Stack

CONFLIST = "/etc/cni/net.d/10-flannel.conflist"


def files(stack: Stack) -> list[File]:
    """The CNI configuration of a node, empty where the user brings another network."""
    return [conflist()] if stack.cluster.cni == "flannel" else []


def conflist() -> File:
    """Upstream's list: flannel, which delegates to ``bridge`` and ``host-local``, and ``portmap`` for host ports."""
    plugins = [
        {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return File(CONFLIST, json.dumps({"name": "cbr0", "cniVersion": "0.3.1", "plugins": plugins}, indent=2) + "\n")
