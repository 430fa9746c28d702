"""Releases: which version of everything runs, where it comes from, and what it must hash to.

``NAME.yaml`` names versions and addresses and is written by hand; ``NAME.lock.yaml`` holds checksums and digests and is
written by ``python -m ops lock NAME`` only. Promotion is one changed line: the release's name in a stack.
"""

from releases.schema import ImageReference, LockFile, Mirror, ReleaseFile, Versions
from releases.store import Artifact, Release, ReleaseError, read_lock, read_release

__all__ = [
    "Artifact",
    "ImageReference",
    "LockFile",
    "Mirror",
    "Release",
    "ReleaseError",
    "ReleaseFile",
    "Versions",
    "read_lock",
    "read_release",
]
