"""The cache keeps what is used, and nothing of builds that were killed."""

import os
import time
from pathlib import Path

from lab import cache


def test_what_nobody_used_for_a_long_time_goes_when_something_beside_it_is_used(tmp_path: Path) -> None:
    for name in ("now", "recent", "old", "old.lock"):
        (tmp_path / name).mkdir() if name != "old.lock" else (tmp_path / name).touch()
    old = time.time() - cache.KEPT_SECONDS - 1
    for name in ("now", "old", "old.lock"):
        os.utime(tmp_path / name, (old, old))
    cache.used(tmp_path / "now")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["now", "old.lock", "recent"]


def test_a_killed_builds_scratch_folder_goes_and_another_builds_stays(tmp_path: Path) -> None:
    """``cni`` and ``cni-flannel`` are built side by side in two clones: one must not clear the other's folder."""
    (tmp_path / ".cni.killed").mkdir()
    (tmp_path / ".cni-flannel.busy").mkdir()
    with cache.scratch(tmp_path, "cni") as folder:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".cni-flannel.busy", folder.name])
    assert [path.name for path in tmp_path.iterdir()] == [".cni-flannel.busy"]
