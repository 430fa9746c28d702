"""A release is used only with the lock that was written from it, and only if its versions go together."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import settings
from releases import LockFile, ReleaseError, ReleaseFile, Versions, read_release, skew
from releases.store import FOLDER, known_releases, read_lock
from tests.settings import samples


def relocked(root: Path, change: dict[str, Any]) -> list[str]:
    """What parsing says after these parts of the lock are replaced; None takes a part away."""
    lock = {name: value for name, value in {**samples.lock(), **change}.items() if value is not None}
    (root / "lock.yaml").write_text(yaml.safe_dump(lock))
    return samples.refusals(root, samples.values())


def without(tree: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in tree.items() if other != name}


LOCKS: list[tuple[dict[str, Any], str]] = [
    (
        {"release": "2026.10"},
        "is the lock of release 2026.10, not of 2026.11; write it with `python -m ops lock 2026.11",
    ),
    ({"release_sha256": "0" * 64}, "was written before releases/2026.11.yaml changed; write it with"),
    (
        {"artifacts": without(samples.lock()["artifacts"], "runc")},
        "lacks the sha256 of runc for amd64, the sha256 of runc",
    ),
    (
        {"artifacts": samples.lock()["artifacts"] | {"runc": {"amd64": "0" * 64}}},
        "lacks the sha256 of runc for arm64; write",
    ),
    ({"artifacts": {}}, "lacks every artifact's sha256; write it with"),
    ({"images": without(samples.lock()["images"], "pause")}, "lacks the digest of image pause; write it with"),
    ({"artifacts": {"runc": {"amd64": "abc"}}}, "is malformed (artifacts.runc.amd64: String should match"),
    ({"artifacts": {"runc": {"s390x": "0" * 64}}}, "is malformed (artifacts.runc.s390x"),
    ({"surprise": 1}, "is malformed (surprise: Extra inputs are not permitted)"),
    ({"source": None}, "is malformed (source"),
]


@pytest.mark.parametrize(("change", "text"), LOCKS)
def test_a_lock_that_does_not_serve_is_refused_with_the_command_that_writes_it(
    root: Path, change: dict[str, Any], text: str
) -> None:
    (line,) = relocked(root, change)
    assert line.startswith("evenkeel:release.lock: lock.yaml: ")
    assert text in line


def test_a_lock_that_nobody_wrote_is_refused_with_the_command_that_does(root: Path) -> None:
    (root / "lock.yaml").unlink()
    command = "python -m ops lock 2026.11 --output lock.yaml"
    assert samples.refusals(root, samples.values()) == [
        f"evenkeel:release.lock: lock.yaml: does not exist; write it with `{command}`"
    ]


def test_a_lock_that_is_no_yaml_is_refused_on_one_line(root: Path) -> None:
    (root / "lock.yaml").write_text("a: [1\nb: }")
    (line,) = samples.refusals(root, samples.values())
    assert line.startswith("evenkeel:release.lock: lock.yaml: is not YAML (")


def test_the_remedy_is_the_command_that_this_stack_needs(root: Path) -> None:
    mirror = {"artifacts": "http://m:8080", "images": "http://m:5000"}
    (root / "lock.yaml").unlink()
    (line,) = samples.refusals(root, samples.put(samples.values(), "release.mirror", mirror))
    options = "--mirror-artifacts http://m:8080 --mirror-images http://m:5000 --output lock.yaml"
    assert line.endswith(f"; write it with `python -m ops lock 2026.11 {options}`")


def test_an_unknown_release_is_refused_with_those_that_there_are(root: Path) -> None:
    (line,) = samples.refusals(root, samples.put(samples.values(), "release.name", "2026.12"))
    known = ", ".join(known_releases())
    assert line == f"evenkeel:release.name: 2026.12: is not a release that there is; choose one of {known}"


def test_a_lock_is_not_taken_for_a_release(tmp_path: Path) -> None:
    for name in ("2026.11.yaml", "2026.11.lock.yaml", "2026.10.yaml", "__init__.py"):
        (tmp_path / name).touch()
    assert known_releases(tmp_path) == ["2026.10", "2026.11"]


def test_a_lock_of_one_architecture_serves_that_one_and_refuses_the_other_by_name(root: Path) -> None:
    (root / "lock.yaml").write_text(yaml.safe_dump(samples.lock(("arm64",))))
    release = settings.parse(samples.values(), root).release
    assert release.architectures() == ["arm64"]
    assert release.artifact("etcd", "arm64").sha256 == samples.sha256("etcdarm64")
    with pytest.raises(ReleaseError, match=r"no sha256 of etcd for amd64; write it with .* --arch amd64`"):
        release.artifact("etcd", "amd64")


def test_a_name_that_the_release_does_not_have_is_refused_with_those_that_it_has(root: Path) -> None:
    release = samples.stack(root).release
    with pytest.raises(ReleaseError, match=r"has no artifact etdc; choose one of kubelet, .*etcd"):
        release.artifact("etdc", "amd64")
    with pytest.raises(ReleaseError, match=r"has no image etdc; choose one of kube-apiserver, "):
        release.image("etdc")


def test_an_image_that_the_mirror_lacked_is_refused_where_it_is_needed_with_what_to_do(root: Path) -> None:
    values = samples.put(samples.values(), "release.mirror", {"artifacts": "http://m:8080", "images": "http://m:5000"})
    stack = samples.stack(root, {"release": values["release"]})
    lock = {**samples.lock(), "images": without(samples.lock()["images"], "harbor-trivy")}
    (root / "lock.yaml").write_text(yaml.safe_dump(lock))
    release = settings.parse(values, root).release
    assert release.image("harbor-core") == stack.release.image("harbor-core")
    with pytest.raises(ReleaseError, match=r"no digest of image harbor-trivy; put docker.io/goharbor/trivy-\S+ on the"):
        release.image("harbor-trivy")


def test_the_images_of_hubs_are_no_affair_of_the_clusters_containerd(root: Path) -> None:
    release = samples.stack(root).release
    assert release.image("harbor-core").startswith(f"docker.io/goharbor/harbor-core:v{release.versions.harbor}@sha256:")
    assert "docker.io" not in release.image_mirrors()


def test_an_upgrade_of_harbor_is_another_release_and_nothing_else() -> None:
    earlier, later = read_release("2026.10"), read_release("2026.11")
    assert (earlier.versions.harbor, later.versions.harbor) == ("2.14.4", "2.15.2")
    assert earlier.versions.model_dump(exclude={"harbor"}) == later.versions.model_dump(exclude={"harbor"})
    assert earlier.artifacts == later.artifacts
    assert {name for name in later.images if earlier.images[name] != later.images[name]} == {"harbor-redis"}


def test_an_image_keeps_its_official_name_and_is_pinned_by_digest(root: Path) -> None:
    values = samples.put(samples.values(), "release.mirror", {"artifacts": "http://m:8080", "images": "http://m:5000"})
    release = samples.stack(root, {"release": values["release"]}).release
    assert release.image("kube-apiserver") == (
        f"registry.k8s.io/kube-apiserver:v{release.versions.kubernetes}@sha256:{samples.sha256('kube-apiserver')}"
    )
    assert release.image_mirrors() == {"ghcr.io": "http://m:5000", "registry.k8s.io": "http://m:5000"}


def test_without_a_mirror_every_registry_is_its_own(root: Path) -> None:
    assert samples.stack(root).release.image_mirrors() == {"ghcr.io": None, "registry.k8s.io": None}


def test_with_a_mirror_every_artifact_comes_from_it(root: Path) -> None:
    mirror = {"artifacts": "http://192.0.2.2:8080/all/", "images": "http://192.0.2.2:5000"}
    values = samples.put(samples.values(), "release.mirror", mirror)
    release = samples.stack(root, {"release": values["release"]}).release
    assert release.artifact("kubelet", "arm64").url == (
        f"http://192.0.2.2:8080/all/dl.k8s.io/release/v{release.versions.kubernetes}/bin/linux/arm64/kubelet"
    )
    for name in release.file.artifacts:
        assert release.artifact(name, "amd64").url.startswith("http://192.0.2.2:8080/all/")


def test_a_lock_from_a_mirror_is_warned_of_where_the_stack_uses_none(root: Path) -> None:
    source = {"artifacts": "http://192.0.2.2:8080", "images": "http://192.0.2.2:5000"}
    (root / "lock.yaml").write_text(yaml.safe_dump({**samples.lock(), "source": source}))
    (line,) = samples.warnings(root, samples.values())
    assert "was written from the mirror http://192.0.2.2:8080, and this stack has none; set release.mirror" in line


@pytest.mark.parametrize("name", known_releases())
def test_every_release_of_this_repository_is_whole_and_goes_together(name: str) -> None:
    file = read_release(name)
    assert list(skew.faults(file.versions)) == []
    addresses = {file.artifact(artifact, arch).url for artifact in file.artifacts for arch in file.architectures}
    assert len(addresses) == 2 * len(file.artifacts)
    assert all(address.startswith("https://") and "{" not in address for address in addresses)


def raw() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / f"{samples.RELEASE}.yaml").read_text())
    return content


MALFORMED: list[tuple[str, object, str]] = [
    ("artifacts/runc/url", "https://example.com/{version}", r"no such placeholder \{version\}; there are "),
    ("artifacts/runc/url", "ftp://example.com/runc", "should match pattern"),
    (
        "artifacts/crictl",
        {"url": "https://a", "checksums": "https://a"},
        "artifacts: crictl unknown; there are kubelet",
    ),
    ("images/pause", "pause:3.10", "not an image of the form registry/repository:tag"),
    ("images/crun", "a.b/c:d", "images: crun unknown"),
    ("versions/etcd", 3.6, "should be a valid string"),
    ("versions/etcd", "v3.6.14", "should match pattern"),
    ("versions/istio", "1.2.3", "Extra inputs are not permitted"),
    ("architectures", ["s390x"], "should be 'amd64' or 'arm64'"),
    ("architectures", [], "at least 1 item"),
]


@pytest.mark.parametrize(("path", "value", "text"), MALFORMED)
def test_a_release_file_with_a_slip_is_refused(path: str, value: object, text: str) -> None:
    tree = raw()
    if "/" in path:
        samples.put(tree, path, value)
    else:
        tree[path] = value
    with pytest.raises(ValidationError, match=text):
        ReleaseFile.model_validate(tree)


@pytest.mark.parametrize("section", ["artifacts", "images"])
def test_a_release_file_with_a_gap_is_refused(section: str) -> None:
    tree = raw()
    del tree[section]["etcd"]
    with pytest.raises(ValidationError, match=f"{section}: etcd missing"):
        ReleaseFile.model_validate(tree)


def test_a_release_file_that_carries_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "2027.01.yaml").write_text((FOLDER / f"{samples.RELEASE}.yaml").read_text())
    with pytest.raises(ReleaseError, match=r"is named 2026.11 in its own file; name the file 2026.11.yaml"):
        read_release("2027.01", tmp_path)


def test_a_release_that_changed_after_it_was_locked_needs_a_new_lock(tmp_path: Path) -> None:
    text = (FOLDER / f"{samples.RELEASE}.yaml").read_text()
    (tmp_path / f"{samples.RELEASE}.yaml").write_text(text)
    (tmp_path / "lock.yaml").write_text(yaml.safe_dump(samples.lock()))
    assert isinstance(read_lock(tmp_path / "lock.yaml", samples.RELEASE, tmp_path), LockFile)
    (tmp_path / f"{samples.RELEASE}.yaml").write_text(text.replace("runc: 1.4.3", "runc: 1.4.4"))
    with pytest.raises(ReleaseError, match=r"was written before releases/2026.11.yaml changed"):
        read_lock(tmp_path / "lock.yaml", samples.RELEASE, tmp_path)


def versions(**changed: str) -> Versions:
    return Versions.model_validate({**raw()["versions"], **changed})


SKEWS = [
    ({"kubelet": "1.36.4"}, "its kubelet 1.36.4 is newer than its kube-apiserver 1.36.3"),
    ({"kubelet": "1.37.0"}, "its kubelet 1.37.0 is newer than its kube-apiserver 1.36.3"),
    ({"kubelet": "1.32.9"}, "its kubelet 1.32.9 is too old for kube-apiserver 1.36.3"),
    ({"kubernetes": "1.30.0"}, "its kubernetes 1.30.0 is not known here"),
    ({"kubernetes": "1.35.4", "containerd": "2.0.9"}, "its containerd 2.0.9 does not go with kubernetes 1.35.4"),
    ({"kubernetes": "1.35.4", "containerd": "1.7.27"}, "its containerd 1.7.27 does not go with kubernetes 1.35.4"),
    ({"kubernetes": "1.34.2", "containerd": "2.1.2"}, "its containerd 2.1.2 does not go with kubernetes 1.34.2"),
    ({"containerd": "2.1.9"}, "its containerd 2.1.9 does not go with kubernetes 1.36.3"),
    ({"etcd": "3.5.32"}, "its etcd 3.5.32 does not go with kubernetes 1.36.3"),
    ({"kubernetes": "1.33.13", "etcd": "3.5.31"}, "its etcd 3.5.31 does not go with kubernetes 1.33.13"),
    ({"kubernetes": "1.33.13", "etcd": "3.6.14"}, "its etcd 3.6.14 does not go with kubernetes 1.33.13"),
    ({"etcd": "3.7.1"}, "its etcd 3.7.1 does not go with kubernetes 1.36.3"),
]


@pytest.mark.parametrize(("changed", "what"), SKEWS)
def test_versions_that_do_not_go_together_are_refused(changed: dict[str, str], what: str) -> None:
    assert [found for found, remedy in skew.faults(versions(**changed)) if remedy] == [what]


GOOD = [
    {"kubelet": "1.33.0"},
    {"containerd": "2.3.0"},
    {"containerd": "3.0.0"},
    {"kubernetes": "1.35.4", "containerd": "1.7.28"},
    {"kubernetes": "1.34.2", "containerd": "1.6.39"},
    {"kubernetes": "1.34.2", "containerd": "2.2.0"},
    {"kubernetes": "1.33.13", "etcd": "3.5.32", "containerd": "1.7.24"},
]


@pytest.mark.parametrize("changed", GOOD)
def test_versions_that_upstream_supports_together_are_accepted(changed: dict[str, str]) -> None:
    assert list(skew.faults(versions(**changed))) == []


def test_a_stack_whose_release_does_not_go_together_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skew, "OLDEST_KUBELET", -1)
    (line,) = samples.refusals(root, samples.values())
    assert line.startswith(
        "evenkeel:release.name: 2026.11: its kubelet 1.36.3 is too old for kube-apiserver 1.36.3; use"
    )


def test_the_kubelets_follow_the_control_plane_unless_a_release_says_otherwise(root: Path) -> None:
    release = samples.stack(root).release
    assert release.versions.kubelet == release.versions.kubernetes
