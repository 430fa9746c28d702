"""The lock holds what publishers, registries or a mirror said; where one of them is silent, there is no lock."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import settings
from ops import checksums
from ops.lock import LockError, lock_release, write_lock
from releases import LockFile, Mirror, ReleaseFile, read_lock, read_release
from tests.ops import publishers
from tests.ops.loopback import serving
from tests.settings import samples

RELEASE = "2026.11"
REPOSITORY = Path(__file__).parents[2]
SUM, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def file() -> ReleaseFile:
    return read_release(RELEASE)


@pytest.fixture
def world(file: ReleaseFile) -> publishers.World:
    return publishers.World(file)


def refusals(file: ReleaseFile, world: publishers.World, **options: Any) -> list[str]:
    with pytest.raises(LockError) as caught:
        lock_release(file, options.pop("mirror", None), ["amd64", "arm64"], transport=world.transport(), **options)
    return str(caught.value).splitlines()


def kubelet_sum(file: ReleaseFile, architecture: str = "amd64") -> str:
    return file.artifact("kubelet", architecture).checksums


def test_a_lock_holds_what_each_publisher_says(file: ReleaseFile, world: publishers.World) -> None:
    lock = lock_release(file, None, ["amd64", "arm64"], transport=world.transport())
    for name in file.artifacts:
        for architecture in ("amd64", "arm64"):
            url = file.artifact(name, architecture).url
            assert {str(key): value for key, value in lock.artifacts[name].items()}[architecture] == publishers.sha256(
                url
            )
    for name in file.images:
        assert lock.images[name] == publishers.digest(publishers.manifest(file.image(name)))
    assert lock.source == "publishers"


def test_progress_is_told_for_each_thing_looked_up(file: ReleaseFile, world: publishers.World) -> None:
    steps: list[None] = []
    lock_release(file, None, ["amd64", "arm64"], transport=world.transport(), advance=lambda: steps.append(None))
    assert len(steps) == 2 * len(file.artifacts) + len(file.images)


def test_one_architecture_may_be_locked_alone(file: ReleaseFile, world: publishers.World) -> None:
    lock = lock_release(file, None, ["arm64"], transport=world.transport())
    assert {tuple(locked) for locked in lock.artifacts.values()} == {("arm64",)}


def test_a_written_lock_is_read_back_by_a_stack(root: Path, file: ReleaseFile, world: publishers.World) -> None:
    lock = lock_release(file, None, ["amd64", "arm64"], transport=world.transport())
    assert write_lock(lock, root / "lock.yaml")
    stack = settings.parse(samples.values(), root)
    url = file.artifact("etcd", "amd64").url
    assert stack.release.artifact("etcd", "amd64").sha256 == publishers.sha256(url)
    assert stack.release.lock == lock


def test_writing_the_same_lock_again_changes_nothing(root: Path, file: ReleaseFile, world: publishers.World) -> None:
    lock = lock_release(file, None, ["amd64"], transport=world.transport())
    assert write_lock(lock, root / "new" / "lock.yaml")
    before = (root / "new" / "lock.yaml").stat()
    assert not write_lock(lock, root / "new" / "lock.yaml")
    after = (root / "new" / "lock.yaml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert [path.name for path in (root / "new").iterdir()] == ["lock.yaml"]


MISBEHAVIOUR: list[tuple[httpx.Response, str]] = [
    (httpx.Response(404), "is not there (HTTP 404); check the version of kubelet in releases/2026.11.yaml"),
    (httpx.Response(503), "answered HTTP 503; try again later"),
    (httpx.Response(200, text="<html>not found</html>"), "does not hold one sha256 of kubelet"),
    (httpx.Response(200, text=f"{SUM}  kubectl"), "does not hold one sha256 of kubelet"),
    (httpx.Response(200, text=f"{SUM}  kubelet\n{OTHER}  kubelet"), "does not hold one sha256 of kubelet"),
    (httpx.Response(200, text=""), "does not hold one sha256 of kubelet"),
    (httpx.Response(302, headers={"location": "http://plain.example.com/x"}), "which is not https"),
]


@pytest.mark.parametrize(("answer", "text"), MISBEHAVIOUR)
def test_no_lock_comes_of_a_checksum_that_is_not_said_plainly(
    file: ReleaseFile, world: publishers.World, answer: httpx.Response, text: str
) -> None:
    world.answers[kubelet_sum(file)] = answer
    (line,) = refusals(file, world)
    assert line.startswith(f"{kubelet_sum(file)}: ")
    assert text in line


def test_a_publisher_out_of_reach_is_named_with_a_remedy(file: ReleaseFile, world: publishers.World) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    world.answers[kubelet_sum(file)] = refuse
    (line,) = refusals(file, world)
    assert "cannot be fetched (Connection refused); check the address and that this machine reaches it" in line


def test_everything_that_is_missing_is_told_at_once(file: ReleaseFile, world: publishers.World) -> None:
    world.answers.clear()
    lines = refusals(file, world)
    assert len(lines) == 2 * len(file.artifacts) + len(file.images)


def manifest_of(file: ReleaseFile, name: str = "pause") -> str:
    return publishers.manifest_address(file.image(name))


def manifest(body: bytes, **headers: str) -> httpx.Response:
    return httpx.Response(200, content=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


IMAGE_MISBEHAVIOUR: list[tuple[httpx.Response, str]] = [
    (httpx.Response(404), "answered HTTP 404; check the image and its version in the release file"),
    (
        manifest(publishers.index("x", ("amd64",))),
        "has no image for arm64; lock the architectures that it serves with --arch",
    ),
    (
        manifest(b'{"schemaVersion": 2, "config": {}}'),
        "serves one architecture only, and amd64, arm64 are to be locked",
    ),
    (manifest(b"<html>"), "what it answers is not an image manifest"),
    (manifest(b'{"schemaVersion": 1}'), "what it answers is not an image manifest"),
    (
        manifest(publishers.index("x"), docker_content_digest=f"sha256:{SUM}"),
        f"calls its manifest sha256:{SUM}, and it hashes",
    ),
    (httpx.Response(401), "wants an account (HTTP 401); use a registry that may be read without an account"),
    (httpx.Response(401, headers={"www-authenticate": 'Basic realm="x"'}), "wants an account (HTTP 401)"),
    (
        httpx.Response(401, headers={"www-authenticate": 'Bearer realm="http://registry.k8s.io/token"'}),
        "wants a token from http://registry.k8s.io/token",
    ),
    (
        httpx.Response(401, headers={"www-authenticate": 'Bearer realm="https://registry.k8s.io/nowhere"'}),
        "https://registry.k8s.io/nowhere: gave no token",
    ),
]


@pytest.mark.parametrize(("answer", "text"), IMAGE_MISBEHAVIOUR)
def test_no_lock_comes_of_an_image_that_cannot_be_trusted_to_be_whole(
    file: ReleaseFile, world: publishers.World, answer: httpx.Response, text: str
) -> None:
    world.answers[manifest_of(file)] = answer
    (line,) = refusals(file, world)
    assert text in line
    assert "; " in line


MIRROR = Mirror(artifacts="http://mirror.example.com:8080", images="http://images.example.com:5000")


def mirrored_world(file: ReleaseFile, world: publishers.World) -> publishers.World:
    """The same world seen through a mirror: publishers still answer, but must not be asked."""
    for path, body in publishers.mirror(file, ("amd64", "arm64")).items():
        base = MIRROR.images if path.startswith("/v2/") else MIRROR.artifacts
        world.answers[f"{base}{path}"] = httpx.Response(200, content=body)
    for name in file.images:
        image = file.image(name)
        address = f"{MIRROR.images}/v2/{image.registry}/{image.repository}/manifests/{image.tag}"
        world.answers[address] = manifest(publishers.manifest(image))
    return world


def test_with_a_mirror_nobody_else_is_asked(file: ReleaseFile, world: publishers.World) -> None:
    mirrored = mirrored_world(file, world)
    lock = lock_release(file, MIRROR, ["amd64", "arm64"], transport=mirrored.transport())
    assert lock.source == MIRROR
    hosts = {httpx.URL(address).host for address in mirrored.asked}
    assert hosts == {"mirror.example.com", "images.example.com"}


def test_a_file_that_the_mirror_lacks_is_named(file: ReleaseFile, world: publishers.World) -> None:
    mirrored = mirrored_world(file, world)
    address = f"{MIRROR.artifacts}/github.com/opencontainers/runc/releases/download/v1.4.3/runc.amd64.sha256"
    del mirrored.answers[address]
    assert refusals(file, mirrored, mirror=MIRROR) == [
        f"{address}: is not there (HTTP 404); put runc.amd64 and its .sha256 on the mirror"
    ]


def test_what_no_hub_runs_need_not_be_on_the_mirror(file: ReleaseFile, world: publishers.World) -> None:
    mirrored = mirrored_world(file, world)
    absent = [address for address in mirrored.answers if "/trivy-adapter" in address or "/harbor-core" in address]
    for address in absent:
        mirrored.answers[address] = httpx.Response(404)
    lock = lock_release(file, MIRROR, ["amd64", "arm64"], transport=mirrored.transport())
    assert set(file.images) - set(lock.images) == {"harbor-core", "harbor-trivy"}


def test_an_image_of_hubs_that_the_mirror_cannot_answer_for_is_a_fault(
    file: ReleaseFile, world: publishers.World
) -> None:
    mirrored = mirrored_world(file, world)
    (address,) = [address for address in mirrored.answers if address.startswith(MIRROR.images) and "/trivy" in address]
    mirrored.answers[address] = httpx.Response(503)
    assert [line.partition(";")[0] for line in refusals(file, mirrored, mirror=MIRROR)] == [
        f"{address}: answered HTTP 503"
    ]


def test_an_image_of_hubs_that_its_publisher_does_not_have_is_a_fault(
    file: ReleaseFile, world: publishers.World
) -> None:
    """A slip in its version must not pass for a service that nobody runs."""
    world.answers[manifest_of(file, "harbor-core")] = httpx.Response(404)
    (line,) = refusals(file, world)
    assert line.startswith(f"{manifest_of(file, 'harbor-core')}: answered HTTP 404; check the image and its version")


def test_a_mirror_may_not_lead_elsewhere(file: ReleaseFile, world: publishers.World) -> None:
    mirrored = mirrored_world(file, world)
    address = f"{MIRROR.artifacts}/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet.sha256"
    mirrored.answers[address] = httpx.Response(302, headers={"location": kubelet_sum(file)})
    (line,) = refusals(file, mirrored, mirror=MIRROR)
    assert line.startswith(f"{address}: leads away, to {kubelet_sum(file)}; let the mirror serve it itself")
    assert kubelet_sum(file) not in mirrored.asked


def test_a_mirrors_tokens_are_its_own(file: ReleaseFile, world: publishers.World) -> None:
    mirrored = mirrored_world(file, world)
    address = f"{MIRROR.images}/v2/registry.k8s.io/pause/manifests/{file.image('pause').tag}"
    elsewhere = {"www-authenticate": 'Bearer realm="http://registry.k8s.io/token"'}
    mirrored.answers[address] = httpx.Response(401, headers=elsewhere)
    (line,) = refusals(file, mirrored, mirror=MIRROR)
    assert "wants a token from http://registry.k8s.io/token; let the mirror hand out its own tokens" in line


FORMS = [
    (SUM, SUM),
    (SUM.upper() + "\n", SUM),
    (f"{SUM}  kubelet\n", SUM),
    (f"{SUM} *kubelet\n", SUM),
    (f"{SUM}  ./dist/kubelet\n", SUM),
    (f"{OTHER}  kubectl\n\n{SUM}  kubelet\n{OTHER}  kubelet.exe\n", SUM),
    (f"{SUM}  kubelet\n{SUM}  ./kubelet\n", SUM),
    (f"{SUM}\n{OTHER}\n", None),
    (f"{SUM[1:]}  kubelet", None),
    (f"{SUM}a  kubelet", None),
    (f"{SUM}  kubelet-amd64", None),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_a_checksum_is_found_in_each_form_that_publishers_use(text: str, expected: str | None) -> None:
    assert checksums.find(text, "kubelet") == expected


@pytest.fixture
def mirror_content(file: ReleaseFile) -> dict[str, bytes]:
    return publishers.mirror(file)


@pytest.fixture
def mirror_server(mirror_content: dict[str, bytes]) -> Iterator[str]:
    """A mirror of amd64 on a real port of the loopback."""
    with serving(mirror_content.get) as url:
        yield url


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops", "lock", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_the_command_locks_against_a_mirror(mirror_server: str, tmp_path: Path) -> None:
    output = tmp_path / "lock.yaml"
    mirror = ("--mirror-artifacts", mirror_server, "--mirror-images", mirror_server)
    result = run(RELEASE, *mirror, "--arch", "amd64", "--output", str(output))
    assert result.returncode == 0, result.stderr
    assert "written (7 artifacts, 19 images)" in result.stderr
    lock: LockFile = read_lock(output, RELEASE)
    assert isinstance(lock.source, Mirror)
    assert output.stat().st_mode & 0o777 == 0o644
    assert "unchanged" in run(RELEASE, *mirror, "--arch", "amd64", "--output", str(output)).stderr


def test_the_command_says_what_the_mirror_lacks(
    mirror_content: dict[str, bytes], mirror_server: str, tmp_path: Path
) -> None:
    for path in [path for path in mirror_content if "/harbor-exporter/" in path or "/trivy-adapter" in path]:
        del mirror_content[path]
    mirror = ("--mirror-artifacts", mirror_server, "--mirror-images", mirror_server)
    result = run(RELEASE, *mirror, "--arch", "amd64", "--output", str(tmp_path / "lock.yaml"))
    assert result.returncode == 0, result.stderr
    assert "left out, as the mirror does not have them: harbor-trivy, harbor-exporter\n" in result.stderr


def test_the_command_leaves_an_older_lock_alone_where_it_fails(mirror_server: str, tmp_path: Path) -> None:
    output = tmp_path / "lock.yaml"
    output.write_text("older")
    mirror = ("--mirror-artifacts", mirror_server, "--mirror-images", mirror_server)
    result = run(RELEASE, *mirror, "--output", str(output))
    assert result.returncode == 1
    assert "kubelet and its .sha256 on the mirror" in result.stderr
    assert "Traceback" not in result.stderr
    assert output.read_text() == "older"


ARGUMENTS = [
    (("1999.01",), "release 1999.01: is not a release that there is; choose one of 1.33, 1.34, 1.35, 2026.10, 2026.11"),
    ((RELEASE, "--arch", "s390x"), "--arch: s390x: is not in release 2026.11; choose from amd64, arm64"),
    ((RELEASE, "--mirror-images", "http://m"), "--mirror-images is given without --mirror-artifacts"),
    (
        (RELEASE, "--mirror-images", "m", "--mirror-artifacts", "http://m"),
        "--mirror-images: m: is not an address; write it like http://mirror.example.com:8080",
    ),
]


@pytest.mark.parametrize(("arguments", "text"), ARGUMENTS)
def test_the_command_refuses_what_it_cannot_do(arguments: tuple[str, ...], text: str) -> None:
    result = run(*arguments)
    assert result.returncode == 1
    assert text in result.stderr
    assert "Traceback" not in result.stderr
