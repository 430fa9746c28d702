"""Makes the lab's container images and pushes them into a registry.

Owns: the form of an image (one layer, a configuration) from ``images.yaml``. Does not own: the names that the release
gives the images (``lab.mirror.content``), or the registry.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from lab import toolchain
from lab.mirror import closure
from lab.mirror.layer import Tree
from lab.shell import run

RECIPES = Path(__file__).with_name("images.yaml")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM_FILES = {"/etc/passwd": "root:x:0:0:root:/:/bin/sh\n", "/etc/nsswitch.conf": "hosts: files dns\n"}
OCI = "application/vnd.oci.image"
PAUSE_SOURCE = "build/pause/linux/pause.c"

Descriptor = dict[str, str | int]


class Recipe(BaseModel):
    """What ``images.yaml`` says of one image."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    programs: dict[str, str] = {}
    tools: list[str] = []
    trees: list[str] = []
    busybox: list[str] = []
    scripts: dict[str, str] = {}
    links: dict[str, str] = {}
    contents: dict[str, str] = {}
    writable: list[str] = []
    env: dict[str, str] = {}
    user: str = ""
    entrypoint: list[str]


def recipes() -> dict[str, Recipe]:
    """Every image of ``images.yaml`` by name."""
    return {name: Recipe(**fields) for name, fields in yaml.safe_load(RECIPES.read_text()).items()}


def push(recipe: Recipe, root: Path, references: Sequence[str], architecture: str, versions: Mapping[str, str]) -> None:
    """Makes the image and pushes it under each of ``references``, whose registry speaks plain HTTP.

    ``{name}`` in the recipe's environment stands for that version of the release; programs are those of the versions.
    """
    with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
        layout = Path(scratch) / "image"
        environment = [f"{name}={value.format(**versions)}" for name, value in recipe.env.items()]
        _pack(_tree(recipe, root, Path(scratch), versions), recipe, environment, architecture, layout)
        for reference in references:
            run([toolchain.binary("crane", "crane"), "push", "--insecure", layout, reference])


def _tree(recipe: Recipe, root: Path, scratch: Path, versions: Mapping[str, str]) -> Tree:
    tree = closure.with_libraries(root, recipe.tools)
    for folder in recipe.trees:
        tree.files.update(closure.whole(root, folder).files)
    for path, source in recipe.programs.items():
        tree.files[path] = _pause(scratch) if source == "pause" else _program(source, versions)
    if recipe.busybox:
        tree.files["/bin/busybox"] = closure.resolve(root, "/bin/busybox")
        tree.links.update({f"/bin/{applet}": "busybox" for applet in recipe.busybox})
    tree.files.update({path: RECIPES.with_name(script) for path, script in recipe.scripts.items()})
    tree.links.update(recipe.links)
    contents = SYSTEM_FILES | recipe.contents
    tree.contents.update({path: text.encode() for path, text in contents.items()})
    tree.writable.update(recipe.writable)
    return tree


def _program(source: str, versions: Mapping[str, str]) -> Path:
    group, name = source.split("/")
    return toolchain.binary(toolchain.of_version(group, versions), name)


def _pause(scratch: Path) -> Path:
    """The pause container's program, from Kubernetes' own source; no Go module builds it."""
    listed = run(
        ["go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"],
        cwd=toolchain.FOLDER / "kubernetes",
        env={"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"},
    )
    source, target = Path(listed.stdout.strip()) / PAUSE_SOURCE, scratch / "pause"
    run(["gcc", "-Os", "-Wall", "-static", "-s", "-DVERSION=lab", "-o", target, source])
    return target


def _pack(tree: Tree, recipe: Recipe, environment: list[str], architecture: str, layout: Path) -> None:
    """An OCI image layout. The layer is not compressed: every host would spend seconds of this machine on it."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    archive = layout / "layer.tar"
    with archive.open("wb") as target:
        tree.write(target)
    with archive.open("rb") as packed:
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
    layer = _descriptor("layer.v1.tar", digest, archive.stat().st_size)
    archive.rename(blobs / digest)
    process = {"User": recipe.user, "Env": [PATH, *environment], "Entrypoint": recipe.entrypoint}
    layers = {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
    config = {"architecture": architecture, "os": "linux", "config": process, "rootfs": layers}
    parts = {"config": _blob(blobs, "config.v1+json", config), "layers": [layer]}
    manifest = _blob(blobs, "manifest.v1+json", {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", **parts})
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (layout / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))


def _blob(folder: Path, kind: str, content: object) -> Descriptor:
    """Writes JSON under its digest."""
    text = json.dumps(content).encode()
    digest = hashlib.sha256(text).hexdigest()
    (folder / digest).write_bytes(text)
    return _descriptor(kind, digest, len(text))


def _descriptor(kind: str, digest: str, size: int) -> Descriptor:
    return {"mediaType": f"{OCI}.{kind}", "digest": f"sha256:{digest}", "size": size}
