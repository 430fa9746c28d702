"""What a node of an adopted cluster would lose without a word in its turn, said before anything is changed.

`python -m ops adopt` reads one master; workers and other masters say it here (preflight-adopted.sh).
"""

import subprocess

import pytest
from cryptography.hazmat.primitives import hashes

from tests.scripts.preflight_bench import Bench
from tests.settings import pem

FLAGS = "var/lib/kubelet/kubeadm-flags.env"
SOCKET = "--container-runtime-endpoint=unix:///run/containerd/containerd.sock"
# As `containerd config dump` prints: version 1.7 the first, 2 the second.
DUMPS = {
    "1.7": """\
disabled_plugins = []
root = "{root}"
state = "/run/containerd"
version = 2

[plugins]

  [plugins."io.containerd.grpc.v1.cri"]

    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "runc"

      [plugins."io.containerd.grpc.v1.cri".containerd.default_runtime]
        runtime_root = ""

        [plugins."io.containerd.grpc.v1.cri".containerd.default_runtime.options]

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes]

        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{runtime}]
          runtime_root = ""

          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{runtime}.options]
            Root = ""

    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = ""

      [plugins."io.containerd.grpc.v1.cri".registry.configs]

        [plugins."io.containerd.grpc.v1.cri".registry.configs."{registry}"]

          [plugins."io.containerd.grpc.v1.cri".registry.configs."{registry}".auth]
            password = "hidden"
""",
    "2": """\
version = 3
root = '{root}'
state = '/run/containerd'

[plugins]
  [plugins.'io.containerd.cri.v1.images']
    [plugins.'io.containerd.cri.v1.images'.registry]
      config_path = ''

      [plugins.'io.containerd.cri.v1.images'.registry.mirrors]
        [plugins.'io.containerd.cri.v1.images'.registry.mirrors.'{registry}']
          endpoint = ['https://mirror.example.com']

  [plugins.'io.containerd.cri.v1.runtime']
    [plugins.'io.containerd.cri.v1.runtime'.containerd]
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes]
        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{runtime}]
          runtime_type = 'io.containerd.runc.v2'

          [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{runtime}.options]
            BinaryName = ''
""",
}


def preflight(bench: Bench) -> subprocess.CompletedProcess[str]:
    """The worker's, in a stack that adopts the cluster whose authority it trusts."""
    authority = pem.issued("kubernetes")
    bench.host.file("etc/kubernetes/pki/ca.crt", authority.text)
    fingerprint = authority.certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return bench.host.preflight(bench.stack, "huashan", CLUSTER_CA=fingerprint, RUNTIMES="runc")


def said(bench: Bench) -> list[str]:
    """What stands in the way, without what is fetched."""
    done = preflight(bench)
    found = [line for line in done.stderr.splitlines() if "fetching" not in line]
    assert done.returncode == (1 if found else 0), done.stderr
    return found


def containerd(
    bench: Bench,
    version: str,
    root: str = "/var/lib/containerd",
    runtime: str = "runc",
    registry: str = "registry.k8s.io",
) -> None:
    bench.host.file("etc/containerd/certs.d/registry.k8s.io/hosts.toml", "")
    dump = DUMPS[version].format(root=root, runtime=runtime, registry=registry)
    bench.host.stub("containerd", f"[ \"$*\" = 'config dump' ] || exit 1\ncat <<'END'\n{dump}END")


def test_a_node_as_kubeadm_made_it_is_taken(bench: Bench) -> None:
    bench.host.file(
        FLAGS, f'KUBELET_KUBEADM_ARGS="{SOCKET} --pod-infra-container-image=pause:3.10 --node-ip=192.0.2.21"\n'
    )
    bench.host.file("etc/sysconfig/kubelet", "KUBELET_EXTRA_ARGS=\n")
    assert said(bench) == []


def test_a_flag_that_kubeadm_was_told_to_give_one_nodes_kubelet_is_not_lost(bench: Bench) -> None:
    bench.host.file(FLAGS, f'KUBELET_KUBEADM_ARGS="{SOCKET} --root-dir=/data/kubelet"\n')
    (line,) = said(bench)
    assert f"its kubelet has --root-dir=/data/kubelet in /{FLAGS}, which is read no more; move it" in line


def test_flags_where_red_hats_package_reads_them_are_not_lost(bench: Bench) -> None:
    bench.host.file("etc/sysconfig/kubelet", 'KUBELET_EXTRA_ARGS="--max-pods=200"\n')
    (line,) = said(bench)
    assert "its kubelet has --max-pods=200 in /etc/sysconfig/kubelet, which is read no more; copy that file" in line
    bench.host.file("etc/default/kubelet", 'KUBELET_EXTRA_ARGS="--max-pods=200"\n')
    assert said(bench) == []


@pytest.mark.parametrize("version", DUMPS)
def test_a_container_runtime_as_packages_bring_it_is_taken(bench: Bench, version: str) -> None:
    containerd(bench, version)
    assert said(bench) == []


@pytest.mark.parametrize("version", DUMPS)
def test_containers_that_lie_on_another_disk_are_not_lost_sight_of(bench: Bench, version: str) -> None:
    """The stack's containerd began without any there, and the kubelet started every pod beside the ones that ran."""
    containerd(bench, version, root="/data/containerd")
    (line,) = said(bench)
    assert "its containerd has root = /data/containerd, and a stack's has it at /var/lib/containerd" in line
    assert "; drain the node, stop kubelet and containerd, move that folder there" in line


@pytest.mark.parametrize("version", DUMPS)
def test_a_runtime_that_pods_name_is_not_lost(bench: Bench, version: str) -> None:
    """Pods of its RuntimeClass that ran went on, and none came up any more."""
    containerd(bench, version, runtime="nvidia")
    (line,) = said(bench)
    assert "its containerd has the runtime nvidia, and the stack's has none of that name; write it below " in line


@pytest.mark.parametrize("version", DUMPS)
def test_a_registrys_mirror_or_credentials_are_not_lost(bench: Bench, version: str) -> None:
    containerd(bench, version, registry="registry.example.com:5000")
    (line,) = said(bench)
    assert "its containerd has settings for the registry registry.example.com:5000 in /etc/containerd" in line
    assert "hidden" not in line
    bench.host.file("etc/containerd/certs.d/registry.example.com:5000/hosts.toml", "server = ''\n")
    assert said(bench) == []


@pytest.mark.parametrize("line", ['bin_dir = "/usr/lib/cni"', "bin_dirs = ['/usr/lib/cni']"])
def test_plugins_that_lie_where_debians_containerd_looks_are_not_lost(bench: Bench, line: str) -> None:
    bench.host.stub("containerd", f"cat <<'END'\n  [plugins.x.cni]\n    {line}\n    conf_dir = '/etc/cni/net.d'\nEND")
    plugins = '{"plugins": [{"type": "calico"}, {"type":"portmap", "capabilities": {}}]}\n'
    bench.host.file("etc/cni/net.d/10-calico.conflist", plugins)
    for name in ("calico", "portmap"):  # the second is in every node's folder once it is prepared
        bench.host.file(f"usr/lib/cni/{name}", "")
    (line,) = said(bench)
    assert "its containerd finds the network plugin calico in /usr/lib/cni, and a stack's in /opt/cni/bin alone" in line
    bench.host.file("opt/cni/bin/calico", "")
    assert said(bench) == []


def test_settings_of_the_pod_network_that_lie_elsewhere_are_not_lost(bench: Bench) -> None:
    bench.host.stub("containerd", "echo \"    conf_dir = '/etc/cni/other'\"")
    (line,) = said(bench)
    assert "finds the pod network's settings in /etc/cni/other, and a stack's in /etc/cni/net.d alone" in line


def test_a_node_that_had_its_turn_is_the_stacks(bench: Bench) -> None:
    bench.host.file(FLAGS, 'KUBELET_KUBEADM_ARGS="--v=4"\n')
    bench.host.file("var/lib/evenkeel/applied/kubelet", "")
    assert said(bench) == []
