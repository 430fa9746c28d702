"""Check, create, preview, update, read and delete: what becomes of objects and of state."""

import base64
import threading

import pytest

from lab.plugins.values import UNKNOWN, plain, wrap
from tests.plugins.engine import lab_only
from tests.plugins.kubernetes.control_plane import Api
from tests.plugins.kubernetes.samples import (
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    MAPS,
    NODE_PATCH,
    SECRET,
    Object,
    annotated,
    config_map,
    obj,
    workload,
)
from tests.plugins.plugin_process import Plugin, RefusedError, fields, started

pytestmark = pytest.mark.built


def test_a_namespaced_object_gets_the_default_namespace(plugin: Plugin) -> None:
    checked = plugin.check(CONFIG_MAP, "m", config_map("m"))
    assert plain(checked.inputs["metadata"])["namespace"] == "default"


def test_a_cluster_wide_object_gets_no_namespace(plugin: Plugin) -> None:
    checked = plugin.check("kubernetes:core/v1:Namespace", "n", obj("v1", "Namespace", "n"))
    assert "namespace" not in plain(checked.inputs["metadata"])


def test_an_object_without_a_name_is_named_after_its_resource(plugin: Plugin) -> None:
    metadata = plain(plugin.check(CONFIG_MAP, "settings", config_map()).inputs["metadata"])
    assert metadata["name"].startswith("settings-")
    assert len(metadata["name"]) == len("settings-") + 8
    assert metadata["annotations"] == {"pulumi.com/autonamed": "true"}


def test_a_component_s_child_is_what_it_is_elsewhere(plugin: Plugin) -> None:
    """The types of the components around a resource come before its own in the URN."""
    made = plugin.create(f"lab:index:Addons${CONFIG_MAP}", "child", config_map("child", a="1"))
    assert plugin.diff(made, config_map("child", a="1")).changes is False


def test_an_invented_name_is_kept(plugin: Plugin) -> None:
    first = plugin.check(CONFIG_MAP, "settings", config_map(a="1"))
    second = plugin.check(CONFIG_MAP, "settings", config_map(a="2"), first.inputs)
    assert plain(second.inputs["metadata"])["name"] == plain(first.inputs["metadata"])["name"]


def test_a_patch_must_name_its_object(plugin: Plugin) -> None:
    with pytest.raises((RefusedError, AssertionError), match=r"metadata\.name"):
        plugin.create(NODE_PATCH, "p", obj("v1", "Node", metadata={"labels": {"a": "b"}}))


@lab_only
def test_an_annotation_that_the_lab_does_not_implement_is_refused_by_the_lab(plugin: Plugin) -> None:
    checked = plugin.check(CONFIG_MAP, "m", annotated(config_map("m"), waitFor="condition=Ready"))
    assert "pulumi.com/waitFor" in checked.failures[0]


@lab_only
def test_a_kind_that_the_lab_does_not_implement_is_refused_by_the_lab(plugin: Plugin) -> None:
    with pytest.raises(RefusedError, match="does not implement this type"):
        plugin.check("kubernetes:apps/v1:StatefulSet", "s", obj("apps/v1", "StatefulSet", "s"))


def test_the_data_of_a_secret_is_secret_whatever_it_came_from(plugin: Plugin) -> None:
    checked = plugin.check(SECRET, "s", obj("v1", "Secret", "s", stringData={"password": "hunter2"}))
    assert plain(checked.inputs["data"]) == {"password": base64.b64encode(b"hunter2").decode()}
    assert checked.inputs["data"].is_secret


def test_what_came_from_a_secret_stays_secret(plugin: Plugin) -> None:
    checked = plugin.check(CONFIG_MAP, "m", config_map("m", token=wrap("hunter2", secret=True), level="info"))
    data = fields(checked.inputs["data"])
    assert (data["token"].is_secret, data["level"].is_secret) == (True, False)


def test_a_created_object_is_there_and_in_state(plugin: Plugin, api: Api) -> None:
    made = plugin.create(CONFIG_MAP, "made", config_map("made", a="1"))
    assert made.id == "default/made"
    assert api.get(f"{MAPS}/made")["data"] == {"a": "1"}
    assert made.live()["metadata"]["uid"] == api.get(f"{MAPS}/made")["metadata"]["uid"]
    assert plain(made.state["__inputs"])["data"] == {"a": "1"}


def test_an_object_that_exists_is_not_taken_over(plugin: Plugin, api: Api) -> None:
    api.post(MAPS, {"metadata": {"name": "theirs"}, "data": {"a": "theirs"}})
    with pytest.raises(RefusedError, match="already exists"):
        plugin.create(CONFIG_MAP, "theirs", config_map("theirs", a="ours"))
    assert api.get(f"{MAPS}/theirs")["data"] == {"a": "theirs"}


def test_upsert_existing_objects_takes_an_existing_object(executable: str, api: Api) -> None:
    api.post(MAPS, {"metadata": {"name": "shared"}, "data": {"kept": "theirs"}})
    with started(executable, "kubernetes") as upserting:
        upserting.configure({"kubeconfig": api.kubeconfig, "upsertExistingObjects": "true"})
        upserting.create(CONFIG_MAP, "shared", config_map("shared", a="ours"))
    assert api.get(f"{MAPS}/shared")["data"] == {"kept": "theirs", "a": "ours"}


def test_an_upsert_does_not_steal_a_field(executable: str, api: Api) -> None:
    api.post(MAPS, {"metadata": {"name": "owned"}, "data": {"a": "theirs"}})
    with started(executable, "kubernetes") as upserting:
        upserting.configure({"kubeconfig": api.kubeconfig, "upsertExistingObjects": "true"})
        with pytest.raises(RefusedError, match="conflict"):
            upserting.create(CONFIG_MAP, "owned", config_map("owned", a="ours"))
        upserting.create(CONFIG_MAP, "owned", annotated(config_map("owned", a="ours"), patchForce="true"))
    assert api.get(f"{MAPS}/owned")["data"] == {"a": "ours"}


def test_a_named_field_manager_survives_a_lost_state(executable: str, api: Api) -> None:
    """An engine that is killed forgets what it created; the next run creates again, and later changes must work."""

    def inputs(value: str) -> Object:
        return annotated(config_map("recreated", a=value), patchFieldManager="evenkeel")

    with started(executable, "kubernetes") as upserting:
        upserting.configure({"kubeconfig": api.kubeconfig, "upsertExistingObjects": "true"})
        upserting.create(CONFIG_MAP, "recreated", inputs("1"))
        again = upserting.create(CONFIG_MAP, "recreated", inputs("1"))
        upserting.update(again, inputs("2"))
    assert api.get(f"{MAPS}/recreated")["data"] == {"a": "2"}


def test_a_namespace_that_comes_a_little_later_is_waited_for(plugin: Plugin, api: Api) -> None:
    later = threading.Timer(0.5, api.post, ("/api/v1/namespaces", {"metadata": {"name": "late"}}))
    later.start()
    inputs = config_map("m", a="1")
    made = plugin.create(CONFIG_MAP, "m", inputs | {"metadata": {"name": "m", "namespace": "late"}})
    assert made.id == "late/m"


@lab_only
def test_a_misspelt_field_is_refused_by_the_lab(plugin: Plugin) -> None:
    spelt = workload("DaemonSet", "spelt")
    spelt["spec"]["template"]["spec"]["hostNetwrk"] = True
    with pytest.raises(RefusedError, match="hostNetwrk"):
        plugin.create(DAEMON_SET, "spelt", spelt)


def test_a_secret_s_data_is_secret_in_state(plugin: Plugin) -> None:
    made = plugin.create(SECRET, "hidden", obj("v1", "Secret", "hidden", stringData={"password": "hunter2"}))
    assert made.state["data"].is_secret
    assert fields(made.state["__inputs"])["data"].is_secret


def test_a_preview_of_a_creation_is_what_the_api_server_would_make(plugin: Plugin, api: Api) -> None:
    shown = plugin.preview(DEPLOYMENT, "seen", workload("Deployment", "seen"))
    assert plain(shown["spec"])["strategy"]["type"] == "RollingUpdate"
    assert not api.exists("/apis/apps/v1/namespaces/default/deployments/seen")


def test_a_preview_with_unknown_inputs_shows_them_as_they_are(plugin: Plugin) -> None:
    shown = plugin.preview(CONFIG_MAP, "m", config_map("m", a=UNKNOWN))
    assert plain(shown["data"]) == {"a": UNKNOWN}


def test_a_preview_into_a_namespace_of_the_same_program_works(plugin: Plugin) -> None:
    inputs = config_map("m", a="1") | {"metadata": {"name": "m", "namespace": "not-there-yet"}}
    assert plain(plugin.preview(CONFIG_MAP, "m", inputs)["data"]) == {"a": "1"}


def test_a_preview_tells_what_the_api_server_would_refuse(plugin: Plugin) -> None:
    with pytest.raises(RefusedError, match="selector"):
        plugin.preview(DEPLOYMENT, "bad", workload("Deployment", "bad", selector={"matchLabels": {"app": "other"}}))


def test_a_preview_of_an_update_changes_nothing(plugin: Plugin, api: Api) -> None:
    made = plugin.create(CONFIG_MAP, "previewed", config_map("previewed", a="1"))
    shown = plugin.update(made, config_map("previewed", a="2"), preview=True)
    assert shown.live()["data"] == {"a": "2"}
    assert api.get(f"{MAPS}/previewed")["data"] == {"a": "1"}


def test_an_update_changes_adds_and_removes(plugin: Plugin, api: Api) -> None:
    made = plugin.create(CONFIG_MAP, "changing", config_map("changing", a="1", b="1"))
    api.patch(f"{MAPS}/changing", {"data": {"theirs": "1"}}, manager="somebody")
    changed = plugin.update(made, config_map("changing", a="2", c="1"))
    assert api.get(f"{MAPS}/changing")["data"] == {"a": "2", "c": "1", "theirs": "1"}
    assert plugin.diff(changed, config_map("changing", a="2", c="1")).changes is False


def test_an_update_takes_over_what_somebody_wrote_by_kubectl(plugin: Plugin, api: Api) -> None:
    made = plugin.create(CONFIG_MAP, "edited", config_map("edited", a="1"))
    api.patch(f"{MAPS}/edited", {"data": {"a": "theirs", "more": "1"}}, manager="kubectl-edit")
    plugin.update(made, config_map("edited", a="2"))
    assert api.get(f"{MAPS}/edited")["data"] == {"a": "2"}


def test_an_update_keeps_its_field_manager(plugin: Plugin, api: Api) -> None:
    made = plugin.create(CONFIG_MAP, "managed", config_map("managed", a="1"))
    plugin.update(plugin.update(made, config_map("managed", a="2")), config_map("managed", a="3"))
    entries = api.get(f"{MAPS}/managed")["metadata"]["managedFields"]
    assert [(entry["manager"], entry["operation"]) for entry in entries] == [
        (plain(made.state["__fieldManager"]), "Apply")
    ]


def test_an_update_does_not_overrule_another_manager(plugin: Plugin, api: Api) -> None:
    made = plugin.create(CONFIG_MAP, "contested", config_map("contested", a="1"))
    made = plugin.update(made, config_map("contested", a="2"))
    api.patch(f"{MAPS}/contested", {"data": {"a": "theirs"}}, manager="somebody")
    with pytest.raises(RefusedError, match="conflict"):
        plugin.update(made, config_map("contested", a="3"))
    plugin.update(made, annotated(config_map("contested", a="3"), patchForce="true"))
    assert api.get(f"{MAPS}/contested")["data"] == {"a": "3"}


def test_a_refresh_shows_what_somebody_else_changed(plugin: Plugin, api: Api) -> None:
    inputs = config_map("drifting", a="1")
    made = plugin.create(CONFIG_MAP, "drifting", inputs)
    api.patch(f"{MAPS}/drifting", {"data": {"a": "2", "theirs": "1"}})
    seen = plugin.read(made)
    assert seen is not None
    assert plain(seen.inputs["data"]) == {"a": "2"}
    assert plugin.diff(seen, inputs).paths == {"data.a": "UPDATE"}


def test_a_refresh_of_a_vanished_object_says_so(plugin: Plugin, api: Api) -> None:
    made = plugin.create(CONFIG_MAP, "vanishing", config_map("vanishing"))
    api.delete(f"{MAPS}/vanishing")
    assert plugin.read(made) is None


def test_a_refresh_keeps_a_secret_secret(plugin: Plugin) -> None:
    made = plugin.create(SECRET, "kept", obj("v1", "Secret", "kept", stringData={"password": "hunter2"}))
    seen = plugin.read(made)
    assert seen is not None
    assert seen.state["data"].is_secret
    assert seen.inputs["data"].is_secret


def test_a_deleted_object_is_gone_when_delete_returns(plugin: Plugin, api: Api) -> None:
    made = plugin.create(DEPLOYMENT, "leaving", workload("Deployment", "leaving"))
    plugin.delete(made)
    assert not api.exists("/apis/apps/v1/namespaces/default/deployments/leaving")
    pods = api.get("/api/v1/namespaces/default/pods?labelSelector=app%3Dleaving")["items"]
    assert all(pod["metadata"].get("deletionTimestamp") for pod in pods)


def test_a_deletion_that_is_held_up_says_by_what(plugin: Plugin, api: Api) -> None:
    made = plugin.create(CONFIG_MAP, "held", config_map("held"))
    api.patch(f"{MAPS}/held", {"metadata": {"finalizers": ["example.com/hold"]}})
    with pytest.raises(RefusedError):
        plugin.delete(made, timeout=1)
    api.patch(f"{MAPS}/held", {"metadata": {"finalizers": None}})
    plugin.delete(made)
    assert not api.exists(f"{MAPS}/held")


def test_to_delete_what_is_gone_is_no_fault(plugin: Plugin, api: Api) -> None:
    made = plugin.create(CONFIG_MAP, "gone", config_map("gone"))
    api.delete(f"{MAPS}/gone")
    plugin.delete(made)


def test_an_object_that_nobody_recorded_can_be_read_for_an_import(plugin: Plugin, api: Api) -> None:
    api.post(MAPS, {"metadata": {"name": "imported", "labels": {"a": "b"}}, "data": {"a": "1"}})
    seen = plugin.read(plugin.unrecorded(CONFIG_MAP, "imported", "default/imported"))
    assert seen is not None
    assert plain(seen.inputs["metadata"]) == {"labels": {"a": "b"}, "name": "imported", "namespace": "default"}
    inputs = config_map("imported", a="1")
    inputs["metadata"]["labels"] = {"a": "b"}
    assert plugin.diff(seen, inputs).changes is False
