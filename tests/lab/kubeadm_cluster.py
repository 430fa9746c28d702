"""A cluster that the real kubeadm makes on hosts which no stack has touched: one master, one worker, flannel.

Programs and units lie where a distribution's packages put them. Owns making it. Does not own what runs there, nor what
becomes of it (tests/lab/test_adopt.py).
"""

import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.kubeadm import DROP_IN, RUNTIME, UNIT
from lab import hosts, ssh, toolchain
from render import addons, containerd, flannel
from render.files import File
from settings import Stack
from settings.merge import merged
from tests.lab.program import FOLDER, kubectl
from tests.lab.trial import fresh

PACKAGED = "/usr/bin"
PROGRAMS = {
    "kubernetes": ("kubeadm", "kubelet", "kubectl"),
    "containerd": ("containerd", "containerd-shim-runc-v2", "ctr"),
    "runc": ("runc",),
}
CNI_FOLDER = "/opt/cni/bin"
CNI_PROGRAMS = {"cni": ("bridge", "host-local", "loopback", "portmap")}
UNITS = "/usr/lib/systemd/system"
API_PORT = 6443
TOKEN = "adopts.0123456789abcdef"
JOIN = f"--token {TOKEN} --discovery-token-unsafe-skip-ca-verification --ignore-preflight-errors=all"
ETCD_IDENTITY = {"cacert": "ca.crt", "cert": "healthcheck-client.crt", "key": "healthcheck-client.key"}
SECONDS = 300


@dataclass(frozen=True)
class KubeadmCluster:
    """``kubeconfig`` is kubeadm's own for the administrator: it asks the master."""

    master: str
    worker: str
    kubeconfig: Path

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """kubectl as kubeadm's administrator."""
        return kubectl(*arguments, kubeconfig=self.kubeconfig, check=check)


def make(
    master: str, worker: str, spares: Sequence[str], stack: Stack, changes: Mapping[str, Any] | None = None
) -> KubeadmCluster:
    """The cluster, ready; ``spares`` are empty hosts beside it. ``stack`` tells the mirror, CIDRs, versions and images.

    ``changes``: to kubeadm's ClusterConfiguration.
    """
    everybody = [master, worker, *spares]
    with ThreadPoolExecutor() as pool:
        list(pool.map(fresh, everybody))
    ssh.ensure(everybody)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: install(name, stack), (master, worker)))
    for name in everybody:
        _lay_network(name)
    _put(master, File("/etc/kubeadm.yaml", yaml.safe_dump_all(_configuration(master, stack, changes or {}))))
    run(master, "kubeadm init --config /etc/kubeadm.yaml --ignore-preflight-errors=all")
    cluster = KubeadmCluster(master, worker, FOLDER / "kubeadm.kubeconfig")
    cluster.kubeconfig.parent.mkdir(mode=0o700, exist_ok=True)
    cluster.kubeconfig.touch(mode=0o600)
    cluster.kubeconfig.write_text(run(master, "cat /etc/kubernetes/admin.conf"))
    _bring_network(cluster, stack)
    run(worker, f"kubeadm join {hosts.ADDRESSES[master]}:{API_PORT} {JOIN}")
    cluster.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s")
    cluster.kubectl("rollout", "status", "--namespace=kube-system", "deployment/coredns", "--timeout=120s")
    return cluster


def label_as_before_1_24(cluster: KubeadmCluster) -> None:
    """The master as kubeadm made it until 1.24, and as it stays on clusters that were upgraded since."""
    role = "node-role.kubernetes.io"
    cluster.kubectl("label", "node", cluster.master, f"{role}/master=", f"{role}/control-plane-")


def give_peer_address_as_localhost(cluster: KubeadmCluster) -> None:
    """Its etcd member as kubeadm made it in its early days, and as upgrades leave it: who is alone is not asked."""
    ask = ["exec", "--namespace=kube-system", f"etcd-{cluster.master}", "--", "etcdctl"]
    ask += [f"--{flag}=/etc/kubernetes/pki/etcd/{file}" for flag, file in ETCD_IDENTITY.items()]
    member, *_ = cluster.kubectl(*ask, "member", "list").split(",")
    cluster.kubectl(*ask, "member", "update", member, "--peer-urls=https://localhost:2380")


def empty(names: Sequence[str]) -> None:
    """Fresh hosts in the place of these."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(fresh, names))
    ssh.ensure(names)
    for name in names:
        _lay_network(name)


def run(name: str, command: str) -> str:
    """What a command on a host prints, which must end well."""
    done = hosts.run(name, command, timeout=SECONDS)
    assert done.returncode == 0, f"{name}: {command}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def apply(cluster: KubeadmCluster, objects: Sequence[Mapping[str, Any]]) -> None:
    """Makes objects, as kubeadm's administrator."""
    command = [str(toolchain.binary("kubernetes", "kubectl")), "apply", "--kubeconfig", str(cluster.kubeconfig), "-f-"]
    subprocess.run(command, input=yaml.safe_dump_all(map(dict, objects)), text=True, check=True, capture_output=True)


def _lay_network(name: str) -> None:
    """As the first containers of flannel's own pods would, which the lab has no image of: plugin and settings."""
    run(name, f"mkdir -p {CNI_FOLDER}")
    hosts.copy(name, toolchain.binary("cni-flannel", "flannel"), f"{CNI_FOLDER}/flannel")
    _put(name, flannel.conflist())


def install(name: str, stack: Stack) -> None:
    """Programs and units as packages bring them, and a container runtime that runs."""
    run(name, f"mkdir -p {CNI_FOLDER}")
    versions = stack.release.versions.placeholders()
    for folder, programs in ((PACKAGED, PROGRAMS), (CNI_FOLDER, CNI_PROGRAMS)):
        for group, names in programs.items():
            built = toolchain.of_version(group, versions)
            for program in names:
                hosts.copy(name, toolchain.binary(built, program), f"{folder}/{program}")
    host = next(iter(stack.masters().values()))
    runtime = containerd.configuration(stack, host)
    packaged = {"containerd": {"runtimes": {"runc": {"options": {"BinaryName": f"{PACKAGED}/runc"}}}}}
    runtime = merged(runtime, {"plugins": {containerd.RUNTIME_PLUGIN: packaged}})
    files = [
        File(containerd.CONFIG, containerd.to_toml(runtime)),
        File(f"{UNITS}/containerd.service", containerd.UNIT.replace("/usr/local/bin", PACKAGED)),
        File(f"{UNITS}/kubelet.service", UNIT.replace("/usr/local/bin", PACKAGED)),
        File(f"{UNITS}/kubelet.service.d/10-kubeadm.conf", DROP_IN.replace("/usr/local/bin", PACKAGED)),
        *containerd.registry_files(stack),
    ]
    for file in files:
        _put(name, file)
    sysctls = "net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1"
    run(name, f"systemctl daemon-reload; systemctl enable --now containerd; systemctl enable kubelet; sysctl {sysctls}")


def _put(name: str, file: File) -> None:
    folder = file.path.rpartition("/")[0]
    hosts.run(name, f"mkdir -p {folder} && cat >{file.path}", stdin=file.content, check=True)


def _bring_network(cluster: KubeadmCluster, stack: Stack) -> None:
    """As upstream's manifest has it: it asks the API by its Service."""
    objects = addons.by_addon(stack)["flannel"]
    (container,) = objects[-1]["spec"]["template"]["spec"]["containers"]
    container["env"] = [one for one in container["env"] if not one["name"].startswith("KUBERNETES_SERVICE_")]
    apply(cluster, objects)


def _configuration(name: str, stack: Stack, changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    versions, cluster = stack.release.versions, stack.cluster
    kubeadm = {"apiVersion": "kubeadm.k8s.io/v1beta4"}
    return [
        kubeadm
        | {
            "kind": "InitConfiguration",
            "bootstrapTokens": [{"token": TOKEN}],
            "localAPIEndpoint": {"advertiseAddress": hosts.ADDRESSES[name], "bindPort": API_PORT},
            "nodeRegistration": {"name": name, "criSocket": RUNTIME, "imagePullPolicy": "IfNotPresent"},
        },
        kubeadm
        | {
            "kind": "ClusterConfiguration",
            "kubernetesVersion": f"v{versions.kubernetes}",
            "networking": {"podSubnet": str(cluster.pod_cidr), "serviceSubnet": str(cluster.service_cidr)},
            "apiServer": {"extraArgs": [{"name": "event-ttl", "value": "2h"}], "certSANs": ["api.before.lab"]},
            "etcd": {"local": {"imageTag": f"{versions.etcd}-0"}},
            "dns": {"imageTag": f"v{versions.coredns}"},
        }
        | dict(changes),
        {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"} | cluster.kubelet.config,
        {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration"}
        | cluster.kube_proxy.config,
    ]
