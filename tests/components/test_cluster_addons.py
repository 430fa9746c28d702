"""ClusterAddons as the engine would see it: what is secret, what belongs to what, and what waits for what."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi_command import remote

from components.cluster_addons import ClusterAddons, ClusterAddonsArgs, type_token
from tests.components import recorder
from tests.components.recorder import Registration, is_secret, plain_texts
from tests.settings import adopted, samples

KUBECONFIG = "client-key-data: a-key\n-----BEGIN EC PRIVATE KEY-----\n"
TRUSTED = "the authorities that are trusted"
NODES = ("shaolin", "wudang", "emei", "huashan")


@dataclass(frozen=True)
class Run:
    """What one run registered."""

    registered: list[Registration]

    def of(self, name: str) -> Registration:
        """The resource of that name."""
        (found,) = [one for one in self.registered if one.name == name]
        return found

    def objects(self) -> dict[str, Registration]:
        """The Kubernetes objects by name, without the provider."""
        return {one.name: one for one in self.registered if one.type.startswith("kubernetes:")}


def run(root: Path, changed: dict[str, Any] | None = None, await_ready: bool = True, preview: bool = False) -> Run:
    """Registers the sample stack's add-ons, after a command that stands for the masters' activation."""
    stack = samples.stack(root, changed)

    def program() -> None:
        gate = remote.Command("gate", create="true", connection={"host": "192.0.2.11"})
        arguments = ClusterAddonsArgs(
            stack=stack,
            kubeconfig=pulumi.Output.secret(KUBECONFIG),
            trusted=pulumi.Output.from_input(TRUSTED),
            cluster_identifier="sample",
            hosts={node: pulumi.Output.format("{0}-{1}", node, gate.id) for node in NODES},
            after=[gate],
            await_ready=await_ready,
        )
        ClusterAddons("addons", arguments)

    return Run(recorder.run(program, preview))


@pytest.fixture(params=[False, True], ids=["up", "preview"])
def done(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    return run(tmp_path, preview=request.param)


def test_the_kubeconfig_reaches_nobody_but_the_provider_and_it_as_a_secret(done: Run) -> None:
    (provider,) = [one for one in done.registered if one.type == "pulumi:providers:kubernetes"]
    assert is_secret(provider.inputs["kubeconfig"])
    for one in done.registered:
        for text in plain_texts(one.inputs):
            assert "PRIVATE KEY" not in text, f"{one.name} shows a private key"
            assert "client-key-data" not in text, f"{one.name} shows a kubeconfig's key"


def test_every_object_belongs_to_the_component_and_goes_through_its_provider(done: Run) -> None:
    assert len(done.objects()) >= len(NODES) + 20
    for name in [*done.objects(), "addons-api"]:
        parent = done.of(name).request.parent
        assert parent.endswith("evenkeel:index:ClusterAddons::addons"), f"{name} lies under {parent}"
    for name in done.objects():
        assert "::addons-api::" in done.of(name).request.provider, name


def test_nothing_is_asked_of_an_api_that_is_not_up_yet(done: Run) -> None:
    assert done.of("addons-api").after == {"gate"}


def test_the_provider_takes_over_what_is_there_and_changes_config_maps_in_place(done: Run) -> None:
    (provider,) = [one for one in done.registered if one.type == "pulumi:providers:kubernetes"]
    switches = {name: value for name, value in provider.inputs.items() if name not in ("kubeconfig", "version")}
    assert switches == {
        "clusterIdentifier": "sample",
        "enableServerSideApply": "true",
        "enablePatchForce": "true",
        "enableConfigMapMutable": "true",
        "upsertExistingObjects": "true",
    }


def test_pods_come_after_what_they_need_and_other_objects_wait_only_for_their_namespace(done: Run) -> None:
    assert done.of("addons-daemonset-kube-proxy").after >= {
        "addons-serviceaccount-kube-proxy",
        "addons-clusterrolebinding-kubeadm:node-proxier",
        "addons-configmap-kube-proxy",
    }
    assert "addons-configmap-kube-flannel-cfg" in done.of("addons-daemonset-kube-flannel-ds").after
    assert done.of("addons-configmap-kube-flannel-cfg").after == {"addons-namespace-kube-flannel"}
    assert done.of("addons-configmap-coredns").after == set()
    assert not any("daemonset" in name for name in done.of("addons-deployment-coredns").after)


def test_every_object_is_applied_by_the_one_field_manager(done: Run) -> None:
    """After an interrupted run an invented manager's name would be lost, and its fields would never go away."""
    for name, one in done.objects().items():
        assert one.inputs["metadata"]["annotations"]["pulumi.com/patchFieldManager"] == "evenkeel", name


def test_a_node_is_labelled_by_a_patch_that_outlives_its_resource_and_sets_no_taint(done: Run) -> None:
    patches = {name: one for name, one in done.objects().items() if one.type == "kubernetes:core/v1:NodePatch"}
    assert set(patches) == {f"addons-node-{node}" for node in NODES}
    for name, one in patches.items():
        assert done.of(name).request.retainOnDelete
        assert "spec" not in one.inputs, "taints are one atomic list: applying one takes the others away"
    shaolin = patches["addons-node-shaolin"].inputs
    assert (shaolin["kind"], shaolin["metadata"]["name"]) == ("Node", "shaolin")
    assert "node-role.kubernetes.io/control-plane" in shaolin["metadata"]["labels"]


def test_a_replaced_host_is_labelled_again(tmp_path: Path) -> None:
    done = run(tmp_path)
    annotations = done.objects()["addons-node-emei"].inputs["metadata"]["annotations"]
    assert annotations["evenkeel.dev/host"] == "emei-gate-id"
    assert done.of("addons-node-emei").after == {"gate"}


def test_nodes_that_join_an_adopted_cluster_are_told_which_authorities_are_trusted_now(tmp_path: Path) -> None:
    done = run(tmp_path, adopted.sections())
    info = done.objects()["addons-configmap-cluster-info"].inputs
    (cluster,) = yaml.safe_load(info["data"]["kubeconfig"])["clusters"]
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode() == TRUSTED


def skipping(done: Run) -> set[str]:
    key = "pulumi.com/skipAwait"
    return {name for name, one in done.objects().items() if key in one.inputs["metadata"]["annotations"]}


def test_a_run_waits_for_ready_pods_unless_it_is_told_not_to(tmp_path: Path) -> None:
    assert skipping(run(tmp_path)) == {"addons-service-kube-dns"}
    assert skipping(run(tmp_path, await_ready=False)) == {
        "addons-daemonset-kube-proxy",
        "addons-daemonset-kube-flannel-ds",
        "addons-deployment-coredns",
        "addons-service-kube-dns",
    }


def test_a_user_who_brings_a_network_gets_nothing_of_flannel(tmp_path: Path) -> None:
    done = run(tmp_path, {"cluster": samples.values()["cluster"] | {"cni": "none"}})
    assert "addons-daemonset-kube-proxy" in done.objects()
    assert not any("flannel" in name for name in done.objects())


def test_objects_go_by_the_official_packages_own_type_tokens() -> None:
    from pulumi_kubernetes import apps, core, policy, rbac

    classes: list[tuple[Any, str, str, bool]] = [
        (core.v1.ConfigMap, "v1", "ConfigMap", False),
        (core.v1.NodePatch, "v1", "Node", True),
        (apps.v1.DaemonSet, "apps/v1", "DaemonSet", False),
        (rbac.v1.ClusterRole, "rbac.authorization.k8s.io/v1", "ClusterRole", False),
        (policy.v1.PodDisruptionBudget, "policy/v1", "PodDisruptionBudget", False),
    ]
    for typed, api_version, kind, patch in classes:
        assert type_token(api_version, kind, patch) == typed.pulumi_type
