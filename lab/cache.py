"""Where the lab keeps what it builds, by content, outside any clone.

Owns: the cache folder's address. Does not own: what lies in it. Standard library only: ``lab.venv`` runs before
anything is installed.
"""

import os
from pathlib import Path


def cache_root() -> Path:
    """The folder, outside any clone, where everything that the lab builds is kept by content."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "evenkeel"
