"""A mirror's folder holds what the release's lock names, whole and by its sha256, or says what it lacks."""

import fcntl
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from typer.testing import CliRunner, Result

from ops import images
from ops.__main__ import commands
from ops.fetch import Fetcher
from ops.mirror import download, fill
from ops.mirror.fill import Job
from releases import Mirror, ReleaseFile, read_release
from releases.schema import HUB_IMAGES
from tests.ops import contents
from tests.ops.contents import Contents, Cut
from tests.ops.loopback import serving

RELEASE = "2026.11"
MIRROR = Mirror(artifacts="http://mirror.example.com:8080", images="http://images.example.com:5000")
BOTH = ("amd64", "arm64")


@pytest.fixture
def file() -> ReleaseFile:
    return read_release(RELEASE)


@pytest.fixture
def world(file: ReleaseFile) -> Contents:
    return Contents(file)


def job_of(world: Contents, folder: Path, architectures: tuple[str, ...] = BOTH, whole: bool = False) -> Job:
    return Job(world.file, world.lock(), architectures, folder, world.mirror, whole)


def filled(world: Contents, job: Job, progress: Callable[[int, int], None] = lambda done, of: None) -> list[str]:
    with Fetcher(job.source is not None, world.transport()) as fetcher:
        downloads = download.Downloads(fetcher, job.folder / fill.PARTIAL)
        return fill.fill(job, downloads.obtain, progress, downloads.stop)


def lacks(job: Job) -> list[str]:
    return fill.check(job, download.check, lambda done, of: None)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kubelet(world: Contents) -> str:
    return world.file.artifact("kubelet", "amd64").url


def test_every_artifact_lies_where_a_host_asks_a_mirror_for_it(world: Contents, tmp_path: Path) -> None:
    assert filled(world, job_of(world, tmp_path)) == []
    for name in world.file.artifacts:
        for architecture in BOTH:
            url = world.file.artifact(name, architecture).url
            path = tmp_path / "artifacts" / contents.path_of(url)
            assert path.read_bytes() == world.content[url]
            said = path.with_name(f"{path.name}.sha256").read_text()
            assert said == f"{hashlib.sha256(world.content[url]).hexdigest()}  {path.name}\n"


def test_every_image_is_there_by_its_digest_and_its_tag(world: Contents, tmp_path: Path) -> None:
    job = job_of(world, tmp_path)
    assert filled(world, job) == []
    root = tmp_path / "images" / "docker/registry/v2"
    for name, pinned in job.lock.images.items():
        image = world.file.image(name)
        own = root / "repositories" / image.registry / image.repository
        tag = own / "_manifests/tags" / image.tag
        assert (tag / "current/link").read_text() == pinned
        assert (tag / "index" / pinned.replace(":", "/") / "link").read_text() == pinned
        assert (own / "_manifests/revisions" / pinned.replace(":", "/") / "link").read_text() == pinned
        assert contents.digest(job.store.blob(pinned).read_bytes()) == pinned


def test_docker_finds_what_is_on_docker_hub_without_the_registrys_name(world: Contents, tmp_path: Path) -> None:
    filled(world, job_of(world, tmp_path))
    root = tmp_path / "images/docker/registry/v2/repositories"
    assert files(root / "goharbor") == files(root / "docker.io/goharbor")
    assert len(list((root / "goharbor").iterdir())) == len(HUB_IMAGES)
    assert not (root / "kube-apiserver").exists()


def platforms(job: Job, name: str) -> set[tuple[str, str]]:
    """Those of an image's platforms whose manifest, configuration and layers are there."""
    index = json.loads(job.store.blob(job.lock.images[name]).read_bytes())
    there = set()
    for entry in index["manifests"]:
        if job.store.blob(entry["digest"]).is_file():
            below = json.loads(job.store.blob(entry["digest"]).read_bytes())
            served = [one for one in [below["config"], *below["layers"]] if one["mediaType"] != contents.FOREIGN]
            assert all(job.store.blob(one["digest"]).is_file() for one in served)
            there.add((entry["platform"]["os"], entry["platform"]["architecture"]))
    return there


@pytest.mark.parametrize("architectures", [("amd64",), ("arm64",), BOTH])
def test_an_image_keeps_its_digest_with_those_platforms_that_are_asked_for(
    world: Contents, tmp_path: Path, architectures: tuple[str, ...]
) -> None:
    job = job_of(world, tmp_path, architectures)
    assert filled(world, job) == []
    assert platforms(job, "pause") == {("linux", name) for name in architectures}
    assert all(path.exists() == ("arm64" in architectures) for path in [tmp_path / "artifacts/dl.k8s.io" / arm64()])


def arm64() -> str:
    return "release/v1.36.3/bin/linux/arm64/kubelet"


def test_every_platform_is_there_for_copying_an_image_elsewhere(world: Contents, tmp_path: Path) -> None:
    job = job_of(world, tmp_path, whole=True)
    assert filled(world, job) == []
    assert platforms(job, "pause") == set(contents.PLATFORMS)


def test_images_of_hubs_come_as_they_are_whatever_the_clusters_architecture(world: Contents, tmp_path: Path) -> None:
    job = job_of(world, tmp_path, ("arm64",))
    assert filled(world, job) == []
    assert job.store.blob(job.lock.images["harbor-core"]).is_file()


def test_what_is_whole_is_not_fetched_again(world: Contents, tmp_path: Path) -> None:
    filled(world, job_of(world, tmp_path))
    before, asked = files(tmp_path), len(world.asked)
    assert filled(world, job_of(world, tmp_path)) == []
    assert (files(tmp_path), len(world.asked)) == (before, asked)


def test_a_blob_that_images_share_is_fetched_once(world: Contents, tmp_path: Path) -> None:
    filled(world, job_of(world, tmp_path))
    shared = contents.digest(contents.SHARED_LAYER)
    came = [one for one in world.asked if one.url.host == "blobs.example.com" and shared in one.url.path]
    assert len(came) == 1


def test_a_file_that_was_damaged_is_fetched_again(world: Contents, tmp_path: Path) -> None:
    job = job_of(world, tmp_path)
    filled(world, job)
    artifact = tmp_path / "artifacts" / contents.path_of(kubelet(world))
    blob = job.store.blob(job.lock.images["pause"])
    artifact.write_bytes(b"x")
    blob.write_bytes(b"{}")
    found = lacks(job)
    assert len(found) == 2
    assert any(f"artifact kubelet for amd64: {artifact}: has sha256 " in line for line in found)
    assert any(f"image pause: {blob}: has sha256 " in line for line in found)
    assert filled(world, job) == []
    assert lacks(job) == []


def test_a_transfer_that_breaks_off_goes_on_where_it_was(world: Contents, tmp_path: Path) -> None:
    whole, ranges = world.content[kubelet(world)], []

    def answer(request: httpx.Request) -> httpx.Response:
        ranges.append(request.headers.get("range"))
        start = int((ranges[-1] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        end = start + 1000
        if end >= len(whole):
            return contents.partly(request, whole)
        return httpx.Response(206 if start else 200, stream=Cut(whole[start:end]))

    world.answers[kubelet(world)] = answer
    world.content[kubelet(world)] = whole = whole[:3500]
    assert filled(world, job_of(world, tmp_path)) == []
    assert ranges == [None, "bytes=1000-", "bytes=2000-", "bytes=3000-"]
    assert (tmp_path / "artifacts" / contents.path_of(kubelet(world))).read_bytes() == whole


def test_an_interrupted_run_is_gone_on_with_by_the_next_one(world: Contents, tmp_path: Path) -> None:
    """What an earlier run left is a beginning, though it be longer than what there is, or of something else."""
    whole = world.content[kubelet(world)]
    part = tmp_path / fill.PARTIAL / hashlib.sha256(whole).hexdigest()
    for left in (whole[:1234], whole, whole + b"more", b"something else"):
        part.parent.mkdir(exist_ok=True)
        part.write_bytes(left)
        assert filled(world, job_of(world, tmp_path)) == []
        assert not part.exists()
        target = tmp_path / "artifacts" / contents.path_of(kubelet(world))
        assert target.read_bytes() == whole
        target.unlink()


def test_a_run_that_is_stopped_ends_in_the_middle_of_a_transfer_and_keeps_what_came(
    world: Contents, tmp_path: Path
) -> None:
    begun = threading.Event()

    def without_end() -> Iterator[bytes]:
        while True:
            yield b"x"
            begun.set()
            time.sleep(0.001)

    def stop(done: int, of: int) -> None:
        if begun.is_set():
            raise KeyboardInterrupt

    world.answers[kubelet(world)] = lambda request: httpx.Response(200, stream=Endless(without_end))
    job = job_of(world, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        filled(world, job, stop)
    assert (tmp_path / fill.PARTIAL / job.lock.artifacts["kubelet"]["amd64"]).stat().st_size > 0


class Endless(httpx.SyncByteStream):
    """Content that a generator makes."""

    def __init__(self, blocks: Callable[[], Iterator[bytes]]) -> None:
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks()


def test_a_server_that_knows_of_no_parts_is_asked_for_the_whole(world: Contents, tmp_path: Path) -> None:
    whole = world.content[kubelet(world)]
    part = tmp_path / fill.PARTIAL / hashlib.sha256(whole).hexdigest()
    part.parent.mkdir()
    part.write_bytes(whole[:10])
    world.answers[kubelet(world)] = lambda request: httpx.Response(200, stream=httpx.ByteStream(whole))
    assert filled(world, job_of(world, tmp_path)) == []


def test_a_server_that_always_breaks_off_is_named_and_what_came_is_kept(world: Contents, tmp_path: Path) -> None:
    whole = world.content[kubelet(world)]
    world.answers[kubelet(world)] = lambda request: httpx.Response(200, stream=Cut(whole[:100]))
    (fault,) = filled(world, job_of(world, tmp_path))
    assert fault.startswith(f"{kubelet(world)}: cannot be fetched (Connection reset by peer); check the address")
    assert (tmp_path / fill.PARTIAL / hashlib.sha256(whole).hexdigest()).stat().st_size == 100


def test_what_is_not_what_the_lock_says_is_never_in_place(world: Contents, tmp_path: Path) -> None:
    job = job_of(world, tmp_path)
    blob = world.addresses("pause", "blobs")[0]
    for address in (kubelet(world), blob):
        world.content[address] = b"something else"
    faults = filled(world, job)
    assert len(faults) == 2
    got = hashlib.sha256(b"something else").hexdigest()
    told = f"artifact kubelet for amd64: {kubelet(world)}: has sha256 {got}, and the release's lock says "
    assert any(line.startswith(told) for line in faults)
    assert not (tmp_path / "artifacts" / contents.path_of(kubelet(world))).exists()
    assert files(tmp_path / fill.PARTIAL) == {}


def test_every_fault_is_told_and_all_else_is_there(world: Contents, tmp_path: Path) -> None:
    job = job_of(world, tmp_path)
    layer = next(one for one in world.addresses("coredns", "blobs") if b"layer of coredns arm64" in world.content[one])
    index = next(one for one in world.addresses("pause", "manifests") if one.endswith(job.lock.images["pause"]))
    for address in (kubelet(world), layer, index):
        del world.content[address]
    assert sorted(line.partition("; ")[0] for line in filled(world, job)) == [
        f"artifact kubelet for amd64: {kubelet(world)}: is not there (HTTP 404)",
        f"image coredns: {layer}: is not there (HTTP 404)",
        f"image pause: {index}: is not there (HTTP 404)",
    ]
    assert len(lacks(job)) == 3


def test_an_image_that_lacks_a_layer_is_not_to_be_had_by_its_tag(world: Contents, tmp_path: Path) -> None:
    """A registry would serve its manifest, and each host would fail in the middle of a pull."""
    layer = next(one for one in world.addresses("coredns", "blobs") if b"layer of coredns arm64" in world.content[one])
    content = world.content.pop(layer)
    filled(world, job_of(world, tmp_path))
    repositories = tmp_path / "images/docker/registry/v2/repositories/registry.k8s.io"
    assert not (repositories / "coredns").exists()
    assert (repositories / "pause").exists()
    world.content[layer] = content
    assert filled(world, job_of(world, tmp_path)) == []
    assert (repositories / "coredns").exists()


def test_links_that_are_lost_are_told_and_made_again(world: Contents, tmp_path: Path) -> None:
    job = job_of(world, tmp_path)
    filled(world, job)
    link = next((tmp_path / "images/docker/registry/v2/repositories/ghcr.io").rglob("current/link"))
    sums = next((tmp_path / "artifacts").rglob("*.sha256"))
    link.unlink()
    sums.write_text("x")
    found = sorted(lacks(job))
    assert f"{sums}: does not say its sha256" in found[0]
    assert found[1].startswith(f"image flannel: is there, and a registry does not find it: {link} is missing;")
    before = files(tmp_path)
    lacks(job)
    assert files(tmp_path) == before
    assert filled(world, job) == []
    assert lacks(job) == []


def test_an_image_without_an_architecture_that_is_asked_for_is_a_fault(file: ReleaseFile, tmp_path: Path) -> None:
    world = Contents(file)
    job = job_of(world, tmp_path)
    index = next(one for one in world.addresses("pause", "manifests") if one.endswith(job.lock.images["pause"]))
    document = json.loads(world.content[index])
    document["manifests"] = [one for one in document["manifests"] if one["platform"]["architecture"] != "arm64"]
    thin = json.dumps(document).encode()
    world.content[f"{index.rpartition('/')[0]}/{contents.digest(thin)}"] = thin
    lock = job.lock.model_copy(update={"images": {**job.lock.images, "pause": contents.digest(thin)}})
    (fault,) = filled(world, Job(file, lock, BOTH, tmp_path))
    assert "has nothing for arm64; leave that architecture out with --arch" in fault


def test_progress_ends_with_all_that_there_is(world: Contents, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    filled(world, job_of(world, tmp_path), lambda done, of: steps.append((done, of)))
    done, of = steps[-1]
    assert done == of == len(steps)


def test_filled_from_a_mirror_nobody_else_is_asked(file: ReleaseFile, tmp_path: Path) -> None:
    world = Contents(file, MIRROR)
    assert filled(world, job_of(world, tmp_path)) == []
    assert {request.url.host for request in world.asked} == {"mirror.example.com", "images.example.com"}
    assert (tmp_path / "artifacts/dl.k8s.io" / arm64()).is_file()


def test_a_mirror_may_lie_below_a_path_as_hosts_ask_it(file: ReleaseFile) -> None:
    """The API's own /v2 comes first, and then the path: a project of Harbor, for one."""
    below = Mirror(artifacts="http://m", images="https://hub.example.com/proxy/")
    assert images.manifest_url(file.image("pause"), below).startswith(
        "https://hub.example.com/v2/proxy/registry.k8s.io/pause/manifests/"
    )


@pytest.fixture
def served(file: ReleaseFile) -> Iterator[tuple[Contents, str]]:
    """The content on a real port of the loopback, as a mirror serves it."""
    mirror = Mirror(artifacts="http://m", images="http://m")
    world = Contents(file, mirror)
    with serving(lambda path: world.content.get(f"http://m{path}")) as url:
        yield world, url


@pytest.fixture
def lock(served: tuple[Contents, str], tmp_path: Path) -> Path:
    path = tmp_path / "lock.yaml"
    path.write_text(yaml.safe_dump(served[0].lock().model_dump()))
    return path


def run(folder: Path, lock: Path, *words: str) -> Result:
    done = CliRunner().invoke(commands(), ["mirror", RELEASE, str(folder), "--lock", str(lock), *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def source(served: tuple[Contents, str]) -> list[str]:
    return ["--mirror-artifacts", served[1], "--mirror-images", served[1]]


def test_the_command_fills_a_folder_and_checks_it(served: tuple[Contents, str], lock: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    done = run(folder, lock, *source(served))
    assert done.exit_code == 0, done.output
    assert "whole: release 2026.11, 7 artifacts for amd64, arm64, 19 images\n" in done.stdout
    again = run(folder, lock, *source(served))
    assert "fetched: 0 bytes" in again.stdout
    served[0].content.clear()
    assert run(folder, lock, "--check").exit_code == 0


def test_the_command_says_what_a_folder_lacks(lock: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "empty", lock, "--check", "--arch", "amd64")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 7 + 19
    assert "artifact etcd for amd64: " in done.stderr
    assert "is not there; fetch it: run this without --check" in done.stderr
    assert not (tmp_path / "empty").exists()


def test_the_command_names_what_could_not_be_had(served: tuple[Contents, str], lock: Path, tmp_path: Path) -> None:
    del served[0].content[next(address for address in served[0].content if address.endswith("/amd64/kubelet"))]
    done = run(tmp_path / "folder", lock, *source(served))
    assert done.exit_code == 1
    assert "artifact kubelet for amd64: " in done.stderr
    assert "is not there (HTTP 404); check the version of kubelet in releases/2026.11.yaml" in done.stderr


def test_two_runs_do_not_fill_one_folder_at_once(served: tuple[Contents, str], lock: Path, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run(tmp_path, lock, *source(served))
    assert done.exit_code == 1
    assert f"{tmp_path}: another run is filling it; wait for its end" in done.stderr


def test_a_folder_that_cannot_be_written_to_is_named(served: tuple[Contents, str], lock: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path / "file" / "folder", lock, *source(served))
    assert done.exit_code == 1
    assert "folder: cannot be used (Not a directory); see to it" in done.stderr


def test_what_the_lock_does_not_have_is_refused(lock: Path, tmp_path: Path) -> None:
    done = run(tmp_path, lock, "--arch", "s390x")
    assert "--arch: s390x: is not in the lock of release 2026.11; choose from amd64, arm64, or lock it" in done.stderr
    done = run(tmp_path, tmp_path / "no.yaml")
    assert "no.yaml: does not exist; write it with `python -m ops lock 2026.11 --output " in done.stderr
