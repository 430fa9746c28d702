"""Review and promotion with the real engine and the project's own program, with nothing in the place of hosts.

Each ``up`` of a whole stack takes its time, so few tests tell the story, each of them from a stack that is up.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.review import read, summary
from tests.hostless.site import Site, hostless, lock, make
from tests.pages import command
from tests.settings import samples

__all__ = ["hostless"]

pytestmark = pytest.mark.built

SCREEN_LINES = 60
PRIVATE = ("PRIVATE KEY", samples.ADMIN_PASSWORD, samples.DATABASE_PASSWORD, "client-key-data")


def values(environment: str, release: str, hosts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The sample's settings as a stack of this environment."""
    cluster = samples.values()["cluster"] | {"name": environment, "environment": environment}
    own = {"cluster": cluster, "release": {"name": release}}
    return samples.with_harbor() | own | ({"hosts": hosts} if hosts else {})


def next_release(site: Site, name: str, **versions: str) -> None:
    """A release of the site's own: 2026.11 with other versions."""
    content = yaml.safe_load((site.folder / "releases" / "2026.11.yaml").read_text())
    content |= {"name": name, "versions": content["versions"] | versions}
    (site.folder / "releases" / f"{name}.yaml").write_text(yaml.safe_dump(content))
    lock(site.folder, name)


@pytest.fixture(scope="module")
def reviewed(hostless: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site whose stack ``dev``, hubs included, is up with release 2026.09: 2026.11 with kubelets that lag behind."""
    site = make(tmp_path_factory.mktemp("reviewed") / "clone", hostless)
    next_release(site, "2026.09", kubelet="1.35.8")
    site.stack("dev", values("development", "2026.09"))
    site.up("dev")
    return site


def summary_with(site: Site, changed: dict[str, Any]) -> tuple[str, str]:
    """The preview with these settings, and its summary."""
    site.stack("dev", changed)
    preview = site.preview("dev")
    site.stack("dev", values("development", "2026.09"))
    return preview, summary(read(preview))


def test_one_setting_of_one_worker_is_that_line_there_and_nothing_else(reviewed: Site) -> None:
    changed = values("development", "2026.09")
    changed["hosts"]["huashan"]["kubelet"] = {"config": {"maxPods": 60}}
    _, text = summary_with(reviewed, changed)
    assert "- 1: `huashan`: restarts kubelet\n" in text
    assert "`huashan`:\n```diff\n  /var/lib/kubelet/config.yaml\n" in text
    assert "+maxPods: 60\n" in text
    assert set(re.findall(r"`([a-z0-9]+)`", text)) == {"huashan"}
    assert "Checked and run again" not in text


def test_a_release_bump_fits_a_screen_and_names_every_restart_in_order_and_no_secret(reviewed: Site) -> None:
    next_release(reviewed, "2026.12", kubernetes="1.36.4", etcd="3.6.15", containerd="2.3.9", harbor="2.15.3")
    preview, text = summary_with(reviewed, values("development", "2026.12"))
    assert text.startswith("### dev, release 2026.09 → 2026.12: ")
    assert len(text.partition("**In this order**")[2].splitlines()) <= SCREEN_LINES
    master = "restarts containerd, etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet\n"
    # In the order in which the engine hands the hosts over.
    assert f"- 1 to 3: `emei`, then `shaolin`, then `wudang`: {master}" in text
    assert "- 4: `huashan`: restarts containerd, kubelet\n" in text
    assert "`hub1`, then `hub2`: takes no new clients, replaces harbor-core, harbor-jobservice, harbor-log," in text
    assert "  program kubelet (x86_64): 1.35.8 (" in text
    assert "+    image: registry.k8s.io/etcd:3.6.15-0@sha256:" in text
    assert "~ DaemonSet kube-system/kube-proxy\n" in text
    assert not any(secret in preview + text for secret in PRIVATE)


def test_kubelets_that_lagged_behind_and_catch_up_are_told_to_restart_masters_whose_manifests_stay(
    reviewed: Site,
) -> None:
    """All of a master's pods end for a kubelet of another minor version; a summary by what differs forgot them."""
    next_release(reviewed, "caught-up")
    _, text = summary_with(reviewed, values("development", "caught-up"))
    master = "restarts etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet\n"
    assert f"- 1 to 3: `emei`, then `shaolin`, then `wudang`: {master}" in text
    assert "- 4: `huashan`: restarts kubelet\n" in text
    assert "/etc/kubernetes/manifests" not in text


SMALL = {
    name: {"address": address, "roles": list(roles)}
    for name, (address, roles) in samples.HOSTS.items()
    if name in ("shaolin", "lb1")
}


def small(environment: str, release: str) -> dict[str, Any]:
    """A stack of one master and one load balancer, without hubs."""
    own = values(environment, release, SMALL)
    return {key: value for key, value in own.items() if not key.startswith("harbor")}


def pinned(site: Site, stack: str) -> str:
    """The stack's file."""
    return (site.folder / f"Pulumi.{stack}.yaml").read_text()


@pytest.fixture(scope="module")
def promoted(hostless: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site of two stacks at release 2026.11; a release 2026.12 is there."""
    site = make(tmp_path_factory.mktemp("promoted") / "clone", hostless)
    next_release(site, "2026.12", kubernetes="1.36.4")
    for name, environment in {"dev": "development", "staging": "staging"}.items():
        site.stack(name, small(environment, "2026.11"))
        site.up(name)
    return site


def test_a_release_goes_on_only_after_a_whole_up_and_back_only_when_that_is_said(promoted: Site) -> None:
    site, before = promoted, pinned(promoted, "staging")

    site.stack("dev", small("development", "2026.12"))
    assert (
        "dev pins release 2026.12, and what was up and well there is 2026.11"
        in site.ops("promote", "dev", "staging", fails=True)[1]
    )

    # Its turn fails: everything is staged and some of it may run by then, but nobody has found it well.
    site.up("dev", fails=True, EVENKEEL_TEST_FAILING="shaolin-activate")
    assert "what was up and well there is 2026.11" in site.ops("promote", "dev", "staging", fails=True)[1]
    assert pinned(site, "staging") == before

    site.up("dev")
    said, _ = site.ops("promote", "dev", "staging")
    assert said.startswith("### staging, release 2026.11 → 2026.12: ")
    assert "`shaolin`: restarts kube-apiserver, kube-controller-manager, kube-scheduler, kubelet\n" in said
    assert pinned(site, "staging") == before.replace("2026.11", "2026.12")

    site.up("staging")
    site.stack("dev", small("development", "2026.11"))
    site.up("dev")
    assert "say --rollback" in site.ops("promote", "dev", "staging", fails=True)[1]
    said, _ = site.ops("promote", "dev", "staging", "--rollback")
    assert said.startswith("### staging, release 2026.12 → 2026.11: ")
    assert pinned(site, "staging") == before


def test_a_preview_is_summarized_and_shown_in_full_as_the_page_says(promoted: Site) -> None:
    before = pinned(promoted, "staging")
    changed = small("staging", "2026.11")
    changed["cluster"] = changed["cluster"] | {"apiServer": {"extraArgs": {"event-ttl": "2h"}}}
    promoted.stack("staging", changed)
    assert "+    - --event-ttl=2h" in promoted.types(command("review", "pulumi preview --json --stack staging"))
    assert "- --event-ttl=2h" in promoted.types(command("review", "pulumi preview --diff --stack staging"))
    (promoted.folder / "Pulumi.staging.yaml").write_text(before)


def test_a_preview_that_fails_leaves_the_pin_as_it_is(promoted: Site, tmp_path: Path) -> None:
    """Nobody should have to find out in the pull request that the stack does not take the release."""
    site = promoted
    site.stack("dev", small("development", "2026.11"))
    site.stack("staging", small("staging", "2026.12"))
    hidden = (site.folder / "known_hosts").rename(tmp_path / "known_hosts")
    before = pinned(site, "staging")
    _, said = site.ops("promote", "dev", "staging", "--rollback", fails=True)
    hidden.rename(site.folder / "known_hosts")
    assert "the preview of staging could not be had, so nothing was changed" in said
    assert "evenkeel:ssh.knownHosts" in said
    assert pinned(site, "staging") == before
