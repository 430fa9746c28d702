"""Policies about Harbor on several hubs: what differs between them fails for some clients, at random."""

import re
from collections.abc import Iterator, Sequence

from policy.resources import Fault, Resource, files, script

SHARED = ("/core/private_key.pem", "/core/key", "/registry/passwd")
_STORAGE = re.compile(r"^STORAGE_KIND=(\w+)$", re.MULTILINE)


def hubs_share_their_keys(resources: Sequence[Resource]) -> Iterator[Fault]:
    """A token that one hub signs is one that every other takes, and so with what they encrypt."""
    for path in SHARED:
        held = [(text, one.urn) for one in resources for text in _texts(one, path)]
        for content, urn in held[1:]:
            if content != held[0][0]:
                yield f"{path} differs from another hub's; give all hubs the same one", urn


def storage_is_not_one_hubs(resources: Sequence[Resource]) -> Iterator[Fault]:
    """Several hubs keep images where all of them find them, and not on a disk of their own."""
    kinds = [(found[1], one.urn) for one in resources if (found := _STORAGE.search(script(one)))]
    for kind, urn in kinds if len(kinds) > 1 else ():
        if kind == "local":
            yield f"{len(kinds)} hubs, each with local storage; use evenkeel:harbor.storage.shared or s3", urn


def _texts(resource: Resource, end: str) -> list[str]:
    found = [file for file in files(resource) if file.path.startswith("/etc/evenkeel/harbor/")]
    return [file.content for file in found if file.path.endswith(end)]
