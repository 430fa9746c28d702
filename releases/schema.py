"""The form of a release file and of its lock.

Owns: which fields the two files have, that nothing is missing from them, and how placeholders are filled in.
Does not own: reading them from disk (``releases.store``), whether their versions go together (``releases.skew``), or
writing a lock (``ops.lock``).
"""

import re
import string
from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

ARTIFACTS = ("kubelet", "kubectl", "containerd", "runc", "cni-plugins", "flannel-cni", "etcd")
IMAGES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "etcd",
    "coredns",
    "pause",
    "flannel",
)
# What runs on hubs: what every Harbor has, and what a stack may do without.
HARBOR_IMAGES = (
    "harbor-core",
    "harbor-registry",
    "harbor-registryctl",
    "harbor-jobservice",
    "harbor-portal",
    "harbor-proxy",
    "harbor-log",
)
OPTIONAL_HARBOR_IMAGES = ("harbor-trivy", "harbor-exporter", "harbor-db", "harbor-redis")
HUB_IMAGES = HARBOR_IMAGES + OPTIONAL_HARBOR_IMAGES

Architecture = Literal["amd64", "arm64"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ImageDigest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Version = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+(\.\d+)?(-[0-9A-Za-z.]+)?$")]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]

_IMAGE = re.compile(r"(?P<registry>[a-z0-9.-]+(:\d+)?)/(?P<repository>[a-z0-9._/-]+):(?P<tag>[A-Za-z0-9._-]+)")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Versions(_Model):
    """One version for everything that runs. The kubelets' defaults to the control plane's."""

    kubernetes: Version
    kubelet: Version = ""
    etcd: Version
    containerd: Version
    runc: Version
    cni_plugins: Version
    flannel: Version
    flannel_cni: Version
    coredns: Version
    pause: Version
    harbor: Version

    @model_validator(mode="before")
    @classmethod
    def _kubelet_follows(cls, values: object) -> object:
        if isinstance(values, dict) and "kubelet" not in values and "kubernetes" in values:
            return {**values, "kubelet": values["kubernetes"]}
        return values

    def of_artifact(self, name: str) -> str:
        """The version of what an artifact brings."""
        return str(getattr(self, {"kubectl": "kubernetes"}.get(name, name.replace("-", "_"))))

    def placeholders(self) -> dict[str, str]:
        """What ``{name}`` in an address or an image stands for, but for ``{arch}``."""
        return {**self.model_dump(), "flannel_cni_base": self.flannel_cni.split("-flannel")[0]}


class ArtifactSource(_Model):
    """Where the publisher serves an artifact, and the checksum file that speaks for it."""

    url: HttpUrl
    checksums: HttpUrl


class ImageReference(_Model):
    """An image by registry, repository and tag."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def of(cls, text: str) -> "ImageReference":
        """Takes ``registry/repository:tag`` apart; the registry is always written out."""
        match = _IMAGE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text}: not an image of the form registry/repository:tag")
        return cls(registry=match["registry"], repository=match["repository"], tag=match["tag"])

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}:{self.tag}"


class ReleaseFile(_Model):
    """A release as it is written: versions, addresses and images, with placeholders."""

    name: str
    architectures: list[Architecture] = Field(min_length=1)
    versions: Versions
    artifacts: dict[str, ArtifactSource]
    images: dict[str, str]

    @model_validator(mode="after")
    def _complete(self) -> "ReleaseFile":
        _exactly("artifacts", self.artifacts, ARTIFACTS)
        _exactly("images", self.images, IMAGES + HUB_IMAGES)
        for name in self.artifacts:
            for architecture in self.architectures:
                self.artifact(name, architecture)
        for name in self.images:
            self.image(name)
        return self

    def artifact(self, name: str, architecture: str) -> ArtifactSource:
        """The artifact's addresses for one architecture."""
        source = self.artifacts[name]
        return ArtifactSource(
            url=self._fill(source.url, arch=architecture), checksums=self._fill(source.checksums, arch=architecture)
        )

    def image(self, name: str) -> ImageReference:
        """The image under its official name."""
        return ImageReference.of(self._fill(self.images[name]))

    def _fill(self, text: str, **more: str) -> str:
        known = {**self.versions.placeholders(), **more}
        fields = [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]
        unknown = [field for field in fields if field not in known]
        if unknown:
            raise ValueError(f"{text}: no such placeholder {{{unknown[0]}}}; there are {', '.join(sorted(known))}")
        return text.format(**known)


class Mirror(_Model):
    """Where artifacts and images are fetched from in place of their publishers."""

    artifacts: HttpUrl
    images: HttpUrl


class LockFile(_Model):
    """What a release's artifacts and images were when they were locked.

    Images of hubs may be absent: a mirror need not have what its stacks do not run.
    """

    release: str
    release_sha256: Sha256
    source: Literal["publishers"] | Mirror
    artifacts: dict[str, dict[Architecture, Sha256]]
    images: dict[str, ImageDigest]


def _exactly(what: str, given: Collection[str], wanted: tuple[str, ...]) -> None:
    missing = [name for name in wanted if name not in given]
    surplus = [name for name in given if name not in wanted]
    if missing:
        raise ValueError(f"{what}: {', '.join(missing)} missing")
    if surplus:
        raise ValueError(f"{what}: {', '.join(surplus)} unknown; there are {', '.join(wanted)}")
