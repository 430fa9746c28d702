"""ClusterAddons with a real engine and a real API server: what a user's `up` does, a second one, and a change.

Marked ``lab`` because it needs what ``make up`` builds; no host is touched. Nodes and their pods are played.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plugins import engine as engines
from tests.plugins.engine import Project
from tests.plugins.kubernetes import control_plane
from tests.plugins.kubernetes.control_plane import Api
from tests.settings import samples

pytestmark = pytest.mark.built

engine, blank, project = engines.engine, engines.blank, engines.project

CLONE = Path(__file__).resolve().parents[2]
NODES = ("shaolin", "wudang", "emei", "huashan")
TAINT = {"key": "example.com/maintenance", "effect": "NoExecute"}
PROXY = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"
FLANNEL = "/apis/apps/v1/namespaces/kube-flannel/daemonsets/kube-flannel-ds"
PROXY_CONFIG = "/api/v1/namespaces/kube-system/configmaps/kube-proxy"
PROGRAM = """\
import sys

sys.path.insert(0, data["clone"])
import settings
from components.cluster_addons import ClusterAddons, ClusterAddonsArgs

stack = settings.parse(data["values"], pathlib.Path(data["root"]))
hosts = {node: data["host"] for node in stack.nodes()}
kubeconfig = pulumi.Output.secret(data["kubeconfig"])
ClusterAddons("addons", ClusterAddonsArgs(stack, kubeconfig, "a CA", "sample", hosts))
"""


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with control_plane.running(tmp_path_factory.mktemp("control-plane")) as running:
        for node in NODES:
            add_linux_node(running, node)
        yield running


def add_linux_node(api: Api, name: str) -> None:
    """A node as its kubelet registers it: pods that ask for Linux go there."""
    api.add_node(name)
    api.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": {"kubernetes.io/os": "linux"}}}, manager="kubelet")


def given(project: Project, api: Api, host: str = "first", **cluster: Any) -> None:
    """Sets the program's stack: the sample, with the Service network of the test's API server."""
    samples.write_files(project.folder)
    values = samples.values()
    values["cluster"] |= {"serviceCidr": "10.0.0.0/24"} | cluster
    project.program(PROGRAM)
    facts = {"clone": str(CLONE), "root": str(project.folder), "kubeconfig": api.kubeconfig, "host": host}
    project.data(values=values, **facts)


def test_an_up_ends_with_running_add_ons_and_the_next_one_changes_nothing(project: Project, api: Api) -> None:
    given(project, api)
    project.up()
    for daemon_set in (PROXY, FLANNEL):
        assert api.get(daemon_set)["status"]["numberAvailable"] == len(NODES)
    assert api.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns")["status"]["availableReplicas"] == 2
    assert project.changes() == {}


def test_a_changed_setting_changes_the_map_in_place_and_rolls_the_pods(project: Project, api: Api) -> None:
    given(project, api)
    project.up()
    uid, generation = api.get(PROXY_CONFIG)["metadata"]["uid"], api.get(PROXY)["metadata"]["generation"]
    given(project, api, kubeProxy={"config": {"conntrack": {"maxPerCore": 0}}})
    assert project.changes() == {"addons-configmap-kube-proxy": "update", "addons-daemonset-kube-proxy": "update"}
    project.up()
    config = api.get(PROXY_CONFIG)
    assert yaml.safe_load(config["data"]["config.conf"])["conntrack"] == {"maxPerCore": 0}
    assert config["metadata"]["uid"] == uid
    assert api.get(PROXY)["metadata"]["generation"] == generation + 1
    assert project.changes() == {}


def test_labels_are_laid_on_a_node_and_its_taints_are_left_to_their_owners(project: Project, api: Api) -> None:
    api.patch("/api/v1/nodes/emei", {"spec": {"taints": [TAINT]}, "metadata": {"labels": {"example.com/disk": "fast"}}})
    given(project, api)
    project.up()
    emei = api.get("/api/v1/nodes/emei")
    labels = {"node-role.kubernetes.io/control-plane": "", "example.com/disk": "fast"}
    assert labels.items() <= emei["metadata"]["labels"].items()
    assert TAINT.items() <= emei["spec"]["taints"][0].items()


def test_a_node_whose_host_was_replaced_gets_its_labels_back(project: Project, api: Api) -> None:
    given(project, api)
    project.up()
    api.delete("/api/v1/nodes/emei")
    add_linux_node(api, "emei")
    given(project, api, host="second")
    assert set(project.changes()) == {f"addons-node-{node}" for node in NODES}
    project.up()
    assert "node-role.kubernetes.io/control-plane" in api.get("/api/v1/nodes/emei")["metadata"]["labels"]


def test_what_a_kubeadm_cluster_has_under_the_same_names_is_taken_over(project: Project, api: Api) -> None:
    config = {"data": {"config.conf": "mode: ipvs\n", "kubeconfig.conf": "clusters: []\n"}}
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-proxy", "namespace": "kube-system"}}
    api.post("/api/v1/namespaces/kube-system/configmaps", head | config)
    uid = api.get(PROXY_CONFIG)["metadata"]["uid"]
    given(project, api)
    project.up()
    after = api.get(PROXY_CONFIG)
    assert after["metadata"]["uid"] == uid
    assert "ipvs" not in json.dumps(after["data"])
    assert project.changes() == {}


def test_an_up_whose_record_was_lost_leaves_no_field_behind_for_good(project: Project, api: Api) -> None:
    """What a killed engine has applied and not recorded is applied again, by the same manager."""
    given(project, api, kubeProxy={"config": {"mode": "nftables"}})
    project.up()
    (project.folder / engines.STATE_FILE).unlink()
    assert project.run("stack", "init", "contract").status == 0
    given(project, api, cni="none")
    project.up()
    managers = {entry["manager"] for entry in api.get(PROXY_CONFIG)["metadata"]["managedFields"]}
    assert managers == {"evenkeel"}
    assert "nftables" not in json.dumps(api.get(PROXY_CONFIG)["data"])
