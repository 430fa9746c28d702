"""What the first `up` of an adopted cluster will change there, as the stack's own renderers have it.

Owns comparing what runs with what the stack would put there. Does not own either of the two.
"""

from collections.abc import Collection, Iterator, Mapping

import yaml

from ops.adopt import values
from ops.adopt.cluster import Cluster
from ops.adopt.manifest import PROGRAMS, flags
from releases import LockFile, Release, ReleaseFile
from render import static_pods
from render.files import File
from settings import Cluster as ClusterSettings
from settings import Host, LoadBalancer, Ssh, Stack
from settings.fields import Tree
from settings.merge import merged

# etcd reads these only where it has no data.
_WITHOUT_EFFECT = {"initial-cluster", "initial-cluster-state", "initial-advertise-peer-urls"}
UNLOCKED = "sha256:" + 64 * "0"  # nothing that is compared here comes from a lock


def sketch(sections: Tree, ssh: Ssh, file: ReleaseFile) -> Stack:
    """The stack that these sections describe, before its load balancer is named and its release locked."""
    cluster = ClusterSettings.model_validate(sections["cluster"])
    hosts = {
        name: Host(
            name=name,
            address=host["address"],
            roles=tuple(host["roles"]),
            ssh=ssh,
            kubelet_config=merged(cluster.kubelet.config, host.get("kubelet", {}).get("config", {})),
        )
        for name, host in sections["hosts"].items()
        if {"address", "roles"} <= host.keys()  # one that its user has not finished is told of by the preview
    }
    first = next(iter(hosts.values())).address
    balancer = LoadBalancer.model_validate(sections.get("loadBalancer") or {"address": first})
    lock = LockFile(
        release=file.name,
        release_sha256=64 * "0",
        source="publishers",
        artifacts={},
        images=dict.fromkeys(file.images, UNLOCKED),
    )
    return Stack(cluster=cluster, hosts=hosts, load_balancer=balancer, release=Release(file, lock))


def usual(cluster: Cluster, ssh: Ssh, file: ReleaseFile) -> dict[str, dict[str, str]]:
    """The flags that a stack gives each program by itself, before anybody has set any."""
    bare = {"cluster": values.network(cluster), "hosts": values.hosts(cluster, ssh)}
    return rendered(sketch(bare, ssh, file), cluster.node.name)


def rendered(stack: Stack, node: str) -> dict[str, dict[str, str]]:
    """The flags that the stack gives each program of a master."""
    host = stack.hosts[node]
    files: Mapping[str, File] = {
        "etcd": static_pods.etcd(stack, host),
        "kube-apiserver": static_pods.kube_apiserver(stack, host),
        "kube-controller-manager": static_pods.kube_controller_manager(stack),
        "kube-scheduler": static_pods.kube_scheduler(stack),
    }
    return {program: flags(yaml.safe_load(file.content)) for program, file in files.items()}


def changes(cluster: Cluster, stack: Stack, kept: Collection[str]) -> Iterator[str]:
    """One line for each thing that becomes another."""
    yield from _versions(cluster, stack)
    wanted = rendered(stack, cluster.node.name)
    for program in PROGRAMS:
        for line in _flags(flags(cluster.pods[program]), wanted[program]):
            yield f"{cluster.node.name}: {program}: {line}"
    yield f"{cluster.node.name}: every certificate but the authorities' is issued anew, by the same authorities"
    yield f"{cluster.node.name}: super-admin.conf is taken away: `pulumi stack output kubeconfig` is for emergencies"
    yield f"{cluster.node.name}: kubelet, controller manager and scheduler ask its own apiserver"
    yield f"{cluster.node.name}: the kubelet's unit is the stack's, without kubeadm's drop-in"
    yield from (f"{node.name}: its kubelet asks the load balancer" for node in cluster.nodes if not node.master)
    yield from (f"{node.name}: kubelet and containerd are the release's; its pods run on" for node in cluster.nodes)
    for node in cluster.nodes:
        if not {node.name, cluster.node.name} <= cluster.running.keys():
            yield f"{node.name}: its kubelet has the cluster's settings and no others: it did not say what it runs with"
    if "kube-proxy" not in kept:
        yield "cluster: kube-proxy asks the load balancer: its pods are replaced, one node after the other"
    yield "cluster: kubeadm-config and cluster-info name the load balancer"
    if "coredns" not in kept:
        yield "cluster: CoreDNS is the release's: its pods are replaced, one after the other"


def stays(cluster: Cluster, kept: Collection[str]) -> Iterator[str]:
    """One line for each thing that somebody might fear for."""
    yield "etcd's data, and with it every object; the authorities and the service-account pair"
    yield "pods of workloads: no node is drained, no container restarted"
    others = ", ".join(name for name in cluster.daemon_sets if name != "kube-proxy") or "none"
    yield f"the pod network, and all DaemonSets but kube-proxy ({others})"
    yield from (f"{addon}, as somebody has made it: the stack leaves it alone" for addon in kept)
    yield f"the address {cluster.node.address}: it goes on answering, and stays in its apiserver's certificate"


def _versions(cluster: Cluster, stack: Stack) -> Iterator[str]:
    versions = stack.release.versions
    for name, old, new in (
        ("Kubernetes", cluster.version, versions.kubernetes),
        ("etcd", cluster.etcd.version, versions.etcd),
    ):
        if old != new:
            yield f"{cluster.node.name}: {name} {old} becomes {new}"


def _flags(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new} - _WITHOUT_EFFECT):
        if name not in new:
            yield f"--{name}={old[name]} is dropped"
        elif name not in old:
            yield f"--{name}={new[name]} is added"
        elif old[name] != new[name]:
            yield f"--{name}={old[name]} becomes {new[name]}"
