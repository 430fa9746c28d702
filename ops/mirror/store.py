"""The storage of a registry on a file system, as distribution lays it out, without a registry that runs.

Owns the layout: a blob once, whoever refers to it, and small files that say which repository has what under which tag.
Does not own what an image consists of (``ops.mirror.image``), or serving it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ops import files
from releases import ImageReference

FOLDER = "docker/registry/v2"


@dataclass(frozen=True)
class Store:
    """A registry's storage; ``folder`` is what its configuration calls ``rootdirectory``."""

    folder: Path

    def blob(self, digest: str) -> Path:
        """Where the content lies that has this digest, manifests included."""
        algorithm, value = digest.split(":")
        return self.folder / FOLDER / "blobs" / algorithm / value[:2] / value / "data"

    def link(self, image: ImageReference, digest: str, manifests: Iterable[str], blobs: Iterable[str]) -> None:
        """Lets the image be pulled, once all of it is there; the tag comes last."""
        for path, target in self._links(image, digest, manifests, blobs):
            if not _says(path, target):
                files.put(path, target.encode())

    def unlinked(
        self, image: ImageReference, digest: str, manifests: Iterable[str], blobs: Iterable[str]
    ) -> list[Path]:
        """What keeps a registry from serving the image though its content is there."""
        return [path for path, target in self._links(image, digest, manifests, blobs) if not _says(path, target)]

    def _links(
        self, image: ImageReference, digest: str, manifests: Iterable[str], blobs: Iterable[str]
    ) -> Iterator[tuple[Path, str]]:
        held, described = [*blobs], [*manifests]
        for repository in repositories(image):
            own = self.folder / FOLDER / "repositories" / repository
            tag = own / "_manifests" / "tags" / image.tag
            for blob in held:
                yield own / "_layers" / blob.replace(":", "/") / "link", blob
            for manifest in described:
                yield own / "_manifests" / "revisions" / manifest.replace(":", "/") / "link", manifest
            yield tag / "index" / digest.replace(":", "/") / "link", digest
            yield tag / "current" / "link", digest


def repositories(image: ImageReference) -> list[str]:
    """The names under which a mirror has the image: the registry's name is part of it.

    Docker asks its mirrors for what is on Docker Hub without that name, so such images are there under both.
    """
    named = f"{image.registry}/{image.repository}"
    return [named, image.repository] if image.registry == "docker.io" else [named]


def _says(path: Path, target: str) -> bool:
    return path.is_file() and path.read_text() == target
