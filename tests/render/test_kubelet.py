"""What a node's kubelet is told beside what its user tunes (render.kubelet)."""

from pathlib import Path
from typing import Any

import pytest

import settings
from render import kubelet
from tests.settings import samples

CILIUMS = {"key": "node.cilium.io/agent-not-ready", "effect": "NoExecute"}
SOFT = {"key": "node-role.kubernetes.io/control-plane", "effect": "PreferNoSchedule"}


def tainting(root: Path, taints: list[dict[str, str]] | None) -> settings.Stack:
    """The sample, emei a worker as well, with these taints for the whole cluster."""
    values = samples.values()
    samples.put(values, "hosts.emei.roles", ["master", "worker"])
    if taints is not None:
        samples.put(values, "cluster.kubelet", {"config": {"registerWithTaints": taints}})
    return samples.stack(root, values)


def taints_of(stack: settings.Stack, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kubelet.configuration(stack, stack.hosts[name]).get("registerWithTaints", [])
    return found


@pytest.mark.parametrize("taints", [None, [], [CILIUMS]], ids=["none", "empty", "ciliums"])
def test_a_taint_for_the_whole_cluster_takes_none_from_masters(
    tmp_path: Path, taints: list[dict[str, str]] | None
) -> None:
    """A list takes the place of another where settings are laid over one another: masters would take any pod."""
    stack, given = tainting(tmp_path, taints), taints or []
    assert taints_of(stack, "shaolin") == [*given, kubelet.CONTROL_PLANE_TAINT]
    assert taints_of(stack, "emei") == taints_of(stack, "huashan") == given
    assert [name for name, host in stack.nodes().items() if kubelet.tainted(stack, host)] == ["shaolin", "wudang"]


def test_a_control_plane_taint_of_the_users_own_is_not_given_twice(tmp_path: Path) -> None:
    assert taints_of(tainting(tmp_path, [SOFT]), "shaolin") == [SOFT]
