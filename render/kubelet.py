"""The kubelet of one node: its configuration, unit and kubeconfig. Does not own its certificates' contents."""

from typing import Any

from render import network
from render.files import File
from render.kubeconfig import rotating_kubeconfig
from render.static_pods import API_PORT, MANIFESTS, PKI
from render.yaml_text import yaml_text
from settings import Host, Stack
from settings.merge import merged

CONFIG = "/var/lib/kubelet/config.yaml"
KUBECONFIG = "/etc/kubernetes/kubelet.conf"
CLIENT_PAIR = "/var/lib/kubelet/pki/kubelet-client-current.pem"
FIRST_CLIENT_PAIR = "/etc/kubernetes/pki/kubelet-client.pem"
# Of this name in kubeadm's packages, too: systemd reads only the one in /etc.
KUBEADM_DROP_IN = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"
CONTROL_PLANE_TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}

UNIT = """\
[Unit]
Description=kubelet: runs the pods of this node
Documentation=https://kubernetes.io/docs/
Wants=network-online.target containerd.service
After=network-online.target containerd.service
StartLimitIntervalSec=0

[Service]
# Users' own flags go where kubeadm's users keep theirs.
EnvironmentFile=-/etc/default/kubelet
ExecStart=/usr/local/bin/kubelet --config={config} --kubeconfig={kubeconfig} --hostname-override={name} \
--node-ip={address} $KUBELET_EXTRA_ARGS
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""


def files(stack: Stack, host: Host) -> list[File]:
    """The plain files of the part ``kubelet``."""
    not_kubeadms = File(KUBEADM_DROP_IN, "# kubeadm's flags have no effect any more: kubelet.service says all.\n")
    return [
        *([not_kubeadms] if stack.adopted else []),
        File(CONFIG, yaml_text(configuration(stack, host))),
        File("/etc/systemd/system/kubelet.service", _unit(host)),
        File(
            KUBECONFIG,
            rotating_kubeconfig(
                stack.cluster.name, api_server(stack, host), f"{PKI}/ca.crt", f"system:node:{host.name}", CLIENT_PAIR
            ),
            mode="0600",
        ),
    ]


def api_server(stack: Stack, host: Host) -> str:
    """A master's kubelet asks its own apiserver, so that it never meets an older one; a worker's the load balancer."""
    return f"https://{host.address}:{API_PORT}" if "master" in host.roles else network.api_endpoint(stack)


def configuration(stack: Stack, host: Host) -> dict[str, Any]:
    """The KubeletConfiguration, with the stack's and then the host's own settings laid over it."""
    base: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "systemd",
        "clusterDNS": [stack.cluster.dns_address],
        "clusterDomain": stack.cluster.domain,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "rotateCertificates": True,
        "serverTLSBootstrap": True,
    }
    if "master" in host.roles:
        base["staticPodPath"] = MANIFESTS
        if "worker" not in host.roles:
            base["registerWithTaints"] = [CONTROL_PLANE_TAINT]
    config = merged(base, host.kubelet_config)
    if "registerWithTaints" in base:
        config["registerWithTaints"] = _with_control_plane_taint(config["registerWithTaints"])
    return config


def tainted(stack: Stack, host: Host) -> bool:
    """Whether the node keeps pods away that don't ask for a master: a kubelet says so only when it registers."""
    return _keeps_pods_away(configuration(stack, host).get("registerWithTaints", []))


def _with_control_plane_taint(taints: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A list of the user's own, like the taint that Cilium takes away, says nothing of what a master is there for."""
    return taints if _keeps_pods_away(taints) else [*taints, CONTROL_PLANE_TAINT]


def _keeps_pods_away(taints: list[dict[str, Any]]) -> bool:
    return any(taint["key"] == CONTROL_PLANE_TAINT["key"] for taint in taints)


def _unit(host: Host) -> str:
    return UNIT.format(config=CONFIG, kubeconfig=KUBECONFIG, name=host.name, address=host.address)
