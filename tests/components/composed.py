"""What ``__main__`` composes of hosts and nodes, for tests that look at what it registers."""

from components.adoption import Adoption, AdoptionArgs
from components.api_server_node import ApiServerNode, ApiServerNodeArgs
from components.etcd_member import EtcdMember, EtcdMemberArgs, genesis
from components.host import RemoteHost, RemoteHostArgs
from components.pki import ClusterPki, ClusterPkiArgs
from components.preparation import Preparation, PreparationArgs
from components.rollout import Rollout, RolloutArgs
from components.worker_node import WorkerNode, WorkerNodeArgs
from settings import Stack


def control_plane(stack: Stack) -> Rollout:
    """Masters and workers, up to their turns."""
    hosts = {name: RemoteHost(name, RemoteHostArgs(host)) for name, host in stack.hosts.items()}
    prepared = Preparation("preparation", PreparationArgs(stack, hosts)).prepared
    pki = ClusterPki("pki", ClusterPkiArgs(stack))
    birth = genesis(stack)
    masters = []
    for name in stack.masters():
        host, done = hosts[name], prepared[name]
        member = EtcdMember(f"{name}-etcd", EtcdMemberArgs(stack, host, done, pki, birth))
        masters.append(ApiServerNode(f"{name}-control-plane", ApiServerNodeArgs(stack, host, done, pki, member)))
    workers = [
        WorkerNode(f"{name}-node", WorkerNodeArgs(stack, hosts[name], prepared[name], pki)) for name in stack.workers()
    ]
    adoption = Adoption("adoption", AdoptionArgs(stack, hosts, prepared))
    return Rollout("rollout", RolloutArgs(stack, birth, masters, workers, adoption.done))
