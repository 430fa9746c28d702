"""Reads release files and locks, and resolves them into what a program needs: ``Release``.

Owns: finding and reading the files, that a lock belongs to its release, and mapping addresses onto a mirror.
Does not own: the form of the files (``releases.schema``) or writing a lock (``ops.lock``).
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ValidationError

from releases.schema import IMAGES, LockFile, Mirror, ReleaseFile, Versions

FOLDER = Path(__file__).parent
FileModel = TypeVar("FileModel", bound=BaseModel)


class ReleaseError(Exception):
    """A release or its lock cannot be used: what is wrong, and the remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what}; {remedy}")


@dataclass(frozen=True)
class Artifact:
    """One file to fetch: from where, and what it must hash to."""

    name: str
    url: str
    sha256: str


@dataclass(frozen=True)
class Release:
    """A release together with its lock and, where one is used, a mirror."""

    file: ReleaseFile
    lock: LockFile
    mirror: Mirror | None = None

    @property
    def name(self) -> str:
        """The release's own name, such as ``2026.11``."""
        return self.file.name

    @property
    def versions(self) -> Versions:
        """What runs in this release."""
        return self.file.versions

    @property
    def digest(self) -> str:
        """The same for all stacks whose locks hold the same checksums, wherever each fetches from."""
        return lock_digest(self.lock)

    def architectures(self) -> list[str]:
        """The architectures whose artifacts are all locked."""
        return locked_architectures(self.file, self.lock)

    def artifact(self, name: str, architecture: str) -> Artifact:
        """An artifact for one architecture, from the mirror where there is one."""
        known = self.file.artifacts
        if name not in known:
            raise ReleaseError(f"release {self.name} has no artifact {name}", f"choose one of {', '.join(known)}")
        sha256 = {str(locked): value for locked, value in self.lock.artifacts.get(name, {}).items()}.get(architecture)
        if sha256 is None:
            what = f"release {self.name}: the lock has no sha256 of {name} for {architecture}"
            raise ReleaseError(what, relock(self.name, self.mirror, architecture=architecture))
        url = self.file.artifact(name, architecture).url
        return Artifact(name, mirrored(url, self.mirror), sha256)

    def image(self, name: str) -> str:
        """An image under its official name, pinned by digest."""
        known = self.file.images
        if name not in known:
            raise ReleaseError(f"release {self.name} has no image {name}", f"choose one of {', '.join(known)}")
        if name not in self.lock.images:
            what = f"release {self.name}: the lock has no digest of image {name}"
            first = f"put {self.file.image(name)} on the mirror, and " if self.mirror else ""
            raise ReleaseError(what, first + relock(self.name, self.mirror))
        return f"{self.file.image(name)}@{self.lock.images[name]}"

    def image_mirrors(self) -> dict[str, str | None]:
        """For each registry that the cluster's images come from, the mirror's address, or None without a mirror.

        At a mirror the repository is named after the official registry: ``MIRROR/registry.k8s.io/kube-apiserver``.
        """
        registries = sorted({self.file.image(name).registry for name in IMAGES})
        return dict.fromkeys(registries, self.mirror.images if self.mirror else None)


def known_releases(folder: Path = FOLDER) -> list[str]:
    """The names of all releases that there are files of."""
    return sorted(path.stem for path in folder.glob("*.yaml") if not path.name.endswith(".lock.yaml"))


def release_path(name: str, folder: Path = FOLDER) -> Path:
    """Where the release's file lies."""
    return folder / f"{name}.yaml"


def lock_path(name: str, folder: Path = FOLDER) -> Path:
    """Where the release's lock lies unless the stack says otherwise."""
    return folder / f"{name}.lock.yaml"


def read_release(name: str, folder: Path = FOLDER) -> ReleaseFile:
    """The release of that name."""
    known = known_releases(folder)
    if name not in known:
        raise ReleaseError("is not a release that there is", f"choose one of {', '.join(known)}")
    file = _read(release_path(name, folder), ReleaseFile)
    if file.name != name:
        raise ReleaseError(f"is named {file.name} in its own file", f"name the file {file.name}.yaml")
    return file


def release_digest(name: str, folder: Path = FOLDER) -> str:
    """The sha256 of the release's file, by which its lock belongs to it."""
    return hashlib.sha256(release_path(name, folder).read_bytes()).hexdigest()


def read_lock(path: Path, name: str, folder: Path = FOLDER, remedy: str | None = None) -> LockFile:
    """The lock at ``path``, which must have been written from release ``name`` as that is now."""
    remedy = remedy or relock(name)
    if not path.is_file():
        raise ReleaseError("does not exist", remedy)
    lock = _read(path, LockFile)
    if lock.release != name:
        raise ReleaseError(f"is the lock of release {lock.release}, not of {name}", remedy)
    if lock.release_sha256 != release_digest(name, folder):
        raise ReleaseError(f"was written before releases/{name}.yaml changed", remedy)
    return lock


def lock_digest(lock: LockFile) -> str:
    """A digest of what a lock says that the release is."""
    locked = json.dumps(lock.model_dump(mode="json", exclude={"source"}), sort_keys=True)
    return hashlib.sha256(locked.encode()).hexdigest()


def locked_architectures(file: ReleaseFile, lock: LockFile) -> list[str]:
    """The architectures for which the lock holds every artifact's sha256."""
    return [
        architecture
        for architecture in file.architectures
        if all(architecture in lock.artifacts.get(name, {}) for name in file.artifacts)
    ]


def missing_from_lock(file: ReleaseFile, lock: LockFile, needed: Collection[str] = IMAGES) -> list[str]:
    """What the lock lacks, in words, to be usable for any architecture that it names and for the needed images."""
    started = {architecture for locked in lock.artifacts.values() for architecture in locked}
    wanted = [architecture for architecture in file.architectures if architecture in started]
    artifacts = [
        f"the sha256 of {name} for {architecture}"
        for name in file.artifacts
        for architecture in wanted
        if architecture not in lock.artifacts.get(name, {})
    ]
    images = [f"the digest of image {name}" for name in needed if name not in lock.images]
    return artifacts + images + ([] if wanted else ["every artifact's sha256"])


def mirrored(url: str, mirror: Mirror | None) -> str:
    """The address at the mirror of what its publisher serves at ``url``: host and path follow the mirror's own."""
    if mirror is None:
        return url
    parts = urlsplit(url)
    return f"{mirror.artifacts.rstrip('/')}/{parts.netloc}{parts.path}"


def relock(name: str, mirror: Mirror | None = None, output: str | None = None, architecture: str | None = None) -> str:
    """The remedy for a lock that does not serve."""
    options = [f"--mirror-artifacts {mirror.artifacts}", f"--mirror-images {mirror.images}"] if mirror else []
    options += [f"--arch {architecture}"] if architecture else []
    options += [f"--output {output}"] if output else []
    return f"write it with `{' '.join(['python -m ops lock', name, *options])}`"


def _read(path: Path, model: type[FileModel]) -> FileModel:
    remedy = f"correct {path.name}, or restore it from version control"
    try:
        return model.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise ReleaseError(f"cannot be read ({error.strerror})", f"make {path} readable") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ReleaseError(f"is not YAML ({' '.join(str(error).split())})", remedy) from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()]
        raise ReleaseError(f"is malformed ({'; '.join(faults)})", remedy) from error
