"""Everything that a release names, with content, as its publishers or a mirror serve it: what a mirror is filled from.

Registries want a token, keep blobs elsewhere and redirect there; servers know of parts of files. A test changes content
or answers to make them misbehave.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from ops import images
from releases import ImageReference, LockFile, Mirror, ReleaseFile
from releases.schema import HUB_IMAGES
from releases.store import mirrored, release_digest

TOKEN = "anonymous-token"
ELSEWHERE = "https://blobs.example.com"
PLATFORMS = (("linux", "amd64"), ("linux", "arm64"), ("linux", "s390x"), ("windows", "amd64"), ("unknown", "unknown"))
CONFIG = "application/vnd.docker.container.image.v1+json"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SHARED_LAYER = b"a layer that all images have in common" * 1000
Answer = Callable[[httpx.Request], httpx.Response]


def digest(content: bytes) -> str:
    """As registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Contents:
    """Content by address; ``mirror`` None is the publishers."""

    def __init__(self, file: ReleaseFile, mirror: Mirror | None = None) -> None:
        self.file, self.mirror = file, mirror
        self.content: dict[str, bytes] = {}
        self.answers: dict[str, Answer] = {}
        self.asked: list[httpx.Request] = []
        self._pinned: dict[str, str] = {}
        for name in file.artifacts:
            for architecture in file.architectures:
                url = file.artifact(name, architecture).url
                self.content[mirrored(url, mirror)] = f"{url}\n".encode() * 100
        for name in file.images:
            self._pinned[name] = self._image(name, file.image(name))

    def lock(self) -> LockFile:
        """The lock that goes with the content."""
        sums = {
            name: {architecture: self._sum(name, architecture) for architecture in self.file.architectures}
            for name in self.file.artifacts
        }
        return LockFile(
            release=self.file.name,
            release_sha256=release_digest(self.file.name),
            source="publishers",
            artifacts=sums,
            images=self._pinned,
        )

    def transport(self) -> httpx.MockTransport:
        """Answers requests from memory."""
        return httpx.MockTransport(self._answer)

    def addresses(self, name: str, kind: str) -> list[str]:
        """Of an image's ``manifests`` or ``blobs``."""
        prefix = f"{images.repository_url(self.file.image(name), self.mirror)}/{kind}/"
        return [address for address in self.content if address.startswith(prefix)]

    def _sum(self, name: str, architecture: str) -> str:
        url = self.file.artifact(name, architecture).url
        return hashlib.sha256(self.content[mirrored(url, self.mirror)]).hexdigest()

    def _image(self, name: str, image: ImageReference) -> str:
        repository = images.repository_url(image, self.mirror)

        def keep(kind: str, content: bytes) -> dict[str, Any]:
            self.content[f"{repository}/{kind}/{digest(content)}"] = content
            return {"digest": digest(content), "size": len(content)}

        def manifest(os: str, architecture: str) -> dict[str, Any]:
            config = {"mediaType": CONFIG} | keep("blobs", f"{name} {os} {architecture}".encode())
            parts = [SHARED_LAYER, f"layer of {name} {architecture}".encode() * 100]
            layers = [{"mediaType": LAYER} | keep("blobs", part) for part in parts]
            if os == "windows":
                own = {"mediaType": FOREIGN, "urls": ["https://example.com/layer"]}
                layers.append({"digest": digest(b"never served"), "size": 1} | own)
            document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
            described = keep("manifests", json.dumps(document).encode())
            return {"mediaType": MANIFEST} | described | {"platform": {"os": os, "architecture": architecture}}

        if name in HUB_IMAGES:
            return str(manifest("linux", "amd64")["digest"])
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest(*platform) for platform in PLATFORMS]}
        return str(keep("manifests", json.dumps(index).encode())["digest"])

    def _answer(self, request: httpx.Request) -> httpx.Response:
        address = str(request.url).partition("?")[0]
        self.asked.append(request)
        if address in self.answers:
            return self.answers[address](request)
        if address.endswith("/token"):
            return httpx.Response(200, json={"token": TOKEN})
        if address.startswith(ELSEWHERE):
            assert "authorization" not in request.headers, "a token is for the registry alone"
            return partly(request, self.content["https://" + address.removeprefix(f"{ELSEWHERE}/")])
        if address not in self.content:
            return httpx.Response(404)
        if "/v2/" in address and not self.mirror:
            return self._of_registry(request, address)
        return partly(request, self.content[address])

    def _of_registry(self, request: httpx.Request, address: str) -> httpx.Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            challenge = f'Bearer realm="https://{request.url.host}/token",service="s",scope="repository:x:pull"'
            return httpx.Response(401, headers={"www-authenticate": challenge})
        if "/blobs/" in address:
            return httpx.Response(307, headers={"location": f"{ELSEWHERE}/{address.removeprefix('https://')}"})
        assert "application/vnd.oci.image.index.v1+json" in request.headers["accept"]
        return httpx.Response(200, stream=httpx.ByteStream(self.content[address]))


def partly(request: httpx.Request, content: bytes) -> httpx.Response:
    """The part of the content that was asked for."""
    asked = request.headers.get("range")
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
    if start >= len(content):
        return httpx.Response(416)
    return httpx.Response(206 if asked else 200, stream=httpx.ByteStream(content[start:]))


class Cut(httpx.SyncByteStream):
    """Content that breaks off."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        raise httpx.ReadError("Connection reset by peer")


def path_of(address: str) -> str:
    """An address without its scheme, as a mirror of artifacts lays it out."""
    parts = urlsplit(address)
    return f"{parts.netloc}{parts.path}"
