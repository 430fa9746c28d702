"""Resolves the release that a stack names, with its lock and mirror.

Owns: which of the stack's keys is at fault when a release cannot be used. Does not own: release files (``releases``).
"""

from collections.abc import Iterator
from pathlib import Path

from releases import Mirror, Release, ReleaseError, read_lock, read_release, skew
from releases.schema import IMAGES, LockFile, ReleaseFile
from releases.store import lock_path, missing_from_lock, relock
from settings.draft import Draft
from settings.errors import Fault, fault
from settings.fields import Reason
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
    draft.faults += [fault(_NAME, settings.name, what, remedy) for what, remedy in _skew(draft, file)]
    own = settings.mirror
    mirror = Mirror(artifacts=own.artifacts, images=own.images) if own else None
    lock = _lock(draft, settings, file, root, relock(settings.name, mirror, settings.lock))
    return Release(file, lock, mirror) if lock else None


def warned(draft: Draft, release: Release) -> Iterator[Fault]:
    """Warns where a checksum may well not match what will be fetched."""
    if draft.release and isinstance(release.lock.source, Mirror) and release.mirror is None:
        what = f"was written from the mirror {release.lock.source.artifacts}, and this stack has none"
        remedy = f"set release.mirror, or {relock(release.name, output=draft.release.lock)}"
        yield fault(_LOCK, _shown_lock(draft.release), what, remedy)


def _shown_lock(settings: ReleaseSettings) -> str:
    return settings.lock or f"releases/{lock_path(settings.name).name}"


def _lock(draft: Draft, settings: ReleaseSettings, file: ReleaseFile, root: Path, remedy: str) -> LockFile | None:
    path = path_of(settings.lock, root) if settings.lock else lock_path(settings.name)
    value = _shown_lock(settings)
    try:
        lock = read_lock(path, settings.name, remedy=remedy)
    except ReleaseError as error:
        draft.faults.append(fault(_LOCK, value, error.what, error.remedy))
        return None
    hubs_images = [f"harbor-{service}" for service in draft.harbor.services()] if draft.harbor else []
    if missing := missing_from_lock(file, lock, [*IMAGES, *hubs_images]):
        absent = [str(file.image(name)) for name in hubs_images if name not in lock.images]
        first = f"put {', '.join(absent)} on the mirror, and " if absent and settings.mirror else ""
        draft.faults.append(fault(_LOCK, value, f"lacks {', '.join(missing)}", first + remedy))
        return None
    return lock


def _skew(draft: Draft, file: ReleaseFile) -> Iterator[Reason]:
    """What does not go together. Which Harbor may follow on the one that runs, only the hubs can tell."""
    yield from skew.faults(file.versions)
    if draft.harbor:
        yield from skew.harbor_faults(file.versions)
