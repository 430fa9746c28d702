"""What an image consists of: the manifest that its digest is of, those of its platforms, configurations and layers.

Owns reading manifests, and which platforms are taken. Does not own having them (``ops.mirror.download``) or where they
lie (``ops.mirror.store``).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops import images
from ops.fetch import FetchError
from ops.mirror.download import Obtain, Piece
from ops.mirror.store import Store
from releases import ImageReference, Mirror
from settings.fields import Tree

OS = "linux"
ELSEWHERE = ("foreign", "nondistributable")  # in a layer's media type


@dataclass(frozen=True)
class Wanted:
    """An image, pinned, and for which architectures it must be there.

    ``architectures`` empty: whatever it has for Linux, as for hubs, whose architecture is not the cluster's affair.
    """

    name: str
    reference: ImageReference
    digest: str
    architectures: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """An image whose manifests are there: all of their digests, and the pieces that they name."""

    wanted: Wanted
    manifests: tuple[str, ...]
    blobs: tuple[Piece, ...]

    @property
    def digests(self) -> list[str]:
        """Of its configurations and layers."""
        return [f"sha256:{piece.sha256}" for piece in self.blobs]


def read(wanted: Wanted, store: Store, source: Mirror | None, obtain: Obtain, whole: bool) -> Image:
    """Has the manifests, and reads from them what else there is; ``whole``: of every platform."""
    top = _manifest(wanted, wanted.digest, store, source, obtain)
    entries = top.get("manifests")
    if entries is None:
        return Image(wanted, (wanted.digest,), tuple(_blobs(wanted, top, store, source)))
    digests = [str(entry["digest"]) for entry in (entries if whole else _chosen(wanted, entries))]
    below = [_manifest(wanted, digest, store, source, obtain) for digest in digests]
    blobs = {piece.sha256: piece for manifest in below for piece in _blobs(wanted, manifest, store, source)}
    # Those of the platforms first: an index whose link is there has what it leads to.
    return Image(wanted, (*digests, wanted.digest), tuple(blobs.values()))


def _manifest(wanted: Wanted, digest: str, store: Store, source: Mirror | None, obtain: Obtain) -> Tree:
    path = store.blob(digest)
    url = f"{images.repository_url(wanted.reference, source)}/manifests/{digest}"
    obtain(_piece(wanted, url, digest, path, ", ".join(images.MANIFESTS)))
    try:
        document = json.loads(path.read_bytes())
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise FetchError(f"image {wanted.name}: {path}: is not an image manifest", "lock the release anew")
    return document


def _chosen(wanted: Wanted, entries: Sequence[Tree]) -> list[Tree]:
    own = [entry for entry in entries if _platform(entry).get("os") == OS]
    if not wanted.architectures:
        return own
    served = {_platform(entry).get("architecture") for entry in own}
    missing = [name for name in wanted.architectures if name not in served]
    if missing:
        what = f"image {wanted.name}: {wanted.reference}@{wanted.digest}: has nothing for {', '.join(missing)}"
        raise FetchError(what, "leave that architecture out with --arch")
    return [entry for entry in own if _platform(entry).get("architecture") in wanted.architectures]


def _platform(entry: Tree) -> Tree:
    platform = entry.get("platform")
    return platform if isinstance(platform, dict) else {}


def _blobs(wanted: Wanted, manifest: Tree, store: Store, source: Mirror | None) -> Iterator[Piece]:
    """Layers that only their publisher may serve (Windows' own) are no registry's to have."""
    described = [manifest.get("config"), *manifest.get("layers", ())]
    for entry in described:
        if isinstance(entry, dict) and not any(word in str(entry.get("mediaType")) for word in ELSEWHERE):
            digest = str(entry["digest"])
            url = f"{images.repository_url(wanted.reference, source)}/blobs/{digest}"
            yield _piece(wanted, url, digest, store.blob(digest))


def _piece(wanted: Wanted, url: str, digest: str, path: Path, accept: str = "*/*") -> Piece:
    absent = "ask who runs that registry, or fill from a mirror that has it"
    return Piece(f"image {wanted.name}", url, digest.removeprefix("sha256:"), path, absent, accept)
