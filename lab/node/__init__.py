"""The hosts' system image: built from Debian's packages, kept in the cache by the content of its recipe.

Owns: building the root file system, and loading it into Docker. Does not own: how hosts run (``lab.hosts``), nor the
address of Debian's mirror, which is read from this machine's own apt sources each time and kept nowhere.
"""

import fcntl
import hashlib
import platform
import re
import shutil
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from lab.cache import cache_root, scratch, used
from lab.errors import LabError
from lab.shell import run

FOLDER = Path(__file__).parent
REPOSITORY = "evenkeel-lab/node"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT_SOURCES = (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*")))
# Bulk that no host of the lab reads; it would only be copied again and again.
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists", "var/log/apt")


class Recipe(BaseModel):
    """What ``recipe.yaml`` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    suite: str
    packages: list[str]
    disabled: list[str]
    masked: list[str]
    enabled: list[str]
    users: list[str]


@cache
def digest() -> str:
    """The content of the recipe, as the image's tag and its name in the cache."""
    total = hashlib.sha256(platform.machine().encode())
    for file in sorted(path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        total.update(f"{file.relative_to(FOLDER)} {file.stat().st_mode & 0o777:o}\n".encode())
        total.update(file.read_bytes())
    return total.hexdigest()[:16]


def archive() -> Path:
    """The root file system as a tar file in the cache."""
    return cache_root() / "node" / f"{digest()}.tar"


def image() -> str:
    """The name under which Docker knows the image."""
    return f"{REPOSITORY}:{digest()}"


def ensure(say: Callable[[str], None]) -> None:
    """Builds the root file system unless the cache has it, and loads it unless Docker has it."""
    build(say)
    if run(["docker", "image", "inspect", image()], check=False).returncode != 0:
        say("loading the node image into Docker")
        changes = ['CMD ["/usr/local/lib/lab/init"]', "ENV container=docker"]
        options = [part for change in changes for part in ("--change", change)]
        run(["docker", "import", *options, archive(), image()])


def build(say: Callable[[str], None]) -> None:
    """Builds the root file system unless the cache has it."""
    target = archive()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            used(target)
            return
        started = time.monotonic()
        recipe = Recipe(**yaml.safe_load((FOLDER / "recipe.yaml").read_text()))
        say(f"building the node image: Debian {recipe.suite} with {len(recipe.packages)} packages")
        with scratch(target.parent, "node") as folder:
            root = folder / "root"
            _debootstrap(recipe, root)
            _customise(recipe, root)
            packed = folder / "node.tar"
            run(["tar", "--create", "--numeric-owner", "--file", packed, "--directory", root, "."])
            packed.rename(target)
        say(f"node image built in {time.monotonic() - started:.0f} s")


def _debootstrap(recipe: Recipe, root: Path) -> None:
    include = "--include=" + ",".join(recipe.packages)
    command = ["debootstrap", "--variant=minbase", f"--keyring={KEYRING}", include, recipe.suite, str(root)]
    run([*command, debian_mirror(APT_SOURCES)], env={"DEBIAN_FRONTEND": "noninteractive"})


def _customise(recipe: Recipe, root: Path) -> None:
    run(["cp", "--recursive", "--preserve=mode", f"{FOLDER / 'rootfs'}/.", root])
    (root / "etc/sudoers.d/operator").chmod(0o440)
    for user in recipe.users:
        run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/sh", "--gid", "users", user])
    for action, units in (("disable", recipe.disabled), ("mask", recipe.masked), ("enable", recipe.enabled)):
        run(["systemctl", f"--root={root}", action, *units])
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()  # each host makes its own
    (root / "etc/machine-id").write_text("")
    for name in UNUSED:
        shutil.rmtree(root / name, ignore_errors=True)


def debian_mirror(sources: tuple[Path, ...]) -> str:
    """The address from which this machine itself gets Debian's main archive."""
    for file in sources:
        for line in file.read_text().splitlines() if file.is_file() else ():
            found = re.match(r"(?:URIs:|deb(?:\s+\[[^]]*])?)\s+(https?://\S+?/debian)/?(?:\s|$)", line.strip())
            if found:
                return found[1]
    raise LabError(
        f"no Debian archive among this machine's apt sources ({', '.join(map(str, sources))}): the lab's hosts are "
        "Debian; add a `deb` line of a Debian mirror, or run the lab on Debian"
    )
