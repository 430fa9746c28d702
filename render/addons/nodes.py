"""What a node's role is called in the API: its labels.

They are set through the API because NodeRestriction stops a kubelet from labelling itself with a role. The
control-plane *taint* is not set here: ``spec.taints`` is one atomic list (``+listType=atomic``), so whoever applies a
taint owns them all and would take ``not-ready`` or a cordon away. The kubelet registers with it instead
(``registerWithTaints`` in ``render.kubelet``), and a role that changes later changes it by itself (membership.sh).
"""

from settings import Host

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
WORKER = "node-role.kubernetes.io/worker"
NO_EXTERNAL_TRAFFIC = "node.kubernetes.io/exclude-from-external-load-balancers"


def labels(host: Host) -> dict[str, str]:
    """The host's role labels; none on hosts that are no nodes.

    A master that is a worker as well keeps external traffic: its pods may be the only ones behind a Service.
    """
    of_master = {CONTROL_PLANE: ""} if "master" in host.roles else {}
    of_worker = {WORKER: ""} if "worker" in host.roles else {}
    return of_master | of_worker | ({} if of_worker or not of_master else {NO_EXTERNAL_TRAFFIC: ""})
