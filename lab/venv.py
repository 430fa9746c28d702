"""Makes the virtual environment that everything else runs in, cached by content outside the clone.

Owns: the folder ``venv/<hash of the requirement files and the Python version>`` in the cache, and the clone's
``.venv`` link to it. Does not own: what is required (``requirements*.txt``, ``constraints.txt``). Standard library
only. Run as ``python3 -m lab.venv``.
"""

import fcntl
import hashlib
import importlib.util
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from lab.cache import cache_root, used

CLONE = Path(__file__).resolve().parent.parent
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "constraints.txt")
OLDEST_PYTHON = (3, 11)


def folder() -> Path:
    """Where the environment for these requirements and this Python lies, or will lie."""
    digest = hashlib.sha256(f"{platform.python_version()} {sys.base_prefix}".encode())
    for name in REQUIREMENTS:
        digest.update((CLONE / name).read_bytes())
    return cache_root() / "venv" / digest.hexdigest()[:16]


def ensure() -> Path:
    """Builds the environment unless the cache has it whole, and points ``.venv`` at it."""
    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / "complete").exists():
            _build(target)
    _link(CLONE / ".venv", used(target))
    return target


def _build(target: Path) -> None:
    # Built where it stays: a virtual environment's scripts name their own folder, so it can't be moved into place.
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("venv: this Python cannot bring pip along: apt-get install python3-venv, and run make again")
    print(f"venv: installing {', '.join(REQUIREMENTS)}", flush=True)
    shutil.rmtree(target, ignore_errors=True)
    venv.create(target, with_pip=True)
    command = [str(target / "bin" / "pip"), "install", "--quiet", "--requirement", "requirements-dev.txt"]
    if subprocess.run(command, cwd=CLONE, check=False).returncode != 0:
        sys.exit("venv: pip could not install requirements-dev.txt (see above); correct that and run make venv again")
    (target / "complete").touch()


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    if link.exists() and not link.is_symlink():
        sys.exit(f"venv: {link} is in the way: it should be a link to {target}; remove it and run make venv again")
    fresh = link.with_name(".venv.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


if __name__ == "__main__":
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"venv: Python {platform.python_version()} is too old; run make with PYTHON=<a Python 3.11 or newer>")
    ensure()
