"""What kubeadm's commands go by on an adopted cluster, and the real kubeadm's opinion of it."""

import base64
import subprocess
from pathlib import Path

import pytest
import yaml

from lab import toolchain
from render import addons
from render.addons import kubeadm
from render.addons.objects import Object
from settings import Stack
from tests.schemas import assert_valid
from tests.settings import adopted, samples


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    cluster = samples.values()["cluster"] | {"apiServer": {"extraArgs": {"event-ttl": "2h"}}}
    return samples.stack(tmp_path, {**adopted.sections(), "cluster": cluster})


def configuration(stack: Stack) -> Object:
    (of_kubeadm, _) = kubeadm.objects(stack)
    return dict(yaml.safe_load(of_kubeadm["data"]["ClusterConfiguration"]))


def test_a_cluster_that_the_stack_founded_has_nothing_of_kubeadm(tmp_path: Path) -> None:
    assert addons.by_addon(samples.stack(tmp_path))["kubeadm"] == []


def test_nodes_that_join_by_kubeadm_find_the_load_balancer(stack: Stack) -> None:
    (_, info) = kubeadm.objects(stack)
    (cluster,) = yaml.safe_load(info["data"]["kubeconfig"])["clusters"]
    assert cluster["cluster"]["server"] == "https://192.0.2.30:6443"
    assert configuration(stack)["controlPlaneEndpoint"] == "192.0.2.30:6443"


def authority_told(info: Object) -> str:
    (cluster,) = yaml.safe_load(info["data"]["kubeconfig"])["clusters"]
    return base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode()


def test_nodes_that_join_by_kubeadm_trust_the_authority_that_the_cluster_has_brought(stack: Stack) -> None:
    (_, info) = kubeadm.objects(stack)
    assert stack.adopted is not None
    assert authority_told(info) == stack.adopted.authorities["ca"].certificate


def test_while_it_is_renewed_they_are_told_all_that_are_trusted_and_never_the_old_one_alone(tmp_path: Path) -> None:
    """A node that joins then would refuse an apiserver whose certificate is of the new authority."""
    cluster = samples.values()["cluster"] | {"pki": {"generations": {"ca": [2, 1]}}}
    stack = samples.stack(tmp_path, {**adopted.sections(), "cluster": cluster})
    (_, info) = kubeadm.objects(stack, kubeadm.cluster_info(stack, "both"))
    assert authority_told(info) == "both"
    (_, of_settings_alone) = kubeadm.objects(stack)
    assert of_settings_alone["data"] == {}


def test_objects_are_what_the_api_takes(stack: Stack) -> None:
    assert_valid(kubeadm.objects(stack))


@pytest.mark.built
def test_kubeadm_itself_takes_the_configuration(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "configuration.yaml"
    path.write_text(yaml.safe_dump(configuration(stack)))
    command = [str(toolchain.binary("kubernetes", "kubeadm")), "config", "validate", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "unknown field" not in done.stderr
