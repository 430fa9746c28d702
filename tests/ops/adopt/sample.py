"""A kubeadm cluster of one master and one worker, as look.sh would tell it.

Its files and ConfigMaps are those of the real kubeadm 1.36.3 (kubeadm-init.txt, from ``init --dry-run`` with settings
that a user has chosen); certificates and keys are made for each run. Every call returns a look of its own.
"""

import functools
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import PrivateFormat

from ops.adopt import cluster
from ops.adopt.cluster import AUTHORITIES, KEYS, Cluster
from ops.adopt.look import Answer, Look
from render.static_pods import PKI
from tests.ops.adopt import dry_run
from tests.settings import pem

MASTER, WORKER = "192.0.2.11", "192.0.2.21"
PRINTED = Path(__file__).with_name("kubeadm-init.txt").read_text()
MANIFESTS = "/etc/kubernetes/manifests"

COREDNS = {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}}  # as kubeadm sizes it
# What both kubelets say of themselves, in short.
RUNNING = {
    "kind": "KubeletConfiguration",
    "staticPodPath": "/etc/kubernetes/manifests",
    "maxPods": 150,
    "evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%"},
    "cpuManagerPolicy": "none",
    "rotateCertificates": True,
}

Change = Callable[[dict[str, str], dict[str, Any]], None]


def look(change: Change = lambda files, answers: None, printed: str = PRINTED) -> Look:
    """The host, after ``change`` was made to its files and to what it answers (parsed, by look.sh's names)."""
    files = {**dry_run.files(printed), **_pki()}
    answers = _answers(printed)
    change(files, answers)
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in answers.items()}
    return Look(files, {name: Answer(0, text) for name, text in texts.items()})


def read(change: Change = lambda files, answers: None, printed: str = PRINTED) -> Cluster:
    """The cluster that such a host is a master of."""
    return cluster.read(look(change, printed))


def node(name: str, address: str, master: bool) -> dict[str, Any]:
    """A node as the API has it."""
    role = "node-role.kubernetes.io/control-plane"
    return {
        "metadata": {"name": name, "labels": {role: ""} if master else {}, "annotations": {}},
        "spec": {"taints": [{"key": role, "effect": "NoSchedule"}]} if master else {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.36.3", "containerRuntimeVersion": "containerd://2.2.7"},
        },
    }


@functools.cache
def _pki() -> dict[str, str]:
    issuers = {name: pem.issued(name) for name in AUTHORITIES}
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    apiserver = pem.issued("kube-apiserver", issuers["ca"], [*names, "shaolin", "api.example.com"])
    texts = {path: issuers[name].text for name, path in AUTHORITIES.items()}
    texts |= {KEYS[name]: pem.pem(issuer.key, PrivateFormat.TraditionalOpenSSL) for name, issuer in issuers.items()}
    return texts | {f"{PKI}/apiserver.crt": apiserver.text, KEYS["service-account"]: pem.pem(pem.rsa_key())}


def _answers(printed: str) -> dict[str, Any]:
    now = time.time()
    lease = {"metadata": {"name": "shaolin"}, "spec": {"renewTime": datetime.fromtimestamp(now, UTC).isoformat()}}
    return {
        "clock": str(int(now)),
        "free-kilobytes": "10000000",
        "kubelet-certificate": pem.issued("system:node:shaolin").text,
        **{f"kubelet/{name}": {"kubeletconfig": dict(RUNNING)} for name in ("shaolin", "huashan")},
        "version": {"gitVersion": "v1.36.3"},
        "nodes": {"items": [node("shaolin", MASTER, True), node("huashan", WORKER, False)]},
        "config-maps": {"items": list(dry_run.config_maps(printed).values())},
        "coredns": {"spec": {"replicas": 2, "template": {"spec": {"containers": [{"resources": COREDNS}]}}}},
        "control-plane": {"items": []},
        "daemon-sets": {"items": [{"metadata": {"name": name}} for name in ("kube-proxy", "kube-flannel-ds")]},
        "node-leases": {"items": [lease]},
        "etcd-members": {"members": [{"ID": "1", "name": "shaolin", "peerURLs": [f"https://{MASTER}:2380"]}]},
        "etcd-status": {"version": "3.6.8", "dbSize": "20480000"},
        "etcd-health": {"health": "true", "reason": ""},
    }
