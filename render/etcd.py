"""The etcd cluster's members as etcd and its scripts name them. Does not own the manifest (``render.static_pods``)."""

from render import static_pods
from settings import Stack


def initial_cluster(stack: Stack) -> str:
    """The members that the stack names, as etcd's ``--initial-cluster`` writes them."""
    return ",".join(f"{name}={static_pods.peer_url(host)}" for name, host in stack.masters().items())


def member_variables(stack: Stack, node: str) -> dict[str, str]:
    """What scripts/etcd.sh needs to know."""
    members = initial_cluster(stack).replace(",", " ")
    return {"NODE": node, "ADDRESS": stack.hosts[node].address, "ETCD_MEMBERS": members}
