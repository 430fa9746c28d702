"""The control plane's manifests: kubeadm's flags, each master's own address, and what keeps a roll without failures."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from releases import read_release
from render import static_pods
from settings import Stack
from settings.rules import promises
from tests.schemas import assert_valid
from tests.settings import samples


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return samples.stack(tmp_path)


def flags(manifest: str) -> dict[str, str]:
    """The container's flags by name."""
    command = yaml.safe_load(manifest)["spec"]["containers"][0]["command"]
    return dict(word.removeprefix("--").split("=", 1) for word in command[1:])


@pytest.mark.built
def test_every_manifest_is_a_pod_by_the_releases_own_schema(stack: Stack) -> None:
    host = stack.hosts["wudang"]
    files = [static_pods.etcd(stack, host), static_pods.kube_apiserver(stack, host)]
    files += [static_pods.kube_controller_manager(stack), static_pods.kube_scheduler(stack)]
    assert_valid([yaml.safe_load(file.content) for file in files])
    assert {file.mode for file in files} == {"0600"}


def test_the_settings_know_which_folders_a_pod_sees(stack: Stack) -> None:
    """They refuse a flag that names a file elsewhere, and know nothing of how pods are made."""
    host = stack.hosts["wudang"]
    pods = [
        (promises.API_SERVER, static_pods.kube_apiserver(stack, host)),
        (promises.CONTROLLER_MANAGER, static_pods.kube_controller_manager(stack)),
        (promises.SCHEDULER, static_pods.kube_scheduler(stack)),
        (promises.ETCD, static_pods.etcd(stack, host)),
    ]
    for known, file in pods:
        volumes = [volume["hostPath"] for volume in yaml.safe_load(file.content)["spec"]["volumes"]]
        folders = {volume["path"] for volume in volumes if volume["type"] != "File"}
        assert set(known.sees) == folders, file.path


def test_an_apiserver_advertises_its_own_address_and_knows_every_etcd_member(stack: Stack) -> None:
    """With only its own member it stalls whenever that restarts: 60 s a node and hundreds of failed requests."""
    own = flags(static_pods.kube_apiserver(stack, stack.hosts["wudang"]).content)
    assert own["advertise-address"] == "192.0.2.12"
    assert own["etcd-servers"].split(",") == [
        "https://127.0.0.1:2379",
        "https://192.0.2.11:2379",
        "https://192.0.2.13:2379",
    ]


def test_an_apiserver_says_that_it_leaves_before_it_leaves(stack: Stack) -> None:
    own = flags(static_pods.kube_apiserver(stack, stack.hosts["wudang"]).content)
    assert own["shutdown-delay-duration"] == "10s"
    assert own["shutdown-send-retry-after"] == "true"


def test_a_manifest_by_itself_never_founds_a_cluster(stack: Stack) -> None:
    """A member that lost its data and restarts by itself must not come up as a new, empty cluster."""
    assert flags(static_pods.etcd(stack, stack.hosts["emei"]).content)["initial-cluster-state"] == "existing"


@pytest.mark.parametrize(
    ("release", "named"),
    [
        ("1.33", {"experimental-initial-corrupt-check", "experimental-watch-progress-notify-interval"}),
        ("1.34", {"feature-gates", "watch-progress-notify-interval"}),
    ],
)
def test_etcd_gets_its_settings_by_the_names_of_its_own_line(stack: Stack, release: str, named: set[str]) -> None:
    """etcd refuses to start with a flag that it does not know, and 3.6 dropped the experimental names."""
    older = replace(stack, release=replace(stack.release, file=read_release(release)))
    own = flags(static_pods.etcd(older, older.hosts["emei"]).content)
    assert {name for name in own if "experimental" in name or "feature" in name or "notify" in name} == named


def test_etcd_snapshots_itself_before_a_young_cluster_has_its_second_restart(stack: Stack) -> None:
    """With kubeadm's 10000, members lost those who had joined later after 3.5 became 3.6, and one led a cluster alone;
    with 1000 three bare members stayed well (tests/lab/test_adopt_oldest.py restarts a whole cluster's)."""
    assert int(flags(static_pods.etcd(stack, stack.hosts["emei"]).content)["snapshot-count"]) <= 1000


def test_a_users_flag_takes_the_place_of_ours(tmp_path: Path) -> None:
    changed = samples.values()["cluster"] | {"apiServer": {"extraArgs": {"shutdown-delay-duration": "20s", "v": "3"}}}
    stack = samples.stack(tmp_path, {"cluster": changed})
    own = flags(static_pods.kube_apiserver(stack, stack.hosts["emei"]).content)
    assert (own["shutdown-delay-duration"], own["v"]) == ("20s", "3")


def test_a_changed_flag_changes_one_line(tmp_path: Path, stack: Stack) -> None:
    changed = samples.values()["cluster"] | {"scheduler": {"extraArgs": {"v": "4"}}}
    before = static_pods.kube_scheduler(stack).content.splitlines()
    after = static_pods.kube_scheduler(samples.stack(tmp_path, {"cluster": changed})).content.splitlines()
    assert [line.strip() for line in after if line not in before] == ["- --v=4"]
