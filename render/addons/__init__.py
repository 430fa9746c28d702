"""What runs inside the cluster to make it one: RBAC, kube-proxy, CoreDNS and the pod network, as plain objects.

Pure functions of the stack's settings. Does not own how the objects reach the API, in which order, or whether anyone
waits for them: that is ``components.cluster_addons``.
"""

from typing import Any

from render.addons import coredns, flannel, kube_proxy, kubeadm, rbac
from render.addons.objects import Object
from settings import Stack


def by_addon(stack: Stack, cluster_info: Any = None) -> dict[str, list[Object]]:
    """Each add-on's objects, in an order in which they can be made; an adopted cluster may keep some to itself.

    ``cluster_info``: see ``kubeadm.objects``.
    """
    kept = stack.adopted.keeps if stack.adopted else ()
    every = {
        "rbac": rbac.objects(),
        "kube-proxy": kube_proxy.objects(stack),
        "flannel": flannel.objects(stack),
        "coredns": coredns.objects(stack),
        "kubeadm": kubeadm.objects(stack, cluster_info),
    }
    return {name: objects for name, objects in every.items() if name not in kept}
