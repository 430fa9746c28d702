"""Rules about settings that users tune freely: the few that would break a promise are refused.

Owns: the table of what a user's flag or field may not say, and why.
Does not own: what Evenkeel itself sets (``render``).
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from settings.draft import Draft
from settings.errors import Fault, fault
from settings.fields import Tree, is_duration, seconds
from settings.rules.network import NODE_MASK_FLAG

SHORTEST_SHUTDOWN_DELAY = "10s"  # what a load balancer needs to see that an apiserver is about to stop
LONGEST_SHUTDOWN_DELAY = "20s"  # a static pod has 30 s to end in all, and requests must be answered after the delay
SMALLEST_NODE_MASK, LARGEST_NODE_MASK = 16, 30

Check = Callable[[str], bool]
Reason = tuple[str, str]


@dataclass(frozen=True)
class Condition:
    """A flag that users may set as long as its value passes."""

    holds: Check
    what: str
    remedy: str


@dataclass(frozen=True)
class Flags:
    """What one program's ``extraArgs`` may not say: whole flags, flags by how they begin, and values.

    ``sees``: the folders of the host that its pod mounts; files are nowhere else.
    """

    owned: Mapping[str, Reason]
    owned_prefixes: Mapping[str, Reason]
    conditions: Mapping[str, Condition]
    sees: tuple[str, ...] = ()


def _includes(*wanted: str) -> Check:
    return lambda value: set(wanted) <= {part.strip() for part in value.split(",")}


def _excludes(*unwanted: str) -> Check:
    return lambda value: not set(unwanted) & {part.strip() for part in value.split(",")}


def _is_fit_delay(value: str) -> bool:
    return is_duration(value) and (
        seconds(SHORTEST_SHUTDOWN_DELAY) <= seconds(value) <= seconds(LONGEST_SHUTDOWN_DELAY)
    )


def _is_node_mask(value: str) -> bool:
    return value.isascii() and value.isdigit() and SMALLEST_NODE_MASK <= int(value) <= LARGEST_NODE_MASK


def _is_true(value: str) -> bool:
    return value in {"true", "True", "1", "t", "T", "TRUE"}


def _has_loopback(value: str) -> bool:
    return value in {"127.0.0.1", "0.0.0.0", "::"}


def _is_standard_out(value: str) -> bool:
    return value == "-"


def _owned(reason: Reason, *names: str) -> dict[str, Reason]:
    return dict.fromkeys(names, reason)


_PER_HOST: Reason = ("is each host's own", "remove it; it follows from hosts")
_PKI: Reason = ("belongs to the certificates that this stack makes and renews", "remove it; use cluster.pki")
_ETCD: Reason = ("would point an apiserver away from its own etcd member", "remove it; it follows from hosts")
_FIXED_PORT: Reason = ("would move what probes, health gates and the load balancer ask", "remove it")
_NETWORK: Reason = ("would differ from what others use", "remove it; set cluster.podCidr or cluster.serviceCidr")
_LOCAL: Reason = ("would lead away from the host's own apiserver", "remove it")
_NO_FILE: Reason = ("names a file that nothing puts on the hosts", "remove it; use the program's own flags")
OUT_OF_SIGHT = "is outside of what its pod mounts of the host"
_PKI_FOLDER = "/etc/kubernetes/pki"
_MEMBER: Reason = ("decides how a member forms or joins the cluster, which happens once", "remove it")
_LEADER = Condition(_is_true, "would run several leaders at once", "leave it true")
_BIND = Condition(_has_loopback, "would not answer at 127.0.0.1, where its probes ask", "use 127.0.0.1 or 0.0.0.0")

API_SERVER = Flags(
    owned={
        **_owned(_PER_HOST, "advertise-address", "bind-address", "etcd-servers-overrides"),
        **_owned(_ETCD, "etcd-servers"),
        **_owned(_FIXED_PORT, "secure-port"),
        **_owned(_PKI, "client-ca-file", "cert-dir"),
        **_owned(_PKI, "etcd-cafile", "etcd-certfile", "etcd-keyfile"),
        **_owned(_PKI, "service-account-key-file", "service-account-signing-key-file"),
        **_owned(_PKI, "service-account-signing-endpoint"),
        "service-account-issuer": ("is whom tokens in use name: no apiserver would take them any more", "remove it"),
        **_owned(_NETWORK, "service-cluster-ip-range"),
        "etcd-prefix": ("would hide every object that the cluster holds", "remove it"),
        "authorization-config": ("would take the place of authorization-mode", "remove it; use authorization-mode"),
    },
    owned_prefixes={
        **_owned(_PKI, "tls-cert", "tls-private", "tls-sni", "requestheader-"),
        **_owned(_PKI, "kubelet-client-", "kubelet-certificate", "proxy-client-"),
    },
    conditions={
        "authorization-mode": Condition(
            _includes("Node", "RBAC"), "leaves out Node or RBAC, which nodes and add-ons rely on", "include Node,RBAC"
        ),
        "enable-admission-plugins": Condition(
            _includes("NodeRestriction"), "leaves out NodeRestriction: a node could act for others", "include it"
        ),
        "disable-admission-plugins": Condition(
            _excludes("NodeRestriction"), "turns off NodeRestriction: a node could act for others", "leave it on"
        ),
        "anonymous-auth": Condition(
            _is_true,
            "would hide /readyz from the load balancer, which then takes every apiserver for down",
            "leave it true; RBAC decides what anonymous callers may see",
        ),
        "shutdown-delay-duration": Condition(
            _is_fit_delay,
            "is too short for the load balancer to see this apiserver about to stop, or too long to end in time",
            f"use {SHORTEST_SHUTDOWN_DELAY} to {LONGEST_SHUTDOWN_DELAY}",
        ),
        "shutdown-send-retry-after": Condition(
            _is_true, "would let the apiserver hang until it is killed when it stops", "leave it true"
        ),
        "enable-bootstrap-token-auth": Condition(_is_true, "would keep new nodes from joining", "leave it true"),
        "allow-privileged": Condition(_is_true, "would keep kube-proxy and the CNI from running", "leave it true"),
        "audit-log-path": Condition(
            _is_standard_out, "would be lost with the container, which mounts no folder for it", "use -, the pod's log"
        ),
    },
    sees=("/etc/ssl/certs", _PKI_FOLDER),
)
CONTROLLER_MANAGER = Flags(
    owned={
        **_owned(_LOCAL, "kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig", "master"),
        **_owned(_FIXED_PORT, "secure-port"),
        **_owned(_PKI, "client-ca-file", "root-ca-file", "service-account-private-key-file", "cert-dir"),
        **_owned(_NETWORK, "cluster-cidr", "service-cluster-ip-range", "allocate-node-cidrs"),
    },
    owned_prefixes={
        **_owned(_PKI, "tls-cert", "tls-private", "requestheader-"),
        **_owned(_PKI, "cluster-signing-cert", "cluster-signing-k", "cluster-signing-legacy-"),
    },
    conditions={
        "leader-elect": _LEADER,
        "bind-address": _BIND,
        "use-service-account-credentials": Condition(
            _is_true, "would give every controller all rights", "leave it true"
        ),
        "controllers": Condition(
            _includes("*", "bootstrapsigner", "tokencleaner"),
            "leaves out controllers that joining nodes need",
            "include *,bootstrapsigner,tokencleaner and take others away like -ttl",
        ),
        NODE_MASK_FLAG: Condition(
            _is_node_mask,
            "is not a size of a node's subnet",
            f"use a number from {SMALLEST_NODE_MASK} to {LARGEST_NODE_MASK}",
        ),
    },
    sees=("/etc/ssl/certs", _PKI_FOLDER),
)
SCHEDULER = Flags(
    owned={
        **_owned(_LOCAL, "kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig", "master"),
        **_owned(_FIXED_PORT, "secure-port"),
        **_owned(_NO_FILE, "config"),
        **_owned(_PKI, "client-ca-file", "cert-dir"),
    },
    owned_prefixes={**_owned(_PKI, "tls-cert", "tls-private", "requestheader-")},
    conditions={"leader-elect": _LEADER, "bind-address": _BIND},
)
ETCD = Flags(
    owned={
        **_owned(_PER_HOST, "name"),
        **_owned(_MEMBER, "data-dir", "wal-dir", "force-new-cluster"),
        **_owned(_PKI, "cert-file", "key-file", "trusted-ca-file", "client-cert-auth", "auto-tls"),
        **_owned(_NO_FILE, "config-file"),
    },
    owned_prefixes={
        **_owned(_PER_HOST, "listen-", "advertise-"),
        **_owned(_MEMBER, "initial-", "discovery"),
        **_owned(_PKI, "peer-"),
    },
    conditions={
        "feature-gates": Condition(
            _includes("InitialCorruptCheck=true"),
            "leaves out the check for damaged data at the start",
            "include InitialCorruptCheck=true",
        ),
    },
    sees=(f"{_PKI_FOLDER}/etcd", "/var/lib/etcd"),
)
# By its name, as Kubernetes' programs and etcd name theirs: a value may begin with / and be no path, like a list of
# the API's own paths, or a regular expression.
_FILE_FLAG = re.compile(
    r"(.*-)?((ca|cert|key)?file|filepath-[a-z]+|cert|certificate|certificate-authority|key|cert-key|(kube)?config|dir"
    r"|path|manifest)|service-account-signing-endpoint|write-config-to|log-outputs"
)

Path = tuple[str, ...]
_CRI_RUNTIME, _CRI_IMAGES = ("plugins", "io.containerd.cri.v1.runtime"), ("plugins", "io.containerd.cri.v1.images")
_RUNC = (*_CRI_RUNTIME, "containerd", "runtimes", "runc", "options")
_KIND: Reason = ("is set by what renders this file", "remove it")
_KUBELET_AUTH: Reason = ("decides who may command the kubelet: its apiserver, and nobody else", "remove it")

KUBELET: Mapping[Path, Reason] = {
    ("apiVersion",): _KIND,
    ("kind",): _KIND,
    ("staticPodPath",): ("is where the control plane's manifests lie", "remove it"),
    ("staticPodURL",): ("would run pods that this stack knows nothing of", "remove it"),
    ("authentication", "anonymous"): _KUBELET_AUTH,
    ("authentication", "x509"): _KUBELET_AUTH,
    ("authentication", "webhook", "enabled"): _KUBELET_AUTH,
    ("authorization", "mode"): _KUBELET_AUTH,
    ("enableServer",): ("would cut off logs, exec and metrics", "remove it"),
    ("rotateCertificates",): _PKI,
    ("serverTLSBootstrap",): _PKI,
    ("tlsCertFile",): _PKI,
    ("tlsPrivateKeyFile",): _PKI,
    ("port",): _FIXED_PORT,
    ("healthzPort",): _FIXED_PORT,
    ("healthzBindAddress",): _FIXED_PORT,
    ("clusterDNS",): ("follows from the service CIDR", "remove it; set cluster.serviceCidr"),
    ("clusterDomain",): ("follows from the cluster's domain", "remove it; set cluster.domain"),
    ("containerRuntimeEndpoint",): ("is containerd's own socket", "remove it"),
    ("podCIDR",): _NETWORK,
    ("registerNode",): ("would leave a host that never becomes a node", "remove it; take the host's role away"),
}
KUBE_PROXY: Mapping[Path, Reason] = {
    ("apiVersion",): _KIND,
    ("kind",): _KIND,
    ("clientConnection", "kubeconfig"): ("would lead away from the load balancer", "remove it"),
    ("clusterCIDR",): _NETWORK,
    ("hostnameOverride",): _PER_HOST,
}
CONTAINERD: Mapping[Path, Reason] = {
    ("version",): _KIND,
    ("root",): ("is where the hosts' images already lie", "remove it"),
    ("state",): ("is where the hosts' containers already lie", "remove it"),
    ("grpc", "address"): ("is the socket that the kubelet uses", "remove it"),
    (*_CRI_IMAGES, "registry"): ("would lead away from the release's mirror", "remove it; set release.mirror"),
    (*_CRI_IMAGES, "pinned_images", "sandbox"): ("belongs to the release", "remove it; choose another release"),
    (*_CRI_RUNTIME, "cni", "bin_dir"): ("is where the release's CNI plugins lie", "remove it"),
    (*_CRI_RUNTIME, "cni", "bin_dirs"): ("is where the release's CNI plugins lie", "remove it"),
    (*_CRI_RUNTIME, "cni", "conf_dir"): ("is where the CNI leaves its configuration", "remove it"),
    (*_RUNC, "SystemdCgroup"): (
        "must agree with the kubelet, so it follows it",
        "remove it; set cluster.kubelet.config.cgroupDriver",
    ),
}


def arguments_keep_promises(draft: Draft) -> Iterator[Fault]:
    """No flag of the user's takes the place of one that a promise rests on."""
    cluster = draft.cluster
    if cluster is None:
        return
    yield from _arguments("apiServer", cluster.api_server.extra_args, API_SERVER)
    yield from _arguments("controllerManager", cluster.controller_manager.extra_args, CONTROLLER_MANAGER)
    yield from _arguments("scheduler", cluster.scheduler.extra_args, SCHEDULER)
    yield from _arguments("etcd", cluster.etcd.extra_args, ETCD)


def names_file(flag: str, value: str) -> bool:
    """Whether a flag names a file or a folder of the host that the program runs on."""
    return value.startswith("/") and _FILE_FLAG.fullmatch(flag) is not None


def configuration_keeps_promises(draft: Draft) -> Iterator[Fault]:
    """No field of the user's takes the place of one that a promise rests on."""
    owned = {"kubelet": KUBELET, "kubeProxy": KUBE_PROXY, "containerd": CONTAINERD}
    for place, program, config in draft.trees():
        yield from _fields(place, config, owned[program])


def _arguments(program: str, arguments: Mapping[str, str], flags: Flags) -> Iterator[Fault]:
    for flag, value in arguments.items():
        path = ("cluster", program, "extraArgs", flag)
        begins = next((prefix for prefix in flags.owned_prefixes if flag.startswith(prefix)), None)
        reason = flags.owned.get(flag) or (flags.owned_prefixes[begins] if begins else None)
        condition = flags.conditions.get(flag)
        if reason:
            yield fault(path, value, *reason)
        elif condition and not condition.holds(value):
            yield fault(path, value, condition.what, condition.remedy)
        elif names_file(flag, value) and not _is_seen(value, flags.sees):
            folders = " or ".join(flags.sees)
            remedy = f"put the file below {folders} on every master and name that, or remove it"
            yield fault(path, value, OUT_OF_SIGHT, remedy if folders else "remove it; use the program's own flags")


def _is_seen(path: str, folders: tuple[str, ...]) -> bool:
    return any(f"{posixpath.normpath(path)}/".startswith(f"{folder}/") for folder in folders)


def _fields(place: Path, config: Tree, owned: Mapping[Path, Reason]) -> Iterator[Fault]:
    for path, reason in owned.items():
        found, value = _look_up(config, path)
        if found:
            yield fault((*place, *path), value, *reason)


def _look_up(config: Tree, path: Path) -> tuple[bool, object]:
    """Whether the user's tree sets the path, or replaces a whole mapping above it by something else."""
    at: object = config
    for part in path:
        if not isinstance(at, dict):
            return True, at
        if part not in at:
            return False, None
        at = at[part]
    return True, at
