"""A load on the lab's Harbor: logins, pushes and pulls side by side, until it is stopped.

Pushes and pulls keep their token until a 401 asks them for another, as the registry's specification has it, and fail
when that does not help. Owns these clients. Does not own a login (``tests.lab.harbor_clients``), nor what may come of
the load.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from lab import hosts
from tests.lab.harbor_clients import ADMIN, PROJECT, REFUSED, UNANSWERED, Logins, ask, client, mint

PIECES, PIECE_BYTES, PIECE_SECONDS = 8, 32 * 1024, 0.5  # an upload is under way for four seconds
PULL_SECONDS = 0.2
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
BLOB = "application/octet-stream"


@dataclass
class Client:
    """One that pushes and pulls. ``refused`` counts the 401s that a token met which it had used before.

    ``pushed`` are the manifests that are there, by digest. A tag would not do for pulls: the registry writes its file
    anew in place, and who reads it in that moment is answered 500 ("invalid checksum digest format").
    """

    ca: Path
    source: str
    address: str = hosts.VIP
    piece_bytes: int = PIECE_BYTES
    pushed: list[str] = field(default_factory=list)
    refused: int = 0
    done: int = 0
    errors: list[str] = field(default_factory=list)
    _token: str = ""

    @property
    def repository(self) -> str:
        """Its own."""
        return f"{PROJECT}/traffic-{self.source.rpartition('.')[2]}"

    def request(self, session: httpx.Client, method: str, path: str, wanted: int, **options: Any) -> httpx.Response:
        """One request, and once more with a new token when the one that is kept is refused."""
        answer = self._send(session, method, path, **options)
        if answer.status_code == REFUSED:
            self.refused += bool(self._token)
            scope = f"/service/token?service=harbor-registry&scope=repository:{self.repository}:pull,push"
            self._token = mint(session, self.address, scope, ADMIN)
            answer = self._send(session, method, path, **options)
        if answer.status_code != wanted:
            raise httpx.HTTPError(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer

    def push(self) -> str:
        """A layer in pieces, on one connection from its first to its last: on the hub where it began. Its digest."""
        pieces = [os.urandom(self.piece_bytes) for _ in range(PIECES)]
        digest = f"sha256:{hashlib.sha256(b''.join(pieces)).hexdigest()}"
        opened: list[str] = []

        def watch(event: str, _: dict[str, Any]) -> None:
            opened.extend([event] if event == "connection.connect_tcp.started" else [])

        with client(self.ca, self.source) as session:
            answer = self.request(session, "POST", f"/v2/{self.repository}/blobs/uploads/", 202, trace=watch)
            for number, piece in enumerate(pieces):
                time.sleep(PIECE_SECONDS)
                first = number * self.piece_bytes
                headers = {"Content-Range": f"{first}-{first + len(piece) - 1}", "Content-Type": BLOB}
                more = {"content": piece, "headers": headers, "trace": watch}
                answer = self.request(session, "PATCH", _location(answer), 202, **more)
            self.request(session, "PUT", f"{_location(answer)}&digest={digest}", 201, trace=watch)
            if len(opened) != 1:
                raise httpx.HTTPError(f"an upload needed {len(opened)} connections")
            layer = {"mediaType": BLOB, "digest": digest, "size": PIECES * self.piece_bytes}
            manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": layer, "layers": [layer]}
            path, headers = f"/v2/{self.repository}/manifests/latest", {"Content-Type": MANIFEST}
            answer = self.request(session, "PUT", path, 201, json=manifest, headers=headers)
            self.pushed.append(answer.headers["docker-content-digest"])
        return digest

    def pull(self) -> None:
        """What it has pushed last, whole."""
        time.sleep(PULL_SECONDS)
        with client(self.ca, self.source) as session:
            path, headers = f"/v2/{self.repository}/manifests/{self.pushed[-1]}", {"Accept": MANIFEST}
            layer = self.request(session, "GET", path, 200, headers=headers).json()["layers"][0]
            content = self.request(session, "GET", f"/v2/{self.repository}/blobs/{layer['digest']}", 200).content
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != layer["digest"]:
            raise httpx.HTTPError(f"{layer['digest']} came as {len(content)} other bytes")

    def until(self, stopped: threading.Event, action: Callable[[], object]) -> None:
        """The same again and again."""
        while not stopped.is_set():
            try:
                action()
                self.done += 1
            except UNANSWERED as error:
                self.errors.append(f"{time.strftime('%X')} {self.source} {getattr(action, '__name__', '')}: {error!r}")

    def _send(self, session: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
        token = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        options["headers"] = {**options.get("headers", {}), **token}
        return ask(session, self.address, path, method, **options)


class Traffic:
    """Logins from every address, and from every address one client that pushes and one that pulls."""

    def __init__(self, ca: Path, sources: Sequence[str]) -> None:
        self.pushing = [Client(ca, source) for source in sources]
        self.pulling = [Client(ca, one.source, pushed=one.pushed) for one in self.pushing]
        for one in self.pushing:
            one.push()  # there must be something to pull
        self._stopped = threading.Event()
        works: list[tuple[Client, Callable[[], object]]] = [(one, one.push) for one in self.pushing]
        works += [(one, one.pull) for one in self.pulling]
        self._threads = [
            threading.Thread(target=one.until, args=(self._stopped, action), daemon=True) for one, action in works
        ]
        for thread in self._threads:
            thread.start()
        self.logins = Logins(ca, sources)

    def stop(self) -> "Traffic":
        """Itself, once everything under way has ended."""
        self._stopped.set()
        self.logins.stop()
        for thread in self._threads:
            thread.join()
        return self

    @property
    def failed(self) -> list[Any]:
        """What did not succeed."""
        return self.logins.failed + [error for one in self._clients for error in one.errors]

    @property
    def most_refused(self) -> int:
        """How many 401s the unluckiest client with a cached token has met."""
        return max(one.refused for one in self._clients)

    @property
    def counts(self) -> dict[str, int]:
        """How much of each kind there was."""
        pushes, pulls = (sum(one.done for one in clients) for clients in (self.pushing, self.pulling))
        return {"logins": len(self.logins.codes), "pushes": pushes, "pulls": pulls}

    @property
    def _clients(self) -> list[Client]:
        return self.pushing + self.pulling


def _location(answer: httpx.Response) -> str:
    location = urlsplit(answer.headers["location"])
    return f"{location.path}?{location.query}"
