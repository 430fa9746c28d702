"""What stands in the way of adopting a cluster, each with what to do about it, said before anything changes.

Owns these rules. Does not own those of a stack's settings (``settings.rules``), which are asked as well, nor those of
the hosts (scripts/preflight.sh), which an `up` asks.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ops.adopt.cluster import ACCOUNTS, AUTHORITIES, KEYS, Cluster
from ops.adopt.manifest import PROGRAMS, edits, flags, repeated
from releases import Release
from render.static_pods import PKI
from settings import draft, rules
from settings.errors import Fault, key
from settings.fields import Tree
from settings.merge import merged
from settings.rules import promises

OLDEST = (1, 33)
OLDEST_ETCD = (3, 5, 32)  # every member must be this far before any becomes 3.6
CLOCK_SECONDS = 5
LEASE_SECONDS = 60
SNAPSHOTS = 3  # one beside the data, and room for what comes meanwhile

# What data, tokens or clients depend on: a stack that gives another value would not find them again.
_DECIDED = {
    "kube-apiserver": ("secure-port", "service-account-issuer", "etcd-prefix"),
    "etcd": ("data-dir", "wal-dir"),
}
_OF_EACH_MASTER = {
    *("advertise-address", "etcd-servers", "name", "advertise-client-urls", "listen-client-urls", "listen-peer-urls"),
    *("initial-advertise-peer-urls", "initial-cluster", "initial-cluster-state"),
}
_FOLDERS = ("sysconfig", "default")  # where Red Hat's and Debian's packages of the kubelet read its user's flags
# What has to be done before a flag can go.
_BEFORE = {
    "encryption-provider-config": "write everything that it encrypts anew with `identity: {}` as its first provider "
    "(kubernetes.io: decrypt all data), as nothing can read that without it, and then ",
}
# Flags of the kubelet that kubeadm writes, or that nodes keep by themselves once registered.
_KUBELET_FLAGS = {
    *("container-runtime-endpoint", "pod-infra-container-image", "hostname-override", "node-ip"),
    *("register-with-taints", "node-labels", "config", "kubeconfig", "bootstrap-kubeconfig"),
}


@dataclass(frozen=True)
class Case:
    """A cluster and what a stack would make of it.

    ``usual``: the flags that the stack gives by itself; ``asked``: seconds since 1970, before and after it was read.
    """

    cluster: Cluster
    sections: Tree
    release: Release
    usual: Mapping[str, Mapping[str, str]]
    asked: tuple[float, float]


def of(case: Case) -> list[str]:
    """A line for each."""
    return [line for rule in RULES for line in rule(case)]


def _keys_are_here(case: Case) -> Iterator[str]:
    for name, path in KEYS.items():
        if path not in case.cluster.files:
            remedy = "copy it there for as long as the cluster grows (an external CA signs nothing by itself)"
            yield f"{path}: the key of {name} is not on this host; {remedy}"


def _keys_are_one_each(case: Case) -> Iterator[str]:
    """A stack begins with one of each: whoever lives by another would be trusted no more."""
    for path, what in {**dict.fromkeys(AUTHORITIES.values(), "CERTIFICATE"), ACCOUNTS: "PUBLIC KEY"}.items():
        count = case.cluster.files.get(path, "").count(f"{what}-----") // 2
        if count > 1:
            remedy = "end its rotation first: take out what nobody lives by any more, on every master"
            yield f"{path}: holds {count} of them, and a stack takes one over; {remedy}"


def _certificates_are_in_force(case: Case) -> Iterator[str]:
    now = datetime.now(UTC)
    for path, certificate in case.cluster.certificates.items():
        if certificate.not_valid_after_utc <= now:
            ended = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
            if path in AUTHORITIES.values():
                remedy = "replace the authority first (kubernetes.io: manual rotation of CA certificates)"
            else:
                remedy = "renew it first: kubeadm certs renew all, then move each manifest away and back"
            yield f"{path}: ended on {ended}; {remedy}"
        elif certificate.not_valid_before_utc > now:
            yield f"{path}: begins on {certificate.not_valid_before_utc:%Y-%m-%d} only; set the clocks of both machines"


def _versions_fit(case: Case) -> Iterator[str]:
    here, there = numbers(case.cluster.version), numbers(case.release.versions.kubernetes)
    if here[:2] < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield f"Kubernetes {case.cluster.version}: is too old; upgrade with kubeadm to {oldest} or newer first"
    what = f"Kubernetes {case.cluster.version}: release {case.release.name} has {case.release.versions.kubernetes}"
    if here > there:
        remedy = "name another --release: a copy of it in releases/ with a newer kubernetes, if need be"
        yield f"{what}, which is older; {remedy}"
    elif there[1] - here[1] > 1:
        fit = f"{there[0]}.{there[1] - 1} or {there[0]}.{there[1]}"
        remedy = f"upgrade with kubeadm to {fit} first, or name another --release"
        yield f"{what}, which is more than one minor version away; {remedy}"
    etcd, its = numbers(case.cluster.etcd.version), numbers(case.release.versions.etcd)
    if etcd > its or (its[:2] > (3, 5) and etcd < OLDEST_ETCD):
        oldest = ".".join(map(str, OLDEST_ETCD))
        what = f"etcd {case.cluster.etcd.version}: {case.release.versions.etcd} cannot follow on it"
        yield f"{what}; upgrade it to {oldest} or newer first, or name another --release"


def _etcd_is_well(case: Case) -> Iterator[str]:
    cluster = case.cluster
    if "external" in cluster.kubeadm.get("etcd", {}):
        yield "etcd: runs outside of the cluster; only one that kubeadm made on the masters can be adopted"
    if cluster.etcd.health:
        yield f"etcd: is not healthy ({cluster.etcd.health}); mend it first: its log is under /var/log/pods"
    names = sorted(member.name or "one that never started" for member in cluster.etcd.members)
    masters = sorted(node.name for node in cluster.masters())
    if names != masters:
        remedy = "remove members that are no master (etcdctl member remove), and masters that are no member"
        yield f"etcd: its members are {', '.join(names)}, and the masters {', '.join(masters)}; {remedy}"
    peers = flags(cluster.pods["etcd"]).get("listen-peer-urls", "")
    if f"//{cluster.node.address}:" not in peers and "//0.0.0.0:" not in peers:
        remedy = f"set --listen-peer-urls=https://{cluster.node.address}:2380 in its manifest (it restarts once)"
        yield f"etcd: listens for other members at {peers or 'localhost'} only; {remedy}"
    for member in cluster.etcd.members:
        if member.learner:
            yield f"etcd: {member.name} is a learner still; wait until it votes, or remove it"


def _nodes_are_well(case: Case) -> Iterator[str]:
    for node in case.cluster.nodes:
        if not node.ready:
            yield f"node {node.name}: is not ready; mend it, or take it away (kubectl delete node {node.name})"
        if not node.runtime.startswith("containerd://"):
            yield f"node {node.name}: its container runtime is {node.runtime}; move it to containerd first"


def _clocks_agree(case: Case) -> Iterator[str]:
    before, after = case.asked
    clock = case.cluster.clock
    if not before - CLOCK_SECONDS <= clock <= after + CLOCK_SECONDS:
        yield f"{case.cluster.node.name}: its clock is {abs(clock - before):.0f} s from this machine's; set both by NTP"
    for node, renewed in case.cluster.renewed.items():
        age = clock - datetime.fromisoformat(renewed).timestamp() if renewed else 0.0
        if abs(age) > LEASE_SECONDS:
            what = f"node {node}: said {age:.0f} s ago, by its own clock, that it is alive"
            yield f"{what}; set its clock by NTP, or start its kubelet"


def _disk_takes_a_snapshot(case: Case) -> Iterator[str]:
    wanted = SNAPSHOTS * case.cluster.etcd.size // 1024
    if case.cluster.free_kilobytes < wanted:
        free = f"/var/lib has {case.cluster.free_kilobytes // 1024} MB free"
        yield f"{case.cluster.node.name}: {free}, and a snapshot needs {wanted // 1024} MB; free some space there"


def _manifests_can_be_carried(case: Case) -> Iterator[str]:
    directory = case.cluster.kubeadm.get("certificatesDir", PKI)
    if directory != PKI:
        yield f"kubeadm-config: certificatesDir is {directory}; move the certificates to {PKI} first"
    for program in PROGRAMS:
        pod = case.cluster.pods[program]
        for edit in edits(program, pod):
            what = f"{program}: {edit.path}: {edit.value!r}: was put into the manifest, and nothing carries it"
            yield f"{what}; take it out there and in kubeadm-config first"
        for name in repeated(pod):
            yield f"{program}: --{name} is given more than once, which extraArgs cannot say; give it once"
        yield from _flags_can_be_carried(program, flags(pod), case.usual[program])


def _flags_can_be_carried(program: str, given: Mapping[str, str], usual: Mapping[str, str]) -> Iterator[str]:
    for name, value in given.items():
        if name in _DECIDED.get(program, ()) and usual.get(name) != value:
            yield f"{program}: --{name}={value}: cannot be another than {usual.get(name, 'none')}; change it first"
        elif promises.names_file(name, value) and usual.get(name) != value:
            what = f"{program}: --{name}={value}: names a file of this host, which nothing puts on others"
            yield f"{what}; {_BEFORE.get(name, '')}take the flag out first"


def _masters_are_alike(case: Case) -> Iterator[str]:
    """One master's manifests are read, and every master gets what they say."""
    here = case.cluster.node.name
    for (node, program), pod in case.cluster.pods_of_all.items():
        if node == here or program not in PROGRAMS:
            continue
        theirs, ours = flags(pod), flags(case.cluster.pods[program])
        for name in sorted({*theirs, *ours} - _OF_EACH_MASTER):
            if theirs.get(name) != ours.get(name):
                what = f"{node}: {program}: --{name} is {theirs.get(name, 'not given')}"
                yield f"{what}, and {here} has {ours.get(name, 'none')}; give both the same in their manifests"


def _kubelet_flags_can_be_carried(case: Case) -> Iterator[str]:
    _, _, words = case.cluster.kubelet_flags.partition("=")
    for word in shlex.split(words.strip().strip('"')):
        name, _, value = word.removeprefix("--").partition("=")
        if name not in _KUBELET_FLAGS:
            remedy = "move it into KUBELET_EXTRA_ARGS in /etc/default/kubelet, which is kept"
            yield f"kubelet: --{name}={value}: stands in kubeadm-flags.env, which is read no more; {remedy}"
    theirs, kept = (_extra_arguments(case.cluster.files.get(f"/etc/{folder}/kubelet", "")) for folder in _FOLDERS)
    if theirs not in ("", kept):
        what = f"kubelet: its flags ({theirs}) stand in /etc/sysconfig/kubelet, which is read no more"
        yield f"{what}; copy that file to /etc/default/kubelet, which is kept"


def _extra_arguments(text: str) -> str:
    return text.partition("KUBELET_EXTRA_ARGS=")[2].partition("\n")[0].strip(" \"'")


def _settings_take_it(case: Case) -> Iterator[str]:
    """What the stack's own rules say of what the cluster can tell; the rest is still the user's to write.

    A file that a flag names has been told of already.
    """
    theirs = [
        fault for fault in refused(case.sections) if fault.key.startswith("evenkeel:cluster.") or _is_tuned(fault)
    ]
    yield from dict.fromkeys(str(fault) for fault in theirs if fault.what != promises.OUT_OF_SIGHT)


def refused(sections: Tree) -> list[Fault]:
    """What the stack's own rules have against these sections."""
    read = draft.read(sections)
    return [*read.faults, *rules.refused(read)]


def _is_tuned(fault: Fault) -> bool:
    """Whether it is about a setting that a stack can do without: a flag, or a field of a program's configuration."""
    return ".extraArgs." in fault.key or ".config." in fault.key


def with_written(told: Tree, written: Tree) -> Tree:
    """What a look tells, under what the stack's file says already.

    A flag or field that the stack refuses is told by the first look alone: the user takes it out of the file.
    """
    if draft.ADOPTED in written:
        told = _without({fault.key for fault in refused(told) if _is_tuned(fault)}, (), told)
    return merged(told, written)


def _without(keys: set[str], place: tuple[str, ...], tree: Tree) -> Tree:
    left = {name: value for name, value in tree.items() if key(*place, name) not in keys}
    return {
        name: _without(keys, (*place, name), value) if isinstance(value, dict) else value
        for name, value in left.items()
    }


RULES: tuple[Callable[[Case], Iterator[str]], ...] = (
    _keys_are_here,
    _keys_are_one_each,
    _certificates_are_in_force,
    _versions_fit,
    _etcd_is_well,
    _nodes_are_well,
    _clocks_agree,
    _disk_takes_a_snapshot,
    _manifests_can_be_carried,
    _masters_are_alike,
    _kubelet_flags_can_be_carried,
    _settings_take_it,
)


def numbers(version: str) -> tuple[int, ...]:
    """A version for comparing."""
    return tuple(int(part) for part in version.split("-")[0].split("+")[0].split("."))
