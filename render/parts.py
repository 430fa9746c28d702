"""All that a stack has on one host: its parts, what of them can be said without the stack's state, and what runs there.

Owns the list. Does not own the files' texts (the other modules here), nor how they get to a host (``components``).
"""

from dataclasses import dataclass

from render import (
    csr_approver,
    flannel,
    harbor,
    hub,
    keepalived,
    kubelet,
    load_balancer,
    preparation,
    silent_peers,
    static_pods,
)
from render.files import File
from render.preparation import runs_pods, trusts_harbor
from render.scripts import Scripts
from settings import Host, Stack

Parts = dict[str, list[File]]

# What each unit or pod reads, as the activation scripts have it: the parts that it was last found well with.
NODE_TURNS = {
    "runtime": ("runtime", "runtime.artifacts"),
    "kubelet": ("kubelet", "kubelet.artifacts", "kubelet.secret", "ca"),
}
MASTER_TURNS = {
    "etcd": ("etcd", "etcd.secret"),
    "kube-apiserver": ("apiserver", "apiserver.secret", "pki.secret", "ca"),
    "kube-controller-manager": ("controller-manager", "controller-manager.secret", "pki.secret", "ca"),
    "kube-scheduler": ("scheduler", "scheduler.secret"),
    "csr-approver": ("csr-approver", "csr-approver.secret"),
}
BALANCER_TURNS = {"nginx": ("lb", "lb.ca"), "keepalived": ("vip",)}
HUB_TURNS = {"hub": (hub.PLAIN_PART, hub.SECRET_PART)}
TRUST = "harbor-trust"


@dataclass(frozen=True)
class Inventory:
    """``plain``: parts whose texts follow from the settings. ``held``: parts of secrets, or of what the state keeps.

    ``units`` are enabled and run; ``turns`` says of which parts each unit or pod was last found well with.
    """

    plain: Parts
    held: list[str]
    units: list[str]
    turns: dict[str, tuple[str, ...]]


def inventory(stack: Stack, host: Host, scripts: Scripts) -> Inventory:
    """Everything that an ``up`` leaves on the host. ``scripts``: the texts of the host's scripts, by file name."""
    plain = {**preparation.parts(stack, host, scripts), **_of_roles(stack, host)}
    turns = _turns(stack, host)
    held = [part for parts in turns.values() for part in parts if part not in plain]
    held += ["tools.artifacts"] if runs_pods(host) else []
    held += ["admin.secret"] if "master" in host.roles else []
    held += [TRUST] if trusts_harbor(stack, host) else []
    return Inventory(plain, list(dict.fromkeys(held)), _units(stack, host), turns)


def control_plane(stack: Stack, node: Host) -> Parts:
    """A master's parts beside etcd."""
    return {
        "apiserver": [static_pods.kube_apiserver(stack, node)],
        "controller-manager": [static_pods.kube_controller_manager(stack)],
        "scheduler": [static_pods.kube_scheduler(stack)],
        "kubelet": node_files(stack, node),
        "csr-approver": csr_approver.files(stack),
    }


def node_files(stack: Stack, node: Host) -> list[File]:
    """The part ``kubelet`` of any node."""
    return kubelet.files(stack, node) + flannel.files(stack)


def balancer(stack: Stack, host: Host) -> Parts:
    """A load balancer's parts."""
    share = keepalived.vip(stack, host)
    return {"lb": load_balancer.files(load_balancer.balancer(stack, host)), "vip": keepalived.files(share)}


def hub_files(stack: Stack, host: Host) -> list[File]:
    """A hub's part of plain files."""
    return [*harbor.plain_files(stack, host), *hub.plain_files(stack, host)]


def _of_roles(stack: Stack, host: Host) -> Parts:
    found: Parts = {}
    if "master" in host.roles:
        found |= {"etcd": [static_pods.etcd(stack, host)], **control_plane(stack, host)}
    elif "worker" in host.roles:
        found["kubelet"] = node_files(stack, host)
    if "lb" in host.roles:
        found |= balancer(stack, host)
    if "hub" in host.roles:
        found[hub.PLAIN_PART] = hub_files(stack, host)
    return found


def _turns(stack: Stack, host: Host) -> dict[str, tuple[str, ...]]:
    found = dict(NODE_TURNS) if runs_pods(host) else {}
    found |= {silent_peers.PART: (silent_peers.PART,)} if silent_peers.peers(stack, host) else {}
    found |= MASTER_TURNS if "master" in host.roles else {}
    found |= BALANCER_TURNS if "lb" in host.roles else {}
    return found | (HUB_TURNS if "hub" in host.roles else {})


def _units(stack: Stack, host: Host) -> list[str]:
    units = ["containerd", "kubelet"] if runs_pods(host) else []
    units += ["evenkeel-csr-approver"] if "master" in host.roles else []
    units += [silent_peers.UNIT] if silent_peers.peers(stack, host) else []
    if "lb" in host.roles:
        units += ["nginx", load_balancer.CHECK_UNIT.removesuffix(".service")]
        units += ["keepalived"] if stack.load_balancer.vip else []
    return units
