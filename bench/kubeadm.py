"""What the program is measured against: kubeadm on the same prepared hosts, scripted as a skilled administrator would.

Token and certificate key are chosen beforehand, so that nothing has to be read from ``init`` and passed on, and one
SSH connection a host does it all. Masters join one after the other: etcd takes one learner at a time. The load balancer
runs already when the clock starts. Certificates are ECDSA, as the program's are.
"""

import secrets
import subprocess
from typing import Any

import yaml

from bench.ground import API_PORT, BALANCER, BALANCER_ADDRESS, MASTERS, PROGRAM, on_all
from lab import hosts, toolchain
from lab.paths import SSH_CONFIG
from releases import read_release
from settings.merge import merged

FOLDER = "/etc/bench"
RUNTIME = "unix:///run/containerd/containerd.sock"
SECONDS = 300

# The packages' own unit and drop-in, with the paths of the release's programs.
UNIT = """\
[Service]
ExecStart=/usr/local/bin/kubelet
Restart=always
RestartSec=10
[Install]
WantedBy=multi-user.target
"""
DROP_IN = """\
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""
NGINX = """\
load_module modules/ngx_stream_module.so;
events {{ worker_connections 1024; }}
pid /run/nginx.pid;
stream {{
    upstream apiserver {{
{servers}
    }}
    server {{ listen {port}; proxy_connect_timeout 1s; proxy_timeout 10m; proxy_pass apiserver; }}
}}
"""


def lay_ground() -> None:
    """All that is not timed: kubeadm, its configuration and the kubelet's unit on the masters, nginx in front."""
    token = f"{secrets.token_hex(3)}.{secrets.token_hex(8)}"
    key = secrets.token_hex(32)
    for name in MASTERS:
        hosts.copy(name, toolchain.binary("kubernetes", "kubeadm"), "/usr/bin/kubeadm")
        _put(name, f"{FOLDER}/config.yaml", _configuration(name, token, key))
        _put(name, "/etc/systemd/system/kubelet.service", UNIT)
        _put(name, "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf", DROP_IN)
    on_all(MASTERS, "systemctl daemon-reload; systemctl enable --quiet kubelet")
    servers = "\n".join(
        f"        server {hosts.ADDRESSES[name]}:{API_PORT} max_fails=1 fail_timeout=1s;" for name in MASTERS
    )
    _put(BALANCER, "/etc/nginx/nginx.conf", NGINX.format(servers=servers, port=API_PORT))
    hosts.run(BALANCER, "systemctl restart nginx", check=True)


def init_and_join() -> None:
    """What is timed, but for the last apiserver's becoming ready."""
    first, *others = MASTERS
    _ssh(first, f"kubeadm init --config {FOLDER}/config.yaml --upload-certs --ignore-preflight-errors=all")
    for name in others:
        _ssh(name, f"kubeadm join --config {FOLDER}/config.yaml --ignore-preflight-errors=all")


def _ssh(name: str, command: str) -> None:
    done = subprocess.run(
        ["ssh", "-F", str(SSH_CONFIG), name, command], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"bench: {name}: {command}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


def _put(name: str, path: str, text: str) -> None:
    hosts.run(name, f"mkdir -p {path.rpartition('/')[0]} && cat >{path}", stdin=text, check=True)


def _configuration(name: str, token: str, key: str) -> str:
    documents = _init(name, token, key) if name == MASTERS[0] else [_join(name, token, key)]
    return yaml.safe_dump_all(documents)


def _init(name: str, token: str, key: str) -> list[dict[str, Any]]:
    cluster = PROGRAM.settings()["cluster"]
    versions = read_release(PROGRAM.settings()["release"]["name"]).versions
    endpoint = {"advertiseAddress": hosts.ADDRESSES[name], "bindPort": API_PORT}
    return [
        _kubeadm("InitConfiguration")
        | {
            "bootstrapTokens": [{"token": token}],
            "certificateKey": key,
            "localAPIEndpoint": endpoint,
            "nodeRegistration": _registration(name),
        },
        _kubeadm("ClusterConfiguration")
        | {
            "clusterName": cluster["name"],
            "kubernetesVersion": f"v{versions.kubernetes}",
            "controlPlaneEndpoint": f"{BALANCER_ADDRESS}:{API_PORT}",
            "networking": {"podSubnet": cluster["podCidr"], "serviceSubnet": cluster["serviceCidr"]},
            "etcd": {"local": {"imageTag": f"{versions.etcd}-0"}},
            "dns": {"imageTag": f"v{versions.coredns}"},
            "encryptionAlgorithm": "ECDSA-P256",
        },
        merged(
            {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"},
            cluster["kubelet"]["config"],
        ),
        merged(
            {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration"},
            cluster["kubeProxy"]["config"],
        ),
    ]


def _join(name: str, token: str, key: str) -> dict[str, Any]:
    """The authority is not pinned: that would save no time, and the network is the lab's own."""
    discovery = {"apiServerEndpoint": f"{BALANCER_ADDRESS}:{API_PORT}", "token": token}
    endpoint = {"advertiseAddress": hosts.ADDRESSES[name], "bindPort": API_PORT}
    return _kubeadm("JoinConfiguration") | {
        "discovery": {"bootstrapToken": discovery | {"unsafeSkipCAVerification": True}},
        "controlPlane": {"certificateKey": key, "localAPIEndpoint": endpoint},
        "nodeRegistration": _registration(name),
    }


def _kubeadm(kind: str) -> dict[str, Any]:
    return {"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": kind}


def _registration(name: str) -> dict[str, Any]:
    return {"name": name, "criSocket": RUNTIME, "imagePullPolicy": "IfNotPresent"}
