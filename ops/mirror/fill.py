"""Fills a folder with all that a lock names, or says what it lacks: the same walk, with another way to have a file.

Owns what is wanted, and that an image is linked only when all of it is there. Every fault is told, not the first alone;
what is whole is kept whatever else fails.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from ops import files
from ops.fetch import CONNECTIONS, FetchError
from ops.mirror import image
from ops.mirror.download import Obtain, Piece
from ops.mirror.image import Image, Wanted
from ops.mirror.store import Store
from releases import LockFile, Mirror, ReleaseFile
from releases.schema import HUB_IMAGES
from releases.store import mirrored

ARTIFACTS, IMAGES, PARTIAL = "artifacts", "images", ".partial"


@dataclass(frozen=True)
class Job:
    """What a folder shall hold: a release by its lock, for these architectures; ``source`` None is the publishers.

    ``whole``: every platform of each image, which copying it into another registry takes.
    """

    file: ReleaseFile
    lock: LockFile
    architectures: tuple[str, ...]
    folder: Path
    source: Mirror | None = None
    whole: bool = False

    @property
    def store(self) -> Store:
        """The registry's storage in the folder."""
        return Store(self.folder / IMAGES)


Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]  # how many files there are now, and how many there will be as far as is known


def fill(job: Job, obtain: Obtain, progress: Progress, stop: Callable[[], None]) -> list[str]:
    """Has every file in place; what could not be had, one line each. ``stop`` ends what is under way."""
    return _Walk(job, obtain, progress, stop).through(_put_sum, _link)


def check(job: Job, obtain: Obtain, progress: Progress) -> list[str]:
    """What the folder lacks, one line each. Writes nothing."""
    return _Walk(job, obtain, progress, lambda: None).through(_check_sum, _check_links)


def artifacts(job: Job) -> Iterator[Piece]:
    """Every artifact for every architecture, where the hosts will ask the mirror for it."""
    for name, sums in job.lock.artifacts.items():
        locked = {str(architecture): value for architecture, value in sums.items()}
        for architecture in job.architectures:
            url = job.file.artifact(name, architecture).url
            parts = urlsplit(url)
            path = job.folder / ARTIFACTS / parts.netloc / parts.path.lstrip("/")
            absent = f"check the version of {name} in releases/{job.file.name}.yaml"
            what = f"artifact {name} for {architecture}"
            yield Piece(what, mirrored(url, job.source), locked[architecture], path, absent)


def images(job: Job) -> Iterator[Wanted]:
    """Every image that the lock has."""
    for name, digest in job.lock.images.items():
        architectures = () if name in HUB_IMAGES else job.architectures
        yield Wanted(name, job.file.image(name), digest, architectures)


class _Walk:
    """Manifests first, since they say which blobs there are; then all files, side by side; then what refers to them."""

    def __init__(self, job: Job, obtain: Obtain, progress: Progress, stop: Callable[[], None]) -> None:
        self._job, self._obtain, self._progress, self._stop = job, obtain, progress, stop
        self._faults: list[str] = []
        self._done = self._all = 0
        self._whole: set[str] = set()

    def through(self, sum_file: Callable[[Piece], None], links: Callable[[Store, Image], None]) -> list[str]:
        job, own = self._job, [*artifacts(self._job)]
        found = self._each(self._read, images(job))
        blobs = {piece.sha256: piece for read in found for piece in read.blobs}  # several images may share one
        self._each(self._have, [*own, *blobs.values()])
        self._each(sum_file, [piece for piece in own if piece.sha256 in self._whole])
        self._each(partial(links, job.store), [read for read in found if self._is_whole(read)])
        return self._faults

    def _read(self, wanted: Wanted) -> Image:
        job = self._job
        return image.read(wanted, job.store, job.source, self._obtain, job.whole)

    def _have(self, piece: Piece) -> None:
        self._obtain(piece)
        self._whole.add(piece.sha256)

    def _is_whole(self, read: Image) -> bool:
        return {piece.sha256 for piece in read.blobs} <= self._whole

    def _each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """What came of those that went well."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            running = [pool.submit(function, item) for item in items]
            self._all += len(running)
            try:
                return [*self._settled(running)]
            except BaseException:  # such as Ctrl-C, which is not to wait for gigabytes
                pool.shutdown(wait=False, cancel_futures=True)
                self._stop()
                raise

    def _settled(self, running: Iterable[Future[Result]]) -> Iterator[Result]:
        for future in as_completed(running):
            try:
                yield future.result()
            except FetchError as error:
                self._faults.append(str(error))
            self._done += 1
            self._progress(self._done, self._all)


def _sum_file(piece: Piece) -> tuple[Path, str]:
    """What `ops lock` asks a mirror for, and whoever carries the folder may check by `sha256sum --check`."""
    return piece.path.with_name(f"{piece.path.name}.sha256"), f"{piece.sha256}  {piece.path.name}\n"


def _put_sum(piece: Piece) -> None:
    path, text = _sum_file(piece)
    if not path.is_file() or path.read_text() != text:
        files.put(path, text.encode())


def _check_sum(piece: Piece) -> None:
    path, text = _sum_file(piece)
    if not path.is_file() or path.read_text() != text:
        raise FetchError(f"{piece.what}: {path}: does not say its sha256", "run this without --check")


def _link(store: Store, read: Image) -> None:
    store.link(read.wanted.reference, read.wanted.digest, read.manifests, read.digests)


def _check_links(store: Store, read: Image) -> None:
    missing = store.unlinked(read.wanted.reference, read.wanted.digest, read.manifests, read.digests)
    if missing:
        what = f"image {read.wanted.name}: is there, and a registry does not find it: {missing[0]} is missing"
        raise FetchError(what, "run this without --check")
