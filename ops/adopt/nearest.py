"""Which release a cluster is taken in with, unless its user names one. Does not own whether that one fits it."""

from ops.adopt.obstacles import numbers
from releases import ReleaseFile, read_release
from releases.store import known_releases


def release(version: str) -> ReleaseFile:
    """The newest of those whose Kubernetes is nearest to this one: at best the same, else newer."""
    files = [read_release(known) for known in known_releases()]
    return min(reversed(files), key=lambda file: _distance(file.versions.kubernetes, version))


def _distance(there: str, here: str) -> tuple[int, ...]:
    old, new = (numbers(version) for version in (here, there))
    return (new < old, *(abs(one - other) for one, other in zip(new, old, strict=True)))
