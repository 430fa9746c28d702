"""Policies about what runs: only what a release's lock names by digest, and nothing with the host's whole power."""

import re
from collections.abc import Iterator

from policy.resources import Resource, containers, known, pod_specs, script

PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
# kube-proxy programs the host's packet filter.
MAY_BE_PRIVILEGED = ("DaemonSet kube-proxy",)
DOCKER_IMAGE, DOCKER_CONTAINER = "docker:index/remoteImage:RemoteImage", "docker:index/container:Container"
_ARTIFACTS = re.compile(r"^ARTIFACTS='([^']*)'$", re.MULTILINE)
_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")


def artifacts_are_checked(resource: Resource) -> Iterator[str]:
    """Every program that a host unpacks is named with its sha256."""
    for table in _ARTIFACTS.findall(script(resource)):
        for line in table.splitlines():
            if not _SHA256.search(line):
                yield f"artifact {line}: has no sha256; take it from the release's lock"


def images_are_pinned(resource: Resource) -> Iterator[str]:
    """Every image is named by its digest: a tag may be another image tomorrow, and on another host."""
    for image in _images(resource):
        if image is not None and not PINNED.search(image):
            yield f"image {image}: has no digest; take it from the release's lock (python -m ops lock)"


def no_container_is_privileged(resource: Resource) -> Iterator[str]:
    """No container is privileged but those that program the host's network."""
    if resource.resource_type == DOCKER_CONTAINER and known(resource.props, "privileged"):
        yield f"container {known(resource.props, 'name')} is privileged; name the capabilities that it needs"
    for name, spec in pod_specs(resource):
        for container in containers(spec) if name not in MAY_BE_PRIVILEGED else ():
            if (container.get("securityContext") or {}).get("privileged"):
                yield f"{name}: container {container['name']} is privileged; name the capabilities that it needs"


def _images(resource: Resource) -> Iterator[str | None]:
    """None for one that only an ``up`` will tell."""
    if resource.resource_type == DOCKER_IMAGE:
        yield known(resource.props, "name")
    if resource.resource_type == DOCKER_CONTAINER:
        yield known(resource.props, "image")
    for _, spec in pod_specs(resource):
        yield from (known(container, "image") for container in containers(spec))
