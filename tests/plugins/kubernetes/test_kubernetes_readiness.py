"""Patches, which own only some fields of an object, and rollouts: when an object counts as done."""

import threading
import time

import pytest

from lab.plugins.values import plain
from tests.plugins.kubernetes import control_plane
from tests.plugins.kubernetes.control_plane import Api
from tests.plugins.kubernetes.samples import (
    DAEMON_SET,
    DEPLOYMENT,
    NODE_PATCH,
    annotated,
    obj,
    workload,
)
from tests.plugins.plugin_process import InitFailedError, Plugin, RefusedError, started

pytestmark = pytest.mark.built


def test_a_patch_owns_its_fields_only_and_gives_them_up(plugin: Plugin, api: Api) -> None:
    node = "/api/v1/nodes/node-1"
    api.patch(node, {"metadata": {"labels": {"theirs": "1"}}})
    inputs = annotated(obj("v1", "Node", "node-1"), patchFieldManager="evenkeel", patchForce="true")
    inputs["metadata"]["labels"] = {"node-role.kubernetes.io/control-plane": ""}
    made = plugin.create(NODE_PATCH, "role", inputs)
    assert plain(made.state["__fieldManager"]) == "evenkeel"
    assert api.get(node)["metadata"]["labels"] == {"theirs": "1", "node-role.kubernetes.io/control-plane": ""}
    assert plugin.diff(made, inputs).changes is False
    plugin.delete(made)
    assert api.get(node)["metadata"]["labels"] == {"theirs": "1"}


def test_a_refresh_sees_that_somebody_removed_an_empty_label(plugin: Plugin, api: Api) -> None:
    inputs = annotated(obj("v1", "Node", "node-1"), patchFieldManager="evenkeel-3")
    inputs["metadata"]["labels"] = {"empty": ""}
    made = plugin.create(NODE_PATCH, "empty", inputs)
    api.patch("/api/v1/nodes/node-1", {"metadata": {"labels": {"empty": None}}})
    seen = plugin.read(made)
    assert seen is not None
    assert plugin.diff(seen, inputs).changes is True
    plugin.update(seen, inputs)
    assert "empty" in api.get("/api/v1/nodes/node-1")["metadata"]["labels"]


def test_a_patch_does_not_overrule_another_manager_unless_told(plugin: Plugin, api: Api) -> None:
    api.patch("/api/v1/nodes/node-1", {"metadata": {"labels": {"contested": "theirs"}}})
    inputs = annotated(obj("v1", "Node", "node-1"), patchFieldManager="evenkeel-2")
    inputs["metadata"]["labels"] = {"contested": "ours"}
    with pytest.raises(RefusedError, match="conflict"):
        plugin.create(NODE_PATCH, "contest", inputs)


def test_a_preview_of_a_patch_shows_its_inputs(plugin: Plugin) -> None:
    inputs = obj("v1", "Node", "node-that-joins-later")
    assert plain(plugin.preview(NODE_PATCH, "p", inputs)["metadata"])["name"] == "node-that-joins-later"


def test_a_deployment_is_done_when_its_pods_are_ready(plugin: Plugin) -> None:
    inputs = workload("Deployment", "rollout", replicas=2)
    made = plugin.create(DEPLOYMENT, "rollout", inputs)
    assert made.live()["status"]["readyReplicas"] == 2
    changed = plugin.update(made, workload("Deployment", "rollout", image="app:2", replicas=2))
    assert changed.live()["status"]["updatedReplicas"] == 2
    assert changed.live()["status"]["replicas"] == 2


def test_a_daemon_set_is_done_when_its_pods_are_ready(plugin: Plugin) -> None:
    made = plugin.create(DAEMON_SET, "everywhere", workload("DaemonSet", "everywhere"))
    assert made.live()["status"]["numberReady"] == 1


def test_a_rollout_that_fails_is_in_state_with_its_reason(plugin: Plugin) -> None:
    with pytest.raises(InitFailedError) as failed:
        plugin.create(DEPLOYMENT, "stuck", workload("Deployment", "stuck", image=control_plane.BROKEN), timeout=2)
    assert failed.value.resource.id == "default/stuck"
    assert failed.value.reasons
    healed = plugin.update(failed.value.resource, workload("Deployment", "stuck", image="app:1"))
    assert healed.live()["status"]["readyReplicas"] == 1


def test_a_refresh_says_why_a_rollout_is_not_done(plugin: Plugin) -> None:
    inputs = annotated(workload("Deployment", "dim", image=control_plane.BROKEN), timeoutSeconds="1")
    with pytest.raises(InitFailedError) as failed:
        plugin.create(DEPLOYMENT, "dim", inputs, timeout=0)
    with pytest.raises(InitFailedError) as seen:
        plugin.read(failed.value.resource)
    assert seen.value.reasons


def test_what_is_cancelled_while_it_is_waited_for_is_in_state(executable: str, api: Api) -> None:
    """Else the next run would find an object that it knows nothing of."""
    with started(executable, "kubernetes") as plugin:
        plugin.configure({"kubeconfig": api.kubeconfig})
        threading.Timer(1, plugin.cancel).start()
        with pytest.raises(InitFailedError) as cancelled:
            plugin.create(DEPLOYMENT, "cut", workload("Deployment", "cut", image=control_plane.BROKEN))
    assert cancelled.value.resource.live()["metadata"]["name"] == "cut"


def test_the_timeout_annotation_counts_where_no_custom_timeout_is_given(plugin: Plugin) -> None:
    inputs = annotated(workload("Deployment", "hasty", image=control_plane.BROKEN), timeoutSeconds="1")
    begun = time.monotonic()
    with pytest.raises(InitFailedError):
        plugin.create(DEPLOYMENT, "hasty", inputs, timeout=0)
    assert time.monotonic() - begun < 10


def test_skip_await_waits_for_nothing(plugin: Plugin) -> None:
    inputs = annotated(workload("DaemonSet", "unawaited", image=control_plane.BROKEN), skipAwait="true")
    assert plugin.create(DAEMON_SET, "unawaited", inputs).id == "default/unawaited"


def test_a_service_without_selector_is_done_at_once(plugin: Plugin) -> None:
    service = obj("v1", "Service", "bare", spec={"ports": [{"port": 80}]})
    assert plugin.create("kubernetes:core/v1:Service", "bare", service).live()["spec"]["clusterIP"]
