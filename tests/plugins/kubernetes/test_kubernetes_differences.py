"""Differences: which lines a preview shows, and what replaces."""

import pytest

from lab.plugins.values import UNKNOWN
from tests.plugins.kubernetes.samples import (
    CONFIG_MAP,
    DAEMON_SET,
    ROLE_BINDING,
    Object,
    config_map,
    obj,
    workload,
)
from tests.plugins.plugin_process import Plugin

pytestmark = pytest.mark.built


def test_an_unchanged_object_has_no_difference(plugin: Plugin) -> None:
    inputs = workload("DaemonSet", "same")
    inputs["spec"]["template"]["spec"] |= {"hostNetwork": False, "volumes": [{"name": "v", "emptyDir": {}}]}
    made = plugin.create(DAEMON_SET, "same", inputs)
    assert plugin.diff(made, inputs).changes is False


def test_the_difference_names_the_changed_line(plugin: Plugin) -> None:
    made = plugin.create(CONFIG_MAP, "lines", config_map("lines", **{"a.conf": "1", "b": "1"}))
    difference = plugin.diff(made, config_map("lines", **{"a.conf": "2", "c": "1"}))
    assert difference.paths == {'data["a.conf"]': "UPDATE", "data.b": "DELETE", "data.c": "ADD"}
    assert difference.replaces == []


def test_the_difference_in_a_list_names_the_element(plugin: Plugin) -> None:
    made = plugin.create(DAEMON_SET, "listed", workload("DaemonSet", "listed"))
    difference = plugin.diff(made, workload("DaemonSet", "listed", image="app:2"))
    assert difference.paths == {"spec.template.spec.containers[0].image": "UPDATE"}


def test_a_config_map_is_replaced_unless_the_provider_says_otherwise(defaults: Plugin) -> None:
    made = defaults.create(CONFIG_MAP, "fixed", config_map("fixed", a="1"))
    difference = defaults.diff(made, config_map("fixed", a="2"))
    assert difference.paths == {"data.a": "UPDATE_REPLACE"}
    assert difference.replaces == ["data.a"]
    assert difference.delete_before_replace


def test_a_change_of_name_replaces_and_needs_no_deletion_first(plugin: Plugin) -> None:
    made = plugin.create(CONFIG_MAP, "old-name", config_map("old-name", a="1"))
    difference = plugin.diff(made, config_map("new-name", a="1"))
    assert difference.paths == {"metadata.name": "UPDATE_REPLACE"}
    assert not difference.delete_before_replace


def test_a_change_of_namespace_replaces(plugin: Plugin) -> None:
    made = plugin.create(CONFIG_MAP, "moving", config_map("moving", a="1"))
    moved = config_map("moving", a="1") | {"metadata": {"name": "moving", "namespace": "kube-system"}}
    assert plugin.diff(made, moved).replaces == ["metadata.namespace"]


def test_an_immutable_field_replaces(plugin: Plugin) -> None:
    def binding(role: str) -> Object:
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        return obj("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "bound", roleRef=reference, subjects=[])

    made = plugin.create(ROLE_BINDING, "bound", binding("view"))
    difference = plugin.diff(made, binding("edit"))
    assert difference.replaces == ["roleRef.name"]
    assert difference.delete_before_replace


def test_what_becomes_known_later_counts_as_a_change(plugin: Plugin) -> None:
    made = plugin.create(CONFIG_MAP, "later", config_map("later", a="1"))
    assert plugin.diff(made, config_map("later", a=UNKNOWN)).paths == {"data.a": "UPDATE"}
