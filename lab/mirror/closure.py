"""Programs of the hosts' image together with the libraries they need, to be put into images.

Owns: finding them in the unpacked root file system. Does not own: which programs go where (``images.yaml``).
"""

import platform
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.mirror.layer import Tree
from lab.shell import run

FOLDERS = ("usr/sbin", "usr/bin", "usr/lib/postgresql/*/bin")
LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")


def unpack(archive: Path, root: Path) -> None:
    """Unpacks a system image's root file system, but for its device nodes."""
    with tarfile.open(archive) as packed:
        packed.extractall(root, members=[m for m in packed if not m.isdev()], filter="fully_trusted")


def with_libraries(root: Path, programs: Iterable[str]) -> Tree:
    """The programs and every library that the dynamic linker would load for them, at the paths it looks at."""
    tree = Tree()
    for program in programs:
        path = _find(root, program)
        tree.files[f"/{path}"] = resolve(root, f"/{path}")
        for library in _libraries(root, path):
            tree.files[library] = resolve(root, library)
    return tree


def whole(root: Path, folder: str) -> Tree:
    """Every file below a folder, and the libraries that its own need.

    ``{triplet}`` in the folder's name stands for the machine's, as in /usr/lib/{triplet}.
    """
    path = folder.format(triplet=f"{platform.machine()}-linux-gnu")
    found = sorted(file for file in (root / path.lstrip("/")).rglob("*") if not file.is_dir())
    if not found:
        raise LabError(f"the hosts' image has nothing in {path}, which an image of the lab's mirror needs")
    names = [str(file.relative_to(root)) for file in found]
    needed = {library for name in names if name.endswith(".so") for library in _libraries(root, name)}
    return Tree(files={name: resolve(root, name) for name in sorted({*(f"/{name}" for name in names), *needed})})


def resolve(root: Path, path: str) -> Path:
    """The real file behind a path of the root file system: absolute links stay inside ``root``."""
    current = root / path.lstrip("/")
    for _ in range(20):
        parent = current.parent if current.parent == root else resolve(root, f"/{current.parent.relative_to(root)}")
        current = parent / current.name
        if not current.is_symlink():
            return current
        target = current.readlink()
        current = root / str(target).lstrip("/") if target.is_absolute() else _normal(current.parent / target)
    raise LabError(f"the hosts' image: {path} is a loop of symbolic links")


def _normal(path: Path) -> Path:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)


def _find(root: Path, program: str) -> str:
    for folder in (found for pattern in FOLDERS for found in root.glob(pattern)):
        if (folder / program).exists() or (folder / program).is_symlink():
            return str((folder / program).relative_to(root))
    raise LabError(f"the hosts' image has no program {program!r}: add its package to lab/node/hub/recipe.yaml")


def _libraries(root: Path, path: str) -> list[str]:
    listed = run(["chroot", root, "ldd", f"/{path}"], check=False)
    if listed.returncode != 0:
        return []  # a static program
    return [found[1] for found in (LIBRARY.search(line) for line in listed.stdout.splitlines()) if found]
