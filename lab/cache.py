"""Where the lab keeps what it builds, by content, outside any clone.

Owns: the cache folder's address, the scratch folders of builds, and how long unused builds are kept. Does not own: what
lies in it. Standard library only: ``lab.venv`` runs before anything is installed.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.shell import unmount_below

KEPT_SECONDS = 30 * 24 * 3600


def cache_root() -> Path:
    """The folder, outside any clone, where everything that the lab builds is kept by content."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "evenkeel"


@contextmanager
def scratch(parent: Path, name: str) -> Iterator[Path]:
    """A folder to build in, beside where the result goes; those of builds that were killed are removed.

    The caller holds a lock, so that nobody else builds ``name``.
    """
    for stale in parent.glob(f".{name}.*"):
        unmount_below(stale)
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{name}.") as folder:
        yield Path(folder)


def used(result: Path) -> Path:
    """Notes that a build's result is in use, and removes results beside it that nobody has used for a long time."""
    os.utime(result)
    for other in result.parent.iterdir():
        if other.suffix != ".lock" and other.lstat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    return result
