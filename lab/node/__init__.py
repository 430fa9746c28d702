"""The hosts' system images: built from Debian's packages, kept in the cache by the content of their recipes.

Owns: building the root file systems, and loading them into Docker. Does not own: how hosts run (``lab.hosts``), nor the
address of Debian's mirror, which is read from this machine's own apt sources each time and kept nowhere.
"""

import fcntl
import hashlib
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from lab.cache import cache_root, scratch, used
from lab.errors import LabError
from lab.shell import run

FOLDER = Path(__file__).parent
REPOSITORY = "evenkeel-lab"
SUITE = "bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT_SOURCES = (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*")))
# Bulk that no host of the lab reads; it would only be copied again and again.
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists", "var/log/apt")


class Recipe(BaseModel):
    """What a ``recipe.yaml`` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    packages: list[str]
    disabled: list[str]
    masked: list[str] = []
    enabled: list[str] = []
    users: list[str] = []
    unused: list[str] = []


@dataclass(frozen=True)
class Image:
    """One system image: a folder with ``recipe.yaml`` and ``rootfs``, on top of another image where it has a base."""

    name: str
    folder: Path
    base: "Image | None" = None

    @property
    def digest(self) -> str:
        """The content of the recipe, as the image's tag and its name in the cache."""
        return _digest(self)

    @property
    def archive(self) -> Path:
        """The root file system as a tar file in the cache."""
        return cache_root() / self.name / f"{self.digest}.tar"

    @property
    def reference(self) -> str:
        """The name under which Docker knows the image."""
        return f"{REPOSITORY}/{self.name}:{self.digest}"

    @property
    def recipe(self) -> Recipe:
        """What goes into it."""
        return Recipe(**yaml.safe_load((self.folder / "recipe.yaml").read_text()))


NODE = Image("node", FOLDER)
HUB = Image("hub", FOLDER / "hub", NODE)
IMAGES = (NODE, HUB)


@cache
def _digest(image: Image) -> str:
    total = hashlib.sha256(f"{platform.machine()} {image.base.digest if image.base else ''}".encode())
    for file in [FOLDER / "__init__.py", image.folder / "recipe.yaml", *sorted((image.folder / "rootfs").rglob("*"))]:
        if file.is_file():
            total.update(f"{file.relative_to(FOLDER)} {file.stat().st_mode & 0o777:o}\n".encode())
            total.update(file.read_bytes())
    return total.hexdigest()[:16]


def ensure(say: Callable[[str], None]) -> None:
    """Builds the root file systems unless the cache has them, and loads them unless Docker has them."""
    for image in IMAGES:
        build(image, say)
        if run(["docker", "image", "inspect", image.reference], check=False).returncode != 0:
            say(f"loading the {image.name} image into Docker")
            changes = ['CMD ["/usr/local/lib/lab/init"]', "ENV container=docker"]
            options = [part for change in changes for part in ("--change", change)]
            run(["docker", "import", *options, image.archive, image.reference])


def build(image: Image, say: Callable[[str], None]) -> None:
    """Builds the root file system unless the cache has it; that of its base must be there."""
    target = image.archive
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{image.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            used(target)
            return
        started = time.monotonic()
        say(f"building the {image.name} image: Debian {SUITE} with {len(image.recipe.packages)} packages")
        with scratch(target.parent, image.name) as folder:
            root = folder / "root"
            _install(image, root)
            _customise(image, root)
            packed = folder / "packed.tar"
            run(["tar", "--create", "--numeric-owner", "--file", packed, "--directory", root, "."])
            packed.rename(target)
        say(f"{image.name} image built in {time.monotonic() - started:.0f} s")


def _install(image: Image, root: Path) -> None:
    mirror, packages = debian_mirror(APT_SOURCES), image.recipe.packages
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    if image.base is None:
        options = ["--variant=minbase", f"--keyring={KEYRING}", "--include=" + ",".join(packages)]
        run(["debootstrap", *options, SUITE, str(root), mirror], env=environment)
        return
    root.mkdir()
    run(["tar", "--extract", "--numeric-owner", "--file", image.base.archive, "--directory", root])
    (root / "etc/apt/sources.list").write_text(f"deb {mirror} {SUITE} main\n")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    apt = ["chroot", str(root), "apt-get", "--quiet=2"]
    with _no_services(root):
        run([*apt, "update"], env=environment)
        run([*apt, "install", "--yes", "--no-install-recommends", *packages], env=environment)


@contextmanager
def _no_services(root: Path) -> Iterator[None]:
    """No package starts its service in the chroot, which is on this machine."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    yield
    policy.unlink()


def _customise(image: Image, root: Path) -> None:
    recipe = image.recipe
    run(["cp", "--recursive", "--preserve=mode", f"{image.folder / 'rootfs'}/.", root])
    (root / "etc/sudoers.d/operator").chmod(0o440)
    for user in recipe.users:
        run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/sh", "--gid", "users", user])
    for action, units in (("disable", recipe.disabled), ("mask", recipe.masked), ("enable", recipe.enabled)):
        if units:
            run(["systemctl", f"--root={root}", action, *units])
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()  # each host makes its own
    (root / "etc/machine-id").write_text("")
    for pattern in (*UNUSED, *recipe.unused):
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


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
