"""containerd's configuration, its registries and unit (render.containerd)."""

import configparser
import tomllib
from pathlib import Path
from typing import Any

import pytest

import settings
from render import containerd
from tests.settings import samples


def configured(root: Path, containerd_config: dict[str, Any] | None = None, **kubelet: object) -> settings.Stack:
    cluster = {**samples.values()["cluster"], "containerd": {"config": containerd_config or {}}}
    return samples.stack(root, {"cluster": {**cluster, "kubelet": {"config": kubelet}}})


def plugins(stack: settings.Stack) -> dict[str, Any]:
    (config,) = [f for f in containerd.runtime_files(stack, stack.hosts["shaolin"]) if f.path == containerd.CONFIG]
    document = tomllib.loads(config.content)
    assert document["version"] == 3
    result: dict[str, Any] = document["plugins"]
    return result


def hosts_toml(stack: settings.Stack) -> dict[str, dict[str, Any]]:
    return {Path(f.path).parent.name: tomllib.loads(f.content) for f in containerd.registry_files(stack)}


def test_the_pause_image_is_named_as_it_is_pulled(tmp_path: Path) -> None:
    """A tag beside the digest would neither be found as a pinned image nor kept by image collection."""
    digest = samples.lock()["images"]["pause"]
    sandbox = plugins(samples.stack(tmp_path))[containerd.IMAGES_PLUGIN]["pinned_images"]["sandbox"]
    assert sandbox == f"registry.k8s.io/pause@{digest}"


@pytest.mark.parametrize(("driver", "systemd"), [("systemd", True), ("cgroupfs", False)])
def test_runc_uses_the_kubelets_cgroup_driver(driver: str, systemd: bool, tmp_path: Path) -> None:
    runtime = plugins(configured(tmp_path, cgroupDriver=driver))[containerd.RUNTIME_PLUGIN]
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is systemd


def test_the_users_settings_are_merged_key_by_key(tmp_path: Path) -> None:
    over = {"plugins": {containerd.RUNTIME_PLUGIN: {"restrict_oom_score_adj": True}}, "oom_score": -1}
    stack = configured(tmp_path, over)
    runtime = plugins(stack)[containerd.RUNTIME_PLUGIN]
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["cni"]["bin_dirs"] == ["/opt/cni/bin"]
    assert containerd.configuration(stack, stack.hosts["shaolin"])["oom_score"] == -1


def test_with_a_mirror_nothing_is_asked_of_the_official_registry(tmp_path: Path) -> None:
    mirror = {"artifacts": "http://mirror:8080", "images": "http://mirror:5000/proxy"}
    stack = samples.stack(tmp_path, {"release": {**samples.values()["release"], "mirror": mirror}})
    assert hosts_toml(stack) == {
        registry: {
            "server": f"http://mirror:5000/v2/proxy/{registry}",
            "capabilities": ["pull", "resolve"],
            "override_path": True,
        }
        for registry in ("ghcr.io", "registry.k8s.io")
    }


def test_without_a_mirror_the_files_stay_and_name_the_official_registry(tmp_path: Path) -> None:
    """So that a host that had a mirror goes back to the registry."""
    servers = {registry: document["server"] for registry, document in hosts_toml(samples.stack(tmp_path)).items()}
    assert servers == {"ghcr.io": "https://ghcr.io", "registry.k8s.io": "https://registry.k8s.io"}


def test_toml_of_any_nested_document_reads_back_as_it_was() -> None:
    document = {
        "text": 'with "quotes", \\ and\nlines',
        "number": 3,
        "share": 0.5,
        "on": True,
        "list": ["a", 1, {"key": "value"}],
        "empty": {},
        "table": {"dotted.key": {"deep": {"x": []}}, "plain": "y"},
    }
    assert tomllib.loads(containerd.to_toml(document)) == document


def test_a_value_that_toml_does_not_know_is_named_by_its_key() -> None:
    with pytest.raises(ValueError, match=r"plugins\.cri\.key: None has no form in TOML; leave the key out"):
        containerd.to_toml({"plugins": {"cri": {"key": None}}})


def test_containers_outlive_a_restart_and_a_boot_starts_containerd(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    (text,) = [f.content for f in containerd.runtime_files(stack, stack.hosts["emei"]) if f.path.endswith(".service")]
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys of units are case-sensitive
    unit.read_string(text)
    assert unit["Service"]["KillMode"] == "process"
    assert unit["Service"]["Restart"] == "always"
    assert unit["Service"]["Type"] == "notify"
    assert unit["Install"]["WantedBy"] == "multi-user.target"
