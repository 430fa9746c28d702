"""A kubeadm cluster as one of its masters describes it: what look.sh was told, typed.

Owns reading Kubernetes' and etcd's own forms. Does not own what a stack makes of it (``ops.adopt.values``), nor whether
that may go ahead (``ops.adopt.obstacles``).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from cryptography import x509

from ops.adopt.look import Look, LookError
from ops.adopt.manifest import PROGRAMS, flags
from render.kubelet import CONFIG as KUBELET_CONFIG
from render.static_pods import MANIFESTS, PKI
from settings.fields import Tree

OLD_MASTER = "node-role.kubernetes.io/master"  # what kubeadm called a master before 1.24
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
HOST = "evenkeel.dev/host"
KUBEADM_FLAGS = "/var/lib/kubelet/kubeadm-flags.env"
KEYS = {
    "ca": f"{PKI}/ca.key",
    "front-proxy-ca": f"{PKI}/front-proxy-ca.key",
    "etcd-ca": f"{PKI}/etcd/ca.key",
    "service-account": f"{PKI}/sa.key",
}
ACCOUNTS = f"{PKI}/sa.pub"  # whose tokens the apiserver takes
AUTHORITIES = {"ca": f"{PKI}/ca.crt", "front-proxy-ca": f"{PKI}/front-proxy-ca.crt", "etcd-ca": f"{PKI}/etcd/ca.crt"}
# What lies beside these is its owner's, such as copies of what was renewed.
CERTIFICATES = {
    *AUTHORITIES.values(),
    *(f"{PKI}/{name}.crt" for name in ("apiserver", "apiserver-kubelet-client", "front-proxy-client")),
    *(f"{PKI}/{name}.crt" for name in ("apiserver-etcd-client", "etcd/server", "etcd/peer", "etcd/healthcheck-client")),
}
_REMEDIES = {
    "version": "see that kubectl and /etc/kubernetes/admin.conf are on this host and that its apiserver answers",
    "etcd-members": "see that curl is on this host and that its etcd answers; an etcd elsewhere cannot be adopted",
}


@dataclass(frozen=True)
class Node:
    """A node as the API has it; ``adopted`` where a stack has labelled it already."""

    name: str
    address: str
    master: bool
    tainted: bool
    ready: bool
    kubelet: str
    runtime: str
    adopted: bool


@dataclass(frozen=True)
class Member:
    """A member of etcd; one that has never started has no name."""

    name: str
    learner: bool


@dataclass(frozen=True)
class Etcd:
    """etcd as this master's member sees it."""

    members: tuple[Member, ...]
    version: str
    size: int
    health: str


@dataclass(frozen=True)
class Cluster:
    """One kubeadm cluster; ``node`` is the master that was read, and what ``kubelet`` and ``pods`` are of.

    ``pods_of_all``: those of every master, by node and program, as the API shows them.
    ``running``: what each kubelet runs with, by node, defaults included, where it told.
    """

    node: Node
    nodes: tuple[Node, ...]
    version: str
    kubeadm: Tree
    kubelet_of_all: Tree
    kubelet: Tree
    kubelet_flags: str
    running: Mapping[str, Tree]
    kube_proxy: Tree
    pods: Mapping[str, Tree]
    pods_of_all: Mapping[tuple[str, str], Tree]
    etcd: Etcd
    corefile: str
    coredns: Tree
    daemon_sets: tuple[str, ...]
    certificates: Mapping[str, x509.Certificate]
    files: Mapping[str, str]
    renewed: Mapping[str, str]
    clock: int
    free_kilobytes: int

    def masters(self) -> list[Node]:
        """The nodes of the control plane."""
        return [node for node in self.nodes if node.master]


def read(look: Look) -> Cluster:
    """The cluster, or an error with a line for each thing that keeps it from being read."""
    faults = [f"{path}: is not there; name a host that kubeadm made a master" for path in _missing(look)]
    faults += [] if faults else [_unanswered(look, name) for name in _NEEDED if look.answers[name].status != 0]
    if faults:
        raise LookError("\n".join(faults))
    pods = {name: yaml.safe_load(look.files[f"{MANIFESTS}/{name}.yaml"]) for name in PROGRAMS}
    nodes = tuple(_node(item) for item in _json(look, "nodes")["items"])
    maps = {item["metadata"]["name"]: item.get("data", {}) for item in _json(look, "config-maps")["items"]}
    address = flags(pods["kube-apiserver"]).get("advertise-address", "")
    own = next((node for node in nodes if node.address == address), None)
    if own is None or "kubeadm-config" not in maps:
        what = (
            f"no node has the address {address} of its apiserver" if own is None else "ConfigMap kubeadm-config is gone"
        )
        raise LookError(f"{what}; name a host that kubeadm made a master, with its ConfigMaps in kube-system")
    return Cluster(
        node=own,
        nodes=nodes,
        version=str(_json(look, "version")["gitVersion"]).removeprefix("v"),
        kubeadm=_yaml(maps["kubeadm-config"].get("ClusterConfiguration", "")),
        kubelet_of_all=_yaml(maps.get("kubelet-config", {}).get("kubelet", "")),
        kubelet=_yaml(look.files[KUBELET_CONFIG]),
        kubelet_flags=look.files.get(KUBEADM_FLAGS, ""),
        running=dict(_running(look)),
        kube_proxy=_yaml(maps.get("kube-proxy", {}).get("config.conf", "")),
        pods=pods,
        pods_of_all={
            (item["spec"].get("nodeName", ""), item["metadata"]["labels"].get("component", "")): item
            for item in _json(look, "control-plane")["items"]
        },
        etcd=_etcd(look),
        corefile=maps.get("coredns", {}).get("Corefile", ""),
        coredns=_json(look, "coredns") if look.answers["coredns"].status == 0 else {},
        daemon_sets=tuple(item["metadata"]["name"] for item in _json(look, "daemon-sets")["items"]),
        certificates=_certificates(look),
        files=look.files,
        renewed=_renewed(look),
        clock=int(look.answers["clock"].text),
        free_kilobytes=int(look.answers["free-kilobytes"].text),
    )


_NEEDED = (
    "version",
    "nodes",
    "config-maps",
    "control-plane",
    "daemon-sets",
    "node-leases",
    "etcd-members",
    "etcd-status",
)


def _missing(look: Look) -> list[str]:
    wanted = [*(f"{MANIFESTS}/{name}.yaml" for name in PROGRAMS), *AUTHORITIES.values(), KUBELET_CONFIG]
    return [path for path in wanted if path not in look.files]


def _unanswered(look: Look, name: str) -> str:
    said = look.answers[name].text.strip().splitlines()[-1:] or ["nothing"]
    remedy = _REMEDIES["etcd-members" if name.startswith("etcd") else "version"]
    return f"{name}: was not told ({said[0]}); {remedy}"


def _json(look: Look, name: str) -> Any:
    return json.loads(look.answers[name].text)


def _yaml(text: str) -> Tree:
    return dict(yaml.safe_load(text) or {})


def _running(look: Look) -> Iterator[tuple[str, Tree]]:
    for name, answer in look.answers.items():
        kind, _, node = name.partition("/")
        if kind == "kubelet" and answer.status == 0:
            yield node, json.loads(answer.text)["kubeletconfig"]


def _node(item: Tree) -> Node:
    metadata, status = item["metadata"], item["status"]
    labels = metadata.get("labels", {})
    addresses = [one["address"] for one in status["addresses"] if one["type"] == "InternalIP"]
    taints = {taint["key"] for taint in item["spec"].get("taints", []) if taint["effect"] == "NoSchedule"}
    conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
    return Node(
        name=metadata["name"],
        address=addresses[0] if addresses else "",
        master=bool({OLD_MASTER, CONTROL_PLANE} & set(labels)),
        tainted=bool({OLD_MASTER, CONTROL_PLANE} & taints),
        ready=conditions.get("Ready") == "True",
        kubelet=status["nodeInfo"]["kubeletVersion"].removeprefix("v"),
        runtime=status["nodeInfo"]["containerRuntimeVersion"],
        adopted=HOST in metadata.get("annotations", {}),
    )


def _etcd(look: Look) -> Etcd:
    """As etcd's gateway writes it: what is zero or false is left out, and large numbers are text."""
    members = tuple(
        Member(item.get("name", ""), bool(item.get("isLearner"))) for item in _json(look, "etcd-members")["members"]
    )
    status, health = _json(look, "etcd-status"), look.answers["etcd-health"]
    well = health.status == 0 and _healthy(health.text)
    return Etcd(members, status["version"], int(status.get("dbSize", 0)), "" if well else health.text.strip())


def _healthy(text: str) -> bool:
    try:
        return str(json.loads(text).get("health")) == "true"
    except ValueError:
        return False


def _certificates(look: Look) -> dict[str, x509.Certificate]:
    """Every certificate that kubeadm has made on the host, by its file."""
    found = {path: text for path, text in look.files.items() if path in CERTIFICATES}
    if look.answers["kubelet-certificate"].status == 0:
        found["/var/lib/kubelet/pki/kubelet-client-current.pem"] = look.answers["kubelet-certificate"].text
    return {path: x509.load_pem_x509_certificate(text.encode()) for path, text in found.items()}


def _renewed(look: Look) -> dict[str, str]:
    """When each node's lease was renewed last, as that node's own clock had it."""
    return {item["metadata"]["name"]: item["spec"].get("renewTime", "") for item in _json(look, "node-leases")["items"]}
