"""What the lab's mirror serves: a folder in the cache, built once for its content.

Owns: the folder's layout (``artifacts/``, ``registry/``, ``bin/registry``) and when it is built. Does not own: what is
in an archive or an image, nor serving it (``lab.mirror.serve``).
"""

import fcntl
import hashlib
import platform
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import node, toolchain
from lab.cache import scratch, used
from lab.errors import LabError
from lab.hosts import MIRROR_CACHE
from lab.mirror import artifacts, closure, images
from releases import ReleaseFile, read_release

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PACKED = (
    "cni",
    "cni-flannel",
    "containerd",
    "coredns",
    "etcd",
    "flannel",
    "harbor",
    "kubernetes",
    "registry",
    "registry-harbor",
    "runc",
)
TOOLS_IMAGE = "registry.k8s.io/lab/tools:1"
BEFORE = "2026.10"  # the release that hubs of tests are upgraded from; it differs in Harbor's version alone
REGISTRY_SECONDS = 20


def architecture() -> str:
    """This machine's architecture in Go's words; the only one that the lab's mirror has."""
    found = ARCHITECTURES.get(platform.machine())
    if found is None:
        raise LabError(f"machine architecture {platform.machine()}: the lab knows {', '.join(ARCHITECTURES)}")
    return found


def digest(release: ReleaseFile, *more: ReleaseFile) -> str:
    """What the content depends on: the releases, the programs, the hosts' image and how things are packed."""
    releases = (release, read_release(BEFORE), *more)
    texts = [node.HUB.digest, *(one.model_dump_json() for one in releases)]
    total = hashlib.sha256("".join(texts).encode())
    for group in programs(*releases):
        total.update(toolchain.output_folder(group).name.encode())
    for file in sorted(Path(__file__).parent.glob("*")):
        if file.is_file() and file.name not in ("serve.py", "__init__.py"):
            total.update(file.read_bytes())
    return total.hexdigest()[:16]


def programs(*releases: ReleaseFile) -> list[str]:
    """The toolchain's groups whose programs are packed for these releases."""
    return list(dict.fromkeys(toolchain.of_version(g, one.versions.placeholders()) for one in releases for g in PACKED))


def ensure(release: ReleaseFile, say: Callable[[str], None], *more: ReleaseFile) -> Path:
    """The folder with everything that the mirror serves, built unless the cache has it."""
    target = MIRROR_CACHE / digest(release, *more)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "mirror.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return used(target)
        started = time.monotonic()
        say(f"packing the artifacts and images of release {release.name}")
        with scratch(target.parent, "mirror") as folder:
            built = folder / "content"
            _build([release, *more], folder, built)
            built.chmod(0o755)
            built.rename(target)
        say(f"mirror's content built in {time.monotonic() - started:.0f} s")
    return target


def references(release: ReleaseFile) -> dict[str, str]:
    """The official name of every image that the mirror has: what it can make of the release, and one more."""
    made = images.recipes()
    return {name: str(release.image(name)) for name in release.images if name in made} | {"tools": TOOLS_IMAGE}


def _build(releases: Sequence[ReleaseFile], folder: Path, built: Path) -> None:
    root = folder / "root"
    root.mkdir()
    closure.unpack(node.HUB.archive, root)
    for release in releases:
        artifacts.write(release, architecture(), built / "artifacts")
    (built / "bin").mkdir()
    (built / "bin" / "registry").write_bytes(toolchain.binary("registry", "registry").read_bytes())
    (built / "bin" / "registry").chmod(0o755)
    recipes = images.recipes()
    wanted = {
        reference: (recipes[name], one.versions.placeholders())
        for one in (read_release(BEFORE), *releases)
        for name, reference in references(one).items()
    }
    with _registry(built / "registry", folder) as address:
        for reference, (recipe, versions) in wanted.items():
            places = [f"{address}/{place}" for place in _places(reference)]
            images.push(recipe, root, places, architecture(), versions)


def _places(reference: str) -> list[str]:
    """A repository carries its registry's name. Docker asks its mirrors for what is on Docker Hub without that."""
    own = reference.removeprefix("docker.io/")
    return [reference] if own == reference else [reference, own]


@contextmanager
def _registry(storage: Path, folder: Path) -> Iterator[str]:
    """A registry on the loopback interface, for as long as images are pushed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    configuration = folder / "registry.yml"
    configuration.write_text(
        f"version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {storage}}}}}\n"
        f"http: {{addr: '{address}'}}\n"
    )
    with (folder / "registry.log").open("w") as log:
        program = toolchain.binary("registry", "registry")
        process = subprocess.Popen([program, "serve", configuration], stdout=log, stderr=log)
    try:
        _await(process, address, folder / "registry.log")
        yield address
    finally:
        process.terminate()
        process.wait()


def _await(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + REGISTRY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise LabError(f"the registry for building the mirror does not start at {address}:\n{log.read_text()[-2000:]}")
