"""A real client pushes through one node and pulls through the other."""

import hashlib
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from lab import toolchain
from tests.lab_harbor.site import ADMIN, Program, Site

pytestmark = pytest.mark.built


@pytest.fixture(scope="module")
def nodes(site: Site) -> tuple[Program, Program]:
    return site.core(site.registry()), site.core(site.registry())


class Crane:
    """crane, logged in at both nodes."""

    def __init__(self, folder: Path, nodes: tuple[Program, ...]) -> None:
        self.folder = folder
        for node in nodes:
            name, password = ADMIN
            self.run("auth", "login", "-u", name, "--password-stdin", f"127.0.0.1:{node.port}", stdin=password)

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Its output."""
        environment = os.environ | {"DOCKER_CONFIG": str(self.folder)}
        command = [str(toolchain.binary("crane", "crane")), *arguments]
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def _layer(folder: Path, name: str, size: int) -> Path:
    content = folder / name
    content.write_bytes(os.urandom(size))
    archive = folder / f"{name}.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(content, name)
    return archive


def test_what_is_pushed_through_one_node_is_pulled_through_the_other(
    tmp_path: Path, nodes: tuple[Program, Program]
) -> None:
    one, other = nodes
    crane = Crane(tmp_path, nodes)
    layers = [_layer(tmp_path, f"layer{number}", 10_000_000) for number in range(2)]
    image = f"127.0.0.1:{one.port}/library/image:1"
    crane.run("append", *[part for layer in layers for part in ("-f", str(layer))], "-t", image)
    crane.run("pull", f"127.0.0.1:{other.port}/library/image:1", str(tmp_path / "pulled.tar"))
    assert crane.run("digest", image) == crane.run("digest", f"127.0.0.1:{other.port}/library/image:1")
    with tarfile.open(tmp_path / "pulled.tar") as pulled:
        assert sum(name.endswith(".tar.gz") for name in pulled.getnames()) == 2
    assert crane.run("ls", f"127.0.0.1:{other.port}/library/image") == "1"


def test_a_blob_is_mounted_from_another_project(tmp_path: Path, nodes: tuple[Program, Program]) -> None:
    one, other = nodes
    assert one.request("POST", "/api/v2.0/projects", json={"project_name": "own"}, auth=ADMIN).status_code == 201
    crane = Crane(tmp_path, nodes)
    layer = _layer(tmp_path, "layer", 1000)
    crane.run("append", "-f", str(layer), "-t", f"127.0.0.1:{one.port}/library/mounted:1")
    manifest = crane.run("manifest", f"127.0.0.1:{one.port}/library/mounted:1")
    digest = manifest.split('"layers"')[1].split('"digest":"')[1].split('"')[0]
    query = {"mount": digest, "from": "library/mounted"}
    mounted = other.request("POST", "/v2/own/image/blobs/uploads/", params=query, auth=ADMIN)
    assert mounted.status_code == 201
    pulled = other.request("GET", f"/v2/own/image/blobs/{digest}", auth=ADMIN)
    assert hashlib.sha256(pulled.content).hexdigest() == digest.removeprefix("sha256:")
