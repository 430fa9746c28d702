"""A static pod's manifest as kubeadm writes it: its flags, and what somebody has changed by hand beside them.

Does not own which flags a stack may carry (``settings.rules.promises``).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from render.static_pods import ETCD_DATA, PKI
from settings.fields import Tree

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

# kubeadm's own, from phases/controlplane/{manifests,volumes}.go and phases/etcd/local.go.
_AUTHORITIES_OF_THE_SYSTEM = (
    *("/etc/ssl/certs", "/etc/pki", "/etc/pki/ca-trust", "/etc/pki/tls/certs", "/etc/ca-certificates"),
    *("/usr/share/ca-certificates", "/usr/local/share/ca-certificates"),
)
_MOUNTED = {
    *_AUTHORITIES_OF_THE_SYSTEM,
    *(PKI, f"{PKI}/etcd", ETCD_DATA, "/etc/kubernetes/controller-manager.conf", "/etc/kubernetes/scheduler.conf"),
    "/usr/libexec/kubernetes/kubelet-plugins/volume/exec",
}
_POD: Mapping[str, Any] = {
    "hostNetwork": True,
    "priority": 2000001000,
    "priorityClassName": "system-node-critical",
    "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
}
_REQUESTS = {
    "etcd": {"cpu": "100m", "memory": "100Mi"},
    "kube-apiserver": {"cpu": "250m"},
    "kube-controller-manager": {"cpu": "200m"},
    "kube-scheduler": {"cpu": "100m"},
}
_SPEC = {*_POD, "containers", "volumes"}
_OWN_WAY = {"livenessProbe", "readinessProbe", "startupProbe", "ports"}  # differ between kubeadm's versions
_CONTAINER = {*_OWN_WAY, "name", "image", "imagePullPolicy", "command", "resources", "volumeMounts"}


@dataclass(frozen=True)
class Edit:
    """Something in a manifest that kubeadm does not write: where, and what stands there."""

    program: str
    path: str
    value: object


def flags(pod: Tree) -> dict[str, str]:
    """The program's flags; one without a value is ``true``. Of a flag given twice, the last."""
    return dict(_words(pod))


def repeated(pod: Tree) -> list[str]:
    """Flags that are given more than once, which extraArgs cannot say."""
    counted = Counter(name for name, _ in _words(pod))
    return [name for name, times in counted.items() if times > 1]


def edits(program: str, pod: Tree) -> Iterator[Edit]:
    """What was changed beside the flags."""
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    found = [*_surplus("spec", spec, _SPEC), *_surplus("container", container, _CONTAINER)]
    found += [(f"spec.{name}", spec[name]) for name, usual in _POD.items() if spec.get(name, usual) != usual]
    found += [("spec.containers", other.get("name")) for other in spec["containers"][1:]]
    found += [("spec.volumes", volume) for volume in spec.get("volumes", []) if not _is_mounted(volume)]
    if container.get("resources", {}) not in ({}, {"requests": _REQUESTS[program]}):
        found.append(("container.resources", container["resources"]))
    found += [("container.command", word) for word in _strange_words(program, container)]
    for path, value in found:
        yield Edit(program, path, value)


def _words(pod: Tree) -> Iterator[tuple[str, str]]:
    for word in pod["spec"]["containers"][0].get("command", [])[1:]:
        name, given, value = word.removeprefix("--").partition("=")
        yield name, value if given else "true"


def _surplus(place: str, tree: Tree, known: set[str]) -> Iterator[tuple[str, object]]:
    for name, value in tree.items():
        if name not in known:
            yield f"{place}.{name}", value


def _is_mounted(volume: Tree) -> bool:
    return volume.get("hostPath", {}).get("path") in _MOUNTED


def _strange_words(program: str, container: Tree) -> Iterator[object]:
    words = [*container.get("command", [None]), *container.get("args", [])]
    for position, word in enumerate(words):
        if word != program if position == 0 else not str(word).startswith("--"):
            yield word
