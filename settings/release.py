"""Resolves the release that a stack names, with its lock and mirror.

Owns: which of the stack's keys is at fault when a release cannot be used. Does not own: release files (``releases``).
"""

from collections.abc import Iterator
from pathlib import Path

from releases import Mirror, Release, ReleaseError, read_lock, read_release, skew
from releases.schema import LockFile, ReleaseFile
from releases.store import lock_path, missing_from_lock, relock
from settings.draft import Draft
from settings.errors import Fault, fault
from settings.paths import path_of
from settings.schema import ReleaseSettings

_NAME, _LOCK = ("release", "name"), ("release", "lock")


def resolve(draft: Draft, root: Path) -> Release | None:
    """The stack's release; what stands in the way is added to the draft's faults."""
    settings = draft.release
    if settings is None:
        return None
    try:
        file = read_release(settings.name)
    except ReleaseError as error:
        draft.faults.append(fault(_NAME, settings.name, error.what, error.remedy))
        return None
    draft.faults += [fault(_NAME, settings.name, what, remedy) for what, remedy in skew.faults(file.versions)]
    lock = _lock(draft, settings, file, root)
    if lock is None:
        return None
    mirror = settings.mirror
    return Release(file, lock, Mirror(artifacts=mirror.artifacts, images=mirror.images) if mirror else None)


def warned(release: Release) -> Iterator[Fault]:
    """Warns where a checksum may well not match what will be fetched."""
    if isinstance(release.lock.source, Mirror) and release.mirror is None:
        what = (
            f"was written from the mirror {release.lock.source.artifacts}, and this stack fetches from the publishers"
        )
        yield fault(_LOCK, release.name, what, f"set release.mirror, or {relock(release.name)}")


def _lock(draft: Draft, settings: ReleaseSettings, file: ReleaseFile, root: Path) -> LockFile | None:
    path = path_of(settings.lock, root) if settings.lock else lock_path(settings.name)
    value = settings.lock or f"releases/{path.name}"
    try:
        lock = read_lock(path, settings.name)
    except ReleaseError as error:
        draft.faults.append(fault(_LOCK, value, error.what, error.remedy))
        return None
    missing = missing_from_lock(file, lock)
    if missing:
        draft.faults.append(fault(_LOCK, value, f"lacks {', '.join(missing)}", relock(settings.name)))
        return None
    return lock
