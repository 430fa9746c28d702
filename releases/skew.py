"""Which versions go together, and which may follow on those that run, so that what cannot work changes no host.

Owns: the tables of what upstream supports, and the rules over them. Does not own: what runs, nor whether Harbor may
follow on another Harbor, which only the hubs can tell.
"""

import re
from collections.abc import Iterator, Mapping

from releases.schema import Versions

Line = tuple[int, int]
Fault = tuple[str, str]  # what does not go together, and the remedy

OLDEST_KUBELET = 3  # minor versions that a kubelet may lag behind its apiserver (Kubernetes' version skew policy)
# For each Kubernetes minor version, the oldest patch of each containerd line that upstream recommends for it. Lines
# newer than the last are taken to serve.
CONTAINERD: Mapping[Line, Mapping[Line, int]] = {
    (1, 33): {(1, 6): 36, (1, 7): 24, (2, 0): 4, (2, 1): 0},
    (1, 34): {(1, 6): 39, (1, 7): 28, (2, 0): 6, (2, 1): 3},
    (1, 35): {(1, 7): 28, (2, 1): 5, (2, 2): 0},
    (1, 36): {(2, 2): 0, (2, 3): 0},
}
# For each Kubernetes minor version, the oldest patch of each etcd line. kubeadm 1.34 to 1.36 run 3.6. 1.33 runs 3.5, of
# which only a member from 3.5.32 on lets one of 3.6 follow (etcd.io: upgrading from 3.5 to 3.6).
ETCD: Mapping[Line, Mapping[Line, int]] = {
    (1, 33): {(3, 5): 32},
    (1, 34): {(3, 6): 0},
    (1, 35): {(3, 6): 0},
    (1, 36): {(3, 6): 0},
}

BACK = "restore the backup from before it instead (docs/recover.md)"
# The Harbor lines whose files Evenkeel renders.
HARBOR: tuple[Line, ...] = ((2, 14), (2, 15))


def faults(versions: Versions) -> Iterator[Fault]:
    """Everything in a release that does not go together."""
    kubernetes = _line(versions.kubernetes)
    if kubernetes not in CONTAINERD:
        known = ", ".join(text(line) for line in CONTAINERD)
        yield (
            f"its kubernetes {versions.kubernetes} is not known here",
            f"use one of {known}, or add what goes with {text(kubernetes)} to releases/skew.py",
        )
        return
    yield from _kubelet(versions)
    if not _serves(versions.containerd, CONTAINERD[kubernetes], newer=True):
        yield _fault("containerd", versions.containerd, versions, CONTAINERD[kubernetes])
    if not _serves(versions.etcd, ETCD[kubernetes], newer=False):
        yield _fault("etcd", versions.etcd, versions, ETCD[kubernetes])


def harbor_faults(versions: Versions) -> Iterator[Fault]:
    """Whether Harbor's files are known for this version. Asked only where there are hubs."""
    if _line(versions.harbor) not in HARBOR:
        known = ", ".join(text(line) for line in HARBOR)
        yield f"its harbor {versions.harbor} is not known here", f"use one of {known}"


def step_faults(now: Versions, then: Versions) -> Iterator[Fault]:
    """Everything that keeps a release from following on the one that runs, forwards or back."""
    allowed = may_become(then)
    for name, program in {"kubernetes": "kube-apiserver", "etcd": "etcd"}.items():
        was, will = _line(getattr(now, name)), _line(getattr(then, name))
        step = f"{name} {getattr(now, name)} to {getattr(then, name)}"
        if will < was:
            yield f"{step}: an older minor version does not read what a newer one has stored", BACK
        elif was not in allowed[program]:
            yield f"{step}: leaves out a minor version", f"promote a release with {name} {was[0]}.{was[1] + 1} first"
    if _line(now.kubelet) < min(allowed["kubelet"]):
        what = f"kubelet {now.kubelet} is too old for kube-apiserver {then.kubernetes}, which is there before it"
        yield what, f"bring the kubelets to {text(min(allowed['kubelet']))} or newer first"


def may_become(versions: Versions) -> dict[str, list[Line]]:
    """For each program that keeps to an order of versions, the minor ones that a release may find running."""
    (major, minor), (etcd_major, etcd_minor) = _line(versions.kubernetes), _line(versions.etcd)
    return {
        "kube-apiserver": [(major, minor - 1), (major, minor)],
        "etcd": [(etcd_major, etcd_minor - 1), (etcd_major, etcd_minor)],
        # The control plane becomes newer before it.
        "kubelet": [(major, minor - behind) for behind in range(OLDEST_KUBELET, -1, -1)],
    }


def older(now: Versions, then: Versions) -> list[str]:
    """What would be older than what runs."""
    pairs = {name: (getattr(now, name), getattr(then, name)) for name in type(now).model_fields}
    return [f"{name} {was} to {will}" for name, (was, will) in pairs.items() if _parts(will) < _parts(was)]


def _kubelet(versions: Versions) -> Iterator[Fault]:
    if _numbers(versions.kubelet) > _numbers(versions.kubernetes):
        yield (
            f"its kubelet {versions.kubelet} is newer than its kube-apiserver {versions.kubernetes}",
            "leave versions.kubelet out, so that it follows versions.kubernetes",
        )
    (major, minor), (its_major, its_minor) = _line(versions.kubernetes), _line(versions.kubelet)
    if its_major != major or minor - its_minor > OLDEST_KUBELET:
        yield (
            f"its kubelet {versions.kubelet} is too old for kube-apiserver {versions.kubernetes}",
            f"use {major}.{minor - OLDEST_KUBELET} or newer",
        )


def _serves(version: str, oldest: Mapping[Line, int], newer: bool) -> bool:
    line = _line(version)
    if line in oldest:
        return _numbers(version)[2] >= oldest[line]
    return newer and line > max(oldest)


def _fault(what: str, version: str, versions: Versions, oldest: Mapping[Line, int]) -> Fault:
    choices = ", ".join(f"{text(line)}.{patch}+" for line, patch in oldest.items())
    return f"its {what} {version} does not go with kubernetes {versions.kubernetes}", f"use {choices}"


def _numbers(version: str) -> tuple[int, int, int]:
    major, minor, patch, *_ = [int(part) for part in version.split("-")[0].split(".")] + [0]
    return major, minor, patch


def _parts(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _line(version: str) -> Line:
    return _numbers(version)[:2]


def text(line: Line) -> str:
    """Such as ``1.36``."""
    return f"{line[0]}.{line[1]}"
