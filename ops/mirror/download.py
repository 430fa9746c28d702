"""One file of a mirror: whole, by its sha256, or not there.

Owns telling that, and fetching it: going on where an earlier run was interrupted, and moving it into place only when it
is what the lock says. Does not own which files there are (``ops.mirror.fill``, ``ops.mirror.image``).
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock

import httpx

from ops import images
from ops.fetch import AbsentError, BrokenError, Fetcher, FetchError

TRIES = 4  # of one file in a run; each goes on where the one before was cut off


@dataclass(frozen=True)
class Piece:
    """One file: what it is in words, where it is fetched from, what it must hash to, and where it belongs.

    ``absent``: the remedy where the server does not have it. ``accept``: the kinds of answer that are wanted.
    """

    what: str
    url: str
    sha256: str
    path: Path
    absent: str
    accept: str = "*/*"


Obtain = Callable[[Piece], None]


def check(piece: Piece) -> None:
    """Says what is wrong with the file, if something is; fetches nothing."""
    if not piece.path.is_file():
        raise FetchError(f"{piece.what}: {piece.path}: is not there", "fetch it: run this without --check")
    found = sha256_of(piece.path)
    if found != piece.sha256:
        what = f"{piece.what}: {piece.path}: has sha256 {found}, and {piece.sha256} is wanted"
        raise FetchError(what, "fetch it again: run this without --check")


def sha256_of(path: Path) -> str:
    """The sha256 of a file as it is on the disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Downloads:
    """Fetches what is not whole yet. Unfinished files lie in ``partial``, by their sha256, until they are.

    ``told`` is called with the size of each block that came.
    """

    def __init__(self, fetcher: Fetcher, partial: Path, told: Callable[[int], None] = lambda size: None) -> None:
        self._fetcher, self._partial, self._told = fetcher, partial, told
        self._tokens: dict[str, str] = {}  # by repository
        self._stopped = Event()
        self._alone: dict[str, Lock] = {}  # by sha256: two images may share a manifest

    def stop(self) -> None:
        """Ends every transfer at its next block."""
        self._stopped.set()

    def obtain(self, piece: Piece) -> None:
        """Returns once the file is in place and whole."""
        with self._alone.setdefault(piece.sha256, Lock()):
            if piece.path.is_file() and sha256_of(piece.path) == piece.sha256:
                return
            part = self._partial / piece.sha256
            part.parent.mkdir(parents=True, exist_ok=True)
            self._fetch(piece, part)
            piece.path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(piece.path)

    def _fetch(self, piece: Piece, part: Path) -> None:
        for left in reversed(range(TRIES)):
            begun = part.exists()
            try:
                self._go_on(piece, part)
            except BrokenError:
                if not left:
                    raise
                continue
            found = sha256_of(part)
            if found == piece.sha256:
                return
            part.unlink()
            if not begun:
                what = f"{piece.what}: {piece.url}: has sha256 {found}, and the release's lock says {piece.sha256}"
                raise FetchError(what, "find out who changed it; lock the release anew if that is as it should be")
        raise FetchError(f"{piece.what}: {piece.url}: comes in pieces that do not fit", "try again later")

    def _go_on(self, piece: Piece, part: Path) -> None:
        """Fetches what is missing at the end of ``part``, or all where the server knows of no parts."""
        self._must_go_on(piece)
        have = part.stat().st_size if part.exists() else 0
        # What hashes to the lock's sha256 is the file as it is, not in a form that saves bytes on the way.
        headers = {"Accept": piece.accept, "Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={have}-"} if have else {}
        with self._opened(piece.url, headers) as response:
            if have and response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                return
            _must_be_there(piece, response)
            with part.open("ab" if response.status_code == httpx.codes.PARTIAL_CONTENT else "wb") as file:
                for block in response.iter_raw():
                    self._must_go_on(piece)
                    file.write(block)
                    self._told(len(block))
                os.fsync(file.fileno())

    def _must_go_on(self, piece: Piece) -> None:
        if self._stopped.is_set():
            raise FetchError(f"{piece.what}: was stopped", "run this again: what came is kept")

    @contextmanager
    def _opened(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """The answer, with an anonymous token where a registry wants one."""
        repository = url.rsplit("/", 2)[0]
        with self._fetcher.stream(url, self._authorized(repository, headers)) as response:
            if response.status_code != httpx.codes.UNAUTHORIZED:
                yield response
                return
        self._tokens[repository] = images.token(self._fetcher, url, response)
        with self._fetcher.stream(url, self._authorized(repository, headers)) as response:
            yield response

    def _authorized(self, repository: str, headers: Mapping[str, str]) -> dict[str, str]:
        token = self._tokens.get(repository)
        return {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}


def _must_be_there(piece: Piece, response: httpx.Response) -> None:
    if response.status_code == httpx.codes.NOT_FOUND:
        raise AbsentError(f"{piece.what}: {piece.url}: is not there (HTTP 404)", piece.absent)
    if not response.is_success:
        remedy = "run this again later: what is whole is kept"
        raise FetchError(f"{piece.what}: {piece.url}: answered HTTP {response.status_code}", remedy)
