"""Publishers and registries as the lock meets them, answering from memory.

They behave as the real ones do where that matters: dl.k8s.io serves a bare sum, others lists of ``sum  name`` for one
file or many, GitHub redirects to where files lie, registries want an anonymous token and serve an index. Docker Hub's
API is at a name of its own, and has Harbor's images for one architecture only, without an index.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import httpx

from releases import ImageReference, ReleaseFile

ARCHITECTURES = ("amd64", "arm64")
API = {"docker.io": "registry-1.docker.io"}
TOKENS = {"docker.io": "auth.docker.io"}
TOKEN = "anonymous-token"
Answer = Callable[[httpx.Request], httpx.Response]


def sha256(text: str) -> str:
    """The sum of a file whose whole content is its own address."""
    return hashlib.sha256(text.encode()).hexdigest()


def index(image: str, architectures: tuple[str, ...] = ARCHITECTURES) -> bytes:
    """An image index, different for each image, with an attestation beside the architectures."""
    platforms = [{"os": "linux", "architecture": name} for name in architectures]
    unknown = {"os": "unknown", "architecture": "unknown"}
    manifests = [{"digest": f"sha256:{sha256(image)}", "platform": platform} for platform in [*platforms, unknown]]
    return json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()


def single(image: str) -> bytes:
    """The manifest of an image that is there for one architecture."""
    return json.dumps({"schemaVersion": 2, "config": {"digest": f"sha256:{sha256(image)}"}}).encode()


def manifest(image: ImageReference) -> bytes:
    """What the image's publisher serves."""
    return single(str(image)) if image.registry == "docker.io" else index(str(image))


def manifest_address(image: ImageReference) -> str:
    """Where the image's publisher serves that."""
    return f"https://{API.get(image.registry, image.registry)}/v2/{image.repository}/manifests/{image.tag}"


def digest(body: bytes) -> str:
    """What a registry calls a manifest."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class World:
    """Everything that the release names, by address. A test replaces answers to make it misbehave."""

    def __init__(self, file: ReleaseFile) -> None:
        self.answers: dict[str, httpx.Response | Answer] = {}
        self.asked: list[str] = []
        sums: dict[str, list[str]] = {}
        for name in file.artifacts:
            for architecture in file.architectures:
                source = file.artifact(name, architecture)
                line = f"{sha256(source.url)}  {PurePosixPath(urlsplit(source.url).path).name}"
                sums.setdefault(source.checksums, []).append(line)
        for address, lines in sums.items():
            self._publish(address, lines)
        for name in file.images:
            self._host_image(file.image(name))

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        address = str(request.url).partition("?")[0]
        self.asked.append(address)
        answer = self.answers.get(address, httpx.Response(404))
        return answer(request) if callable(answer) else answer

    def _publish(self, address: str, lines: list[str]) -> None:
        host = urlsplit(address).netloc
        if host == "dl.k8s.io":
            self.answers[address] = httpx.Response(200, text=lines[0].split()[0])
            return
        elsewhere = f"https://objects.example.com{urlsplit(address).path}"
        self.answers[address] = httpx.Response(302, headers={"location": elsewhere})
        others = [f"{'0' * 64}  other-{number}.tar.gz" for number in range(3)]
        self.answers[elsewhere] = httpx.Response(200, text="\n".join([*others, *lines, ""]))

    def _host_image(self, image: ImageReference) -> None:
        registry, body = image.registry, manifest(image)
        realm = f"https://{TOKENS.get(registry, registry)}/token"
        scope = f"repository:{image.repository}:pull"
        challenge = f'Bearer realm="{realm}",service="{registry}",scope="{scope}"'

        def answer(request: httpx.Request) -> httpx.Response:
            assert "application/vnd.oci.image.index.v1+json" in request.headers["accept"]
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return httpx.Response(401, headers={"www-authenticate": challenge})
            return httpx.Response(200, content=body, headers={"docker-content-digest": digest(body)})

        def token(request: httpx.Request) -> httpx.Response:
            asked = request.url.params
            good = asked["service"] == registry and asked["scope"].endswith(":pull")
            return httpx.Response(200, json={"token": TOKEN}) if good else httpx.Response(400)

        self.answers[manifest_address(image)] = answer
        self.answers[realm] = token


def mirror(file: ReleaseFile, architectures: tuple[str, ...] = ("amd64",)) -> dict[str, bytes]:
    """What a mirror serves, by path: each artifact's ``.sha256`` beside it, images under their registry's name."""
    content: dict[str, bytes] = {}
    for name in file.artifacts:
        for architecture in architectures:
            url = urlsplit(file.artifact(name, architecture).url)
            line = f"{sha256(url.geturl())}  {PurePosixPath(url.path).name}\n"
            content[f"/{url.netloc}{url.path}.sha256"] = line.encode()
    for name in file.images:
        image = file.image(name)
        content[f"/v2/{image.registry}/{image.repository}/manifests/{image.tag}"] = single(str(image))
    return content
