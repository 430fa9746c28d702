"""Packs the toolchain's programs into the archives that the publishers offer, under the publishers' addresses.

Owns: the inside of each archive, as upstream's. Does not own: addresses and versions (the release's).
"""

import hashlib
import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from lab import toolchain
from lab.errors import LabError
from lab.mirror.layer import Tree
from releases import ReleaseFile


def write(release: ReleaseFile, architecture: str, folder: Path) -> None:
    """Writes every artifact of a release to ``folder``/HOST/PATH, with its sha256 beside it."""
    for name in release.artifacts:
        parts = urlsplit(release.artifact(name, architecture).url)
        target = folder / parts.netloc / parts.path.lstrip("/")
        if target.exists():
            continue  # another release has the same
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_one(name, architecture, release, target)
        with target.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        target.with_name(f"{target.name}.sha256").write_text(f"{digest}  {target.name}\n")


def _write_one(name: str, architecture: str, release: ReleaseFile, target: Path) -> None:
    match name:
        case "kubelet" | "kubectl":
            _link(toolchain.binary(_group("kubernetes", release), name), target)
        case "runc":
            _link(toolchain.binary("runc", "runc"), target)
        case "containerd":
            _tree("containerd", "bin/").write_gzip(target)
        case "cni-plugins":
            _tree("cni", "").write_gzip(target)
        case "flannel-cni":
            program = toolchain.binary("cni-flannel", "flannel")
            Tree(files={f"flannel-{architecture}": program}).write_gzip(target)
        case "etcd":
            _tree(_group("etcd", release), f"etcd-v{release.versions.etcd}-linux-{architecture}/").write_gzip(target)
        case _:
            raise LabError(f"release {release.name}: the lab's mirror does not know how to pack artifact {name!r}")


def _group(name: str, release: ReleaseFile) -> str:
    return toolchain.of_version(name, release.versions.placeholders())


def _tree(group: str, prefix: str) -> Tree:
    names = toolchain.groups()[group].binaries
    return Tree(files={f"{prefix}{name}": toolchain.binary(group, name) for name in names})


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)  # the cache may lie on several file systems
