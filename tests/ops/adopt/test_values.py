"""What a look makes of a cluster: its user's settings, all of them and nothing else."""

import dataclasses
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import toolchain
from ops.adopt import plan, values
from tests.ops.adopt import sample
from tests.ops.adopt.drawn import RELEASE, SSH, sections

PLAIN = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 192.0.2.11, bindPort: 6443}
nodeRegistration: {name: shaolin, criSocket: "unix:///run/containerd/containerd.sock"}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.3
networking: {podSubnet: 10.244.0.0/16}
"""


def test_what_a_user_has_set_comes_along() -> None:
    section = sections(sample.read())["cluster"]
    assert section["apiServer"]["extraArgs"] == {
        "audit-log-maxage": "7",
        "feature-gates": "MutatingAdmissionPolicy=true",
    }
    assert section["apiServer"]["extraSans"] == ["api.example.com"]
    assert section["kubelet"] == {"config": {"maxPods": 150}}
    assert section["kubeProxy"] == {"config": {"mode": "nftables", "conntrack": {"maxPerCore": 0}}}
    assert {"controllerManager", "scheduler", "etcd"}.isdisjoint(section)


def test_where_an_agent_has_the_key_no_file_is_named() -> None:
    cluster, ssh = sample.read(), dataclasses.replace(SSH, private_key_file=None)
    found = values.of(cluster, plan.usual(cluster, ssh, RELEASE), ssh, "known_hosts", RELEASE.name)
    assert found["ssh"] == {"user": "root", "knownHosts": "known_hosts", "agent": True}


def test_how_often_etcd_snapshots_itself_comes_along_where_it_is_not_kubeadms_own_number() -> None:
    """kubeadm's keeps a young cluster's members from knowing each other after etcd 3.5 becomes 3.6."""
    path, usual = "/etc/kubernetes/manifests/etcd.yaml", "--snapshot-count=10000\n"

    def changed(files: dict[str, str], _answers: dict[str, Any]) -> None:
        assert usual in files[path]
        files[path] = files[path].replace(usual, "--snapshot-count=5000\n")

    assert sections(sample.read(changed))["cluster"]["etcd"] == {"extraArgs": {"snapshot-count": "5000"}}


def test_networks_names_and_addresses_come_along() -> None:
    found = sections(sample.read())
    section = found["cluster"]
    assert (section["name"], section["podCidr"], section["serviceCidr"]) == (
        "kubernetes",
        "10.244.0.0/16",
        "10.96.0.0/16",
    )
    assert found["hosts"] == {
        "shaolin": {"address": sample.MASTER, "roles": ["master"]},
        "huashan": {"address": sample.WORKER, "roles": ["worker"]},
    }


def test_a_master_that_takes_any_pod_is_a_worker_too() -> None:
    def untainted(_files: dict[str, str], answers: dict[str, Any]) -> None:
        answers["nodes"]["items"][0]["spec"] = {}

    assert sections(sample.read(untainted))["hosts"]["shaolin"]["roles"] == ["master", "worker"]


def test_a_master_of_the_old_days_is_known_by_its_old_label_and_taint() -> None:
    def old(_files: dict[str, str], answers: dict[str, Any]) -> None:
        master = answers["nodes"]["items"][0]
        master["metadata"]["labels"] = {"node-role.kubernetes.io/master": ""}
        master["spec"] = {"taints": [{"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}]}

    assert sections(sample.read(old))["hosts"]["shaolin"]["roles"] == ["master"]


def test_what_one_node_has_beyond_the_cluster_stays_its_own() -> None:
    def own(files: dict[str, str], _answers: dict[str, Any]) -> None:
        files["/var/lib/kubelet/config.yaml"] += "resolvConf: /run/systemd/resolve/resolv.conf\n"

    found = sections(sample.read(own))
    assert found["hosts"]["shaolin"]["kubelet"] == {"config": {"resolvConf": "/run/systemd/resolve/resolv.conf"}}
    assert "resolvConf" not in found["cluster"]["kubelet"]["config"]


def test_what_a_worker_has_beyond_the_cluster_stays_its_own() -> None:
    """Only the master's was looked at: a worker lost what was reserved there, and without its CPUs' policy it ended."""

    def own(_files: dict[str, str], answers: dict[str, Any]) -> None:
        answers["kubelet/huashan"]["kubeletconfig"] |= {
            "cpuManagerPolicy": "static",
            "maxPods": 250,
            "systemReserved": {"cpu": "500m"},
            "evictionHard": {"memory.available": "500Mi"},
            "registerWithTaints": [{"key": "gpu", "effect": "NoSchedule"}],
            "tlsCertFile": "/var/lib/kubelet/pki/kubelet.crt",
        }

    assert sections(sample.read(own))["hosts"]["huashan"]["kubelet"] == {
        "config": {
            "maxPods": 250,
            "evictionHard": {"memory.available": "500Mi"},
            "cpuManagerPolicy": "static",
            "systemReserved": {"cpu": "500m"},
        }
    }


def test_a_worker_that_is_like_the_cluster_has_nothing_of_its_own_beside_a_master_that_is_not() -> None:
    def master(files: dict[str, str], answers: dict[str, Any]) -> None:
        files["/var/lib/kubelet/config.yaml"] = files["/var/lib/kubelet/config.yaml"].replace("150", "50")
        answers["kubelet/shaolin"]["kubeletconfig"]["maxPods"] = 50

    hosts = sections(sample.read(master))["hosts"]
    assert hosts["shaolin"]["kubelet"] == {"config": {"maxPods": 50}}
    assert "kubelet" not in hosts["huashan"]


def test_a_corefile_that_somebody_has_changed_stays_theirs() -> None:
    def changed(_files: dict[str, str], answers: dict[str, Any]) -> None:
        maps = {item["metadata"]["name"]: item for item in answers["config-maps"]["items"]}
        maps["coredns"]["data"]["Corefile"] += "example.com:53 {\n    forward . 192.0.2.53\n}\n"

    assert sections(sample.read())["adopted"]["keeps"] == []
    assert sections(sample.read(changed))["adopted"]["keeps"] == ["coredns"]


@pytest.mark.parametrize("size", ["replicas", "resources"])
def test_a_coredns_that_was_fitted_to_its_cluster_stays_theirs(size: str) -> None:
    """Its Corefile was kubeadm's own, and ten replicas became two, the autoscaler's number included."""

    def fitted(_files: dict[str, str], answers: dict[str, Any]) -> None:
        spec = answers["coredns"]["spec"]
        if size == "replicas":
            spec["replicas"] = 10
        else:
            spec["template"]["spec"]["containers"][0]["resources"] = {"limits": {"memory": "1Gi"}}

    assert sections(sample.read(fitted))["adopted"]["keeps"] == ["coredns"]


def test_a_kube_proxy_whose_pods_were_taken_away_does_not_come_back() -> None:
    """As the instructions of kube-router have it: its ConfigMap stays, and the network does its work."""

    def replaced(_files: dict[str, str], answers: dict[str, Any]) -> None:
        answers["daemon-sets"]["items"] = [{"metadata": {"name": "kube-router"}}]

    assert sections(sample.read(replaced))["adopted"]["keeps"] == ["kube-proxy"]


@pytest.mark.parametrize(
    "socket", ["unix:///run/containerd/containerd.sock", "unix:///var/run/containerd/containerd.sock"]
)
def test_the_socket_that_kubeadm_names_by_itself_is_no_setting(socket: str) -> None:
    """Since 1.34 it writes the second into each node's file: the preview of every such cluster was refused for it."""
    path = "/var/lib/kubelet/config.yaml"

    def named(files: dict[str, str], _answers: dict[str, Any]) -> None:
        assert "unix:///run/containerd/containerd.sock" in files[path]
        files[path] = files[path].replace("unix:///run/containerd/containerd.sock", socket)

    assert "kubelet" not in sections(sample.read(named))["hosts"]["shaolin"]


def test_what_the_stack_does_itself_is_no_setting_of_the_clusters() -> None:
    """Serving certificates that the cluster signs were refused, where a stack has nothing else."""

    def signed(files: dict[str, str], answers: dict[str, Any]) -> None:
        files["/var/lib/kubelet/config.yaml"] += "serverTLSBootstrap: true\n"
        maps = {item["metadata"]["name"]: item for item in answers["config-maps"]["items"]}
        maps["kubelet-config"]["data"]["kubelet"] += "serverTLSBootstrap: true\n"

    found = sections(sample.read(signed))
    assert found["cluster"]["kubelet"] == {"config": {"maxPods": 150}}
    assert "kubelet" not in found["hosts"]["shaolin"]


def test_a_load_balancer_that_clients_use_already_keeps_its_address() -> None:
    def balanced(_files: dict[str, str], answers: dict[str, Any]) -> None:
        maps = {item["metadata"]["name"]: item for item in answers["config-maps"]["items"]}
        maps["kubeadm-config"]["data"]["ClusterConfiguration"] += "controlPlaneEndpoint: 192.0.2.30:8443\n"

    assert "loadBalancer" not in sections(sample.read())
    assert sections(sample.read(balanced))["loadBalancer"] == {"address": "192.0.2.30", "port": 8443}


@pytest.mark.built
def test_what_kubeadm_writes_by_itself_leaves_no_settings(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(PLAIN)
    command = [str(toolchain.binary("kubernetes", "kubeadm")), "init", "--dry-run", "--ignore-preflight-errors=all"]
    environment = {**os.environ, "KUBEADM_INIT_DRYRUN_DIR": str(tmp_path)}
    done = subprocess.run(
        [*command, "--config", "config.yaml"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    section = sections(sample.read(printed=done.stdout))["cluster"]
    assert section.pop("apiServer") == {"extraSans": ["api.example.com"]}, "the sample's certificate has this name"
    assert {"controllerManager", "scheduler", "etcd", "kubelet", "kubeProxy"}.isdisjoint(section)
