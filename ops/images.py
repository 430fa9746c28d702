"""Asks a registry what an image's tag stands for now.

Owns: the registry API's manifests, anonymous tokens, and that the digest belongs to the manifest that was read.
Does not own: pulling. The digest is that of the index where there is one, so that it serves every architecture.
"""

import hashlib
import json
import re
from urllib.parse import urlencode, urlsplit

import httpx

from ops.fetch import AbsentError, Fetcher, FetchError
from releases import ImageReference, Mirror
from render.containerd import mirror_url

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# Docker Hub's API is not at the name that its images carry.
API_HOSTS = {"docker.io": "registry-1.docker.io"}
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


def digest(fetcher: Fetcher, image: ImageReference, mirror: Mirror | None, architectures: list[str]) -> str:
    """The digest of the image's manifest, which must serve all of ``architectures``, whatever it serves if none."""
    url = manifest_url(image, mirror)
    response = _get_manifest(fetcher, url)
    if not response.is_success:
        kind = AbsentError if response.status_code == httpx.codes.NOT_FOUND else FetchError
        raise kind(f"{url}: answered HTTP {response.status_code}", _remedy(image, mirror))
    actual = f"sha256:{hashlib.sha256(response.content).hexdigest()}"
    claimed = response.headers.get("docker-content-digest", actual)
    if claimed != actual:
        what = f"{url}: the registry calls its manifest {claimed}, and it hashes to {actual}"
        raise FetchError(what, "something between here and the registry changes answers: find it before you go on")
    _serves(url, response, architectures, _remedy(image, mirror))
    return actual


def manifest_url(image: ImageReference, mirror: Mirror | None) -> str:
    """Where the registry API has the manifest of the image's tag."""
    return f"{repository_url(image, mirror)}/manifests/{image.tag}"


def repository_url(image: ImageReference, mirror: Mirror | None) -> str:
    """Where the registry API has the image's repository; a mirror's carries the registry's name."""
    if mirror is None:
        return f"https://{API_HOSTS.get(image.registry, image.registry)}/v2/{image.repository}"
    return f"{mirror_url(mirror.images, image.registry)}/{image.repository}"


def _get_manifest(fetcher: Fetcher, url: str) -> httpx.Response:
    accept = {"Accept": ", ".join(MANIFESTS)}
    response = fetcher.get(url, accept)
    if response.status_code != httpx.codes.UNAUTHORIZED:
        return response
    return fetcher.get(url, {**accept, "Authorization": f"Bearer {token(fetcher, url, response)}"})


def token(fetcher: Fetcher, url: str, refusal: httpx.Response) -> str:
    """An anonymous token from where the registry says, as public registries want one."""
    scheme, _, rest = refusal.headers.get("www-authenticate", "").partition(" ")
    parameters = dict(_PARAMETER.findall(rest))
    realm = urlsplit(parameters.get("realm", ""))
    private = "use a registry that may be read without an account"
    if scheme.lower() != "bearer" or not realm.netloc:
        raise FetchError(f"{url}: wants an account (HTTP 401)", private)
    if realm.scheme != urlsplit(url).scheme or (fetcher.mirrored and realm.hostname != urlsplit(url).hostname):
        raise FetchError(f"{url}: wants a token from {realm.geturl()}", "let the mirror hand out its own tokens")
    query = urlencode({name: parameters[name] for name in ("service", "scope") if name in parameters})
    answer = fetcher.get(f"{realm.geturl()}?{query}")
    document = _json(answer) if answer.is_success else {}
    found = document.get("token") or document.get("access_token")
    if not isinstance(found, str) or not found.isascii() or not found.isprintable():
        raise FetchError(f"{realm.geturl()}: gave no token for {url} (HTTP {answer.status_code})", private)
    return found


def _serves(url: str, response: httpx.Response, architectures: list[str], remedy: str) -> None:
    document = _json(response)
    if document.get("schemaVersion") != 2:
        raise FetchError(f"{url}: what it answers is not an image manifest", remedy)
    manifests = document.get("manifests")
    if not isinstance(manifests, list):
        if len(architectures) > 1:
            what = f"{url}: serves one architecture only, and {', '.join(architectures)} are to be locked"
            raise FetchError(what, "put the whole image, with its index, there, or lock one architecture with --arch")
        return
    served = {_architecture(entry) for entry in manifests}
    missing = [architecture for architecture in architectures if architecture not in served]
    if missing:
        what = f"{url}: has no image for {', '.join(missing)}"
        raise FetchError(what, "lock the architectures that it serves with --arch, or put the whole image there")


def _architecture(entry: object) -> object:
    platform = entry.get("platform") if isinstance(entry, dict) else None
    return platform.get("architecture") if isinstance(platform, dict) and platform.get("os") == "linux" else None


def _json(response: httpx.Response) -> dict[str, object]:
    try:
        document = json.loads(response.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _remedy(image: ImageReference, mirror: Mirror | None) -> str:
    if mirror is None:
        return "check the image and its version in the release file"
    return f"put {image} on the mirror, as {image.registry}/{image.repository}:{image.tag}"
