"""What kubeadm's commands go by on an adopted cluster, and the real kubeadm's opinion of it."""

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
