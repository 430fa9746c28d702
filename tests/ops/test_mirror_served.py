"""A filled folder is what an ordinary registry and nginx serve, set up as docs/airgap.md says."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from lab import toolchain
from ops.fetch import Fetcher
from ops.images import MANIFESTS
from ops.lock import lock_release
from ops.mirror import download, fill
from ops.mirror.fill import Job
from releases import Mirror, read_release
from render.containerd import mirror_url
from tests.ops.contents import Contents
from tests.pages import block
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.built

SECONDS = 20
BOTH = ("amd64", "arm64")
CLIENT = httpx.Client()


def filled(folder: Path, whole: bool = False) -> Job:
    world = Contents(read_release("2026.11"))
    job = Job(world.file, world.lock(), BOTH, folder, None, whole)
    with Fetcher(False, world.transport()) as fetcher:
        downloads = download.Downloads(fetcher, folder / fill.PARTIAL)
        assert fill.fill(job, downloads.obtain, lambda done, of: None, downloads.stop) == []
    return job


@contextlib.contextmanager
def served(folder: Path, command: list[str | Path], address: str, path: str) -> Iterator[str]:
    """What the command serves at the address, once it answers there."""
    log = folder / "log"
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            eventually(lambda: _answers(f"http://{address}{path}"), SECONDS, f"{command[0]} answers; see {log}")
            yield address
        finally:
            process.terminate()


def registry(folder: Path, storage: Path, writable: bool = False) -> contextlib.AbstractContextManager[str]:
    """A registry by the page's own configuration, with another folder and port."""
    address = f"127.0.0.1:{free_port()}"
    configuration = yaml.safe_load(
        block("airgap", "yaml").replace("/srv/mirror/images", str(storage)).replace(":5000", address)
    )
    if writable:
        del configuration["storage"]["maintenance"]
        configuration["validation"] = {"manifests": {"urls": {"allow": ["^https://example.com/"]}}}
    folder.mkdir()
    (folder / "registry.yml").write_text(yaml.safe_dump(configuration))
    return served(folder, [toolchain.binary("registry", "registry"), "serve", folder / "registry.yml"], address, "/v2/")


def nginx(folder: Path, root: Path) -> contextlib.AbstractContextManager[str]:
    """nginx by the page's own configuration, with another folder and port."""
    address = f"127.0.0.1:{free_port()}"
    server = block("airgap", "nginx").replace("/srv/mirror/artifacts", str(root)).replace("8080", address)
    folder.mkdir()
    around = f"daemon off; user root; pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off; "
    (folder / "nginx.conf").write_text(f"{around}{server} }}")
    return served(folder, ["nginx", "-c", folder / "nginx.conf"], address, "/dl.k8s.io/")


def _answers(url: str) -> bool:
    try:
        CLIENT.get(url)
    except httpx.HTTPError:
        return False
    return True


def test_a_lock_that_is_written_from_it_is_the_publishers(tmp_path: Path) -> None:
    job = filled(tmp_path / "mirror")
    with (
        registry(tmp_path / "registry", tmp_path / "mirror/images") as images,
        nginx(tmp_path / "nginx", tmp_path / "mirror/artifacts") as artifacts,
    ):
        mirror = Mirror(artifacts=f"http://{artifacts}", images=f"http://{images}")
        lock = lock_release(job.file, mirror, [*job.file.architectures])
    assert (lock.artifacts, lock.images) == (job.lock.artifacts, job.lock.images)


def test_a_registry_serves_every_image_as_nodes_and_dockers_engine_ask_for_it(tmp_path: Path) -> None:
    job = filled(tmp_path / "mirror")
    with registry(tmp_path / "registry", tmp_path / "mirror/images") as address:
        for name, digest in job.lock.images.items():
            image = job.file.image(name)
            places = [f"{mirror_url(f'http://{address}', image.registry)}/{image.repository}"]
            places += [f"http://{address}/v2/{image.repository}"] if image.registry == "docker.io" else []
            for place in places:
                _pull(place, digest)


def _pull(place: str, digest: str) -> None:
    """What a pull asks for, one after the other."""
    top = _manifest(place, digest)
    entries = top.get("manifests", [])
    assert isinstance(entries, list)
    for entry in entries:
        if entry["platform"]["architecture"] in BOTH and entry["platform"]["os"] == "linux":
            _blobs(place, _manifest(place, entry["digest"]))
    if "config" in top:
        _blobs(place, top)


def _manifest(place: str, digest: str) -> dict[str, object]:
    accept = {"Accept": ", ".join(MANIFESTS)}
    answer = CLIENT.get(f"{place}/manifests/{digest}", headers=accept)
    assert (answer.status_code, answer.headers["docker-content-digest"]) == (200, digest), answer.text
    document: dict[str, object] = answer.json()
    return document


def _blobs(place: str, manifest: dict[str, object]) -> None:
    layers, config = manifest["layers"], manifest["config"]
    assert isinstance(layers, list)
    for entry in [config, *layers]:
        assert CLIENT.head(f"{place}/blobs/{entry['digest']}").status_code == 200


def test_with_every_platform_it_is_copied_into_another_registry_as_the_page_says(tmp_path: Path) -> None:
    job = filled(tmp_path / "mirror", whole=True)
    path = f"{toolchain.binary('crane', 'crane').parent}:{os.environ['PATH']}"
    with (
        registry(tmp_path / "ours", tmp_path / "mirror/images") as ours,
        registry(tmp_path / "other", tmp_path / "storage", writable=True) as other,
    ):
        script = block("airgap", "sh").replace("localhost:5000", ours).replace("REGISTRY", f"{other}/project")
        done = subprocess.run(
            ["sh", "-eu"], input=script, text=True, capture_output=True, check=False, env=os.environ | {"PATH": path}
        )
        assert done.returncode == 0, done.stderr
        for name, digest in job.lock.images.items():
            image = job.file.image(name)
            _pull(f"{mirror_url(f'http://{other}/project', image.registry)}/{image.repository}", digest)
