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


def test_a_corefile_that_somebody_has_changed_stays_theirs() -> None:
    def changed(_files: dict[str, str], answers: dict[str, Any]) -> None:
        maps = {item["metadata"]["name"]: item for item in answers["config-maps"]["items"]}
        maps["coredns"]["data"]["Corefile"] += "example.com:53 {\n    forward . 192.0.2.53\n}\n"

    assert sections(sample.read())["adopted"]["keeps"] == []
    assert sections(sample.read(changed))["adopted"]["keeps"] == ["coredns"]


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
