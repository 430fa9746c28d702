"""What a user of the real engine sees: previews down to the line, secrets, refreshes, and runs cut short.

The single calls are tested in the files beside this one; here is what only comes of all of them together.
"""

from typing import Any

import pytest

from tests.plugins.engine import Project, is_secret
from tests.plugins.kubernetes import control_plane
from tests.plugins.kubernetes.control_plane import Api
from tests.plugins.kubernetes.samples import MAPS

pytestmark = pytest.mark.built

SECRET = "s3cret-n0t-to-be-seen"
PROVIDER = """
import pulumi_kubernetes as kubernetes

provider = kubernetes.Provider(
    "cluster", kubeconfig=pulumi.Output.secret(data["kubeconfig"]), cluster_identifier="contract",
    enable_config_map_mutable=True, enable_secret_mutable=True, **data.get("provider", {}))
use = pulumi.ResourceOptions(provider=provider)
"""
ALL_KINDS = (
    PROVIDER
    + """
labels = {"app": "all"}
kubernetes.core.v1.ConfigMap("typed", metadata={"name": "typed"}, data=data["typed"], opts=use)
kubernetes.core.v1.Secret("hidden", metadata={"name": "hidden"}, string_data={"password": data["secret"]}, opts=use)
kubernetes.core.v1.NodePatch("role", opts=use, metadata={
    "name": "node-1", "labels": {"node-role.kubernetes.io/control-plane": ""},
    "annotations": {"pulumi.com/patchFieldManager": "evenkeel", "pulumi.com/patchForce": "true"}})
kubernetes.rbac.v1.ClusterRole("reads", metadata={"name": "reads"}, opts=use, rules=[
    {"api_groups": [""], "resources": ["nodes"], "verbs": ["get"]}])
kept = pulumi.ResourceOptions(provider=provider, retain_on_delete=True)  # to delete a namespace takes 5 s
namespace = kubernetes.core.v1.Namespace("own", metadata={"name": "own"}, opts=kept)
daemon = pulumi.CustomResource("kubernetes:apps/v1:DaemonSet", "plain", {
    "apiVersion": "apps/v1", "kind": "DaemonSet",
    "metadata": {"name": "plain", "namespace": namespace.metadata["name"]},
    "spec": {"selector": {"matchLabels": labels}, "template": {
        "metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": data["image"]}]}}}}, use)
"""
)
ONE = PROVIDER + 'kubernetes.core.v1.ConfigMap("one", metadata={"name": data["name"]}, data={"a": "1"}, opts=use)'
ROLLOUT = (
    PROVIDER
    + """
labels = {"app": "halting"}
kubernetes.apps.v1.Deployment(
    "halting", metadata={"name": "halting"},
    spec={"selector": {"match_labels": labels}, "template": {
        "metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": data["image"]}]}}},
    opts=pulumi.ResourceOptions(provider=provider, custom_timeouts=pulumi.CustomTimeouts(create="2s", update="20s")))
"""
)


def test_a_cluster_s_objects_come_change_by_the_line_and_go(project: Project, api: Api) -> None:
    project.program(ALL_KINDS)
    values: dict[str, Any] = {"kubeconfig": api.kubeconfig, "secret": SECRET, "image": "app:1"}
    project.data(**values, typed={"a.conf": "line one\nline two\n", "b": "1"})
    first = project.run("preview", "--diff")
    assert first.status == 0, first.text
    text = first.text + project.up()
    assert project.changes() == {}
    assert api.get(f"{MAPS}/typed")["data"]["b"] == "1"
    assert api.get("/apis/apps/v1/namespaces/own/daemonsets/plain")["status"]["numberReady"] == 1
    assert is_secret(project.resources()["hidden"]["outputs"]["data"])

    project.data(**values | {"image": "app:2"}, typed={"a.conf": "line one\nline three\n", "b": "1"})
    shown = project.run("preview", "--diff").text
    assert [
        " ".join([line.split()[0], "   ", *line.split()[1:]]) for line in shown.splitlines() if "line t" in line
    ] == ["-     line two", "+     line three"]
    assert "~ 2 to update" in shown
    text += shown + project.up()
    text += project.run("refresh", "--yes").text
    assert project.changes() == {}

    text += project.destroy()
    assert not api.exists(f"{MAPS}/typed")
    assert not api.exists("/apis/apps/v1/namespaces/own/daemonsets/plain")
    assert "node-role.kubernetes.io/control-plane" not in api.get("/api/v1/nodes/node-1")["metadata"].get("labels", {})
    for clear in (SECRET, "czNjcmV0", "client-key-data"):
        assert clear not in text + project.state_text()


def test_a_first_preview_works_with_a_kubeconfig_of_the_same_program(project: Project, api: Api) -> None:
    """The certificates in it are resources that do not exist yet."""
    project.program(
        PROVIDER.replace('pulumi.Output.secret(data["kubeconfig"])', "pulumi.Output.secret(made.id)").replace(
            "import pulumi_kubernetes as kubernetes",
            "import pulumi_kubernetes as kubernetes\nimport pulumi_random\n"
            'made = pulumi_random.RandomPassword("made", length=8)',
        )
        + 'kubernetes.core.v1.ConfigMap("one", metadata={"name": "one"}, data={"a": "1"}, opts=use)'
    )
    project.data()
    assert project.changes() == {"made": "create", "cluster": "create", "one": "create", "contract-contract": "create"}


def test_a_renewed_client_certificate_changes_the_provider_only(project: Project, api: Api) -> None:
    project.program(ONE)
    project.data(kubeconfig=api.kubeconfig, name="renewed")
    project.up()
    project.data(kubeconfig=api.renewed_kubeconfig(), name="renewed")
    assert project.changes() == {"cluster": "update"}


def test_a_rollout_that_halts_is_taken_up_by_the_next_run(project: Project, api: Api) -> None:
    project.program(ROLLOUT)
    project.data(kubeconfig=api.kubeconfig, image=control_plane.BROKEN)
    project.failing_up()
    assert "halting" in project.resources()
    project.data(kubeconfig=api.kubeconfig, image="app:1")
    project.up()
    assert api.get("/apis/apps/v1/namespaces/default/deployments/halting")["status"]["readyReplicas"] == 1


def test_a_cluster_that_is_gone_can_be_dropped_from_state(project: Project, api: Api, nowhere: str) -> None:
    project.program(ONE)
    project.data(kubeconfig=api.kubeconfig, name="forsaken")
    project.up()
    project.data(kubeconfig=nowhere, name="forsaken", provider={"delete_unreachable": True})
    project.up()
    project.destroy()
    assert api.exists(f"{MAPS}/forsaken")
