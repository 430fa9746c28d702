"""Builds the lab's programs from pinned Go modules and caches them by content.

Owns: which Go packages are built and how (``groups.yaml``), and the cache folder of built binaries.
Does not own: what is done with them (``lab.mirror`` packs them, ``lab.images`` wraps them in images).

A group is rebuilt when a file of its folder, its build settings or the Go version change, and never otherwise: the
cache lies outside the clone, so that a second clone builds nothing.
"""

import fcntl
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from lab.cache import cache_root as cache_root
from lab.cache import scratch, used

FOLDER = Path(__file__).parent
_OF_A_VERSION = re.compile(r"-\d+(\.\d+)+$")


class BuildError(Exception):
    """A Go build failed; the text names the group and carries the compiler's last lines."""


class Group(BaseModel):
    """One Go module whose commands are built together."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    env: dict[str, str]
    tags: str = ""
    ldflags: str = ""
    binaries: dict[str, str]


def groups() -> dict[str, Group]:
    """Every group of ``groups.yaml`` by name, in build order."""
    table = yaml.safe_load((FOLDER / "groups.yaml").read_text())
    return {name: Group(**settings) for name, settings in table.items()}


@cache
def go_version() -> str:
    """The compiler's own version, part of every cache key."""
    return subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()


def output_folder(name: str) -> Path:
    """Where the binaries of group ``name`` lie, or will lie once it is built."""
    digest = hashlib.sha256(json.dumps([groups()[name].model_dump(), go_version()], sort_keys=True).encode())
    for file in sorted(file for file in (FOLDER / name).rglob("*") if file.is_file()):
        digest.update(str(file.relative_to(FOLDER / name)).encode() + file.read_bytes())
    return cache_root() / "toolchain" / f"{name}-{digest.hexdigest()[:16]}"


def of_version(name: str, versions: Mapping[str, str]) -> str:
    """The group that has group ``name``'s programs at these versions: one of that version's name, or itself."""
    older = f"{name}-{versions.get(name)}"
    return older if older in groups() else name


def build(names: Iterable[str] | None = None, say: Callable[[str], None] = print) -> None:
    """Builds the named groups that are not in the cache yet; by default all but those of older versions."""
    for name in names or [name for name in groups() if not _OF_A_VERSION.search(name)]:
        if not output_folder(name).is_dir():
            _build_group(name, say)
        used(output_folder(name))


def binary(group: str, name: str) -> Path:
    """The path of one built binary."""
    return output_folder(group) / name


def _build_group(name: str, say: Callable[[str], None]) -> None:
    group, target = groups()[name], output_folder(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second clone waits for the first one's build instead of repeating it
        if target.is_dir():
            return
        say(f"toolchain: building {name} ({', '.join(group.binaries)})")
        started = time.monotonic()
        with scratch(target.parent, name) as folder:
            output = folder / "bin"
            _go_build(name, group, output)
            output.rename(target)
        say(f"toolchain: {name} built in {time.monotonic() - started:.0f} s")


def _go_build(name: str, group: Group, output: Path) -> None:
    output.mkdir()
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"} | group.env
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-tags", group.tags]
    command += ["-ldflags", f"-s -w {group.ldflags}", "-o", f"{output}/", *group.binaries.values()]
    done = subprocess.run(command, cwd=FOLDER / name, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"toolchain group {name!r} did not build:\n" + "\n".join(done.stderr.splitlines()[-20:]))
    for wanted, package in group.binaries.items():
        _name_of(output, package).rename(output / wanted)


def _name_of(output: Path, package: str) -> Path:
    """``go build`` names a binary after the last path element that is not a major-version suffix."""
    parts = package.split("/")
    last = parts[-2] if parts[-1].startswith("v") and parts[-1][1:].isdigit() else parts[-1]
    return output / last
