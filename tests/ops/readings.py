"""What the hosts of the sample stack say when all is well, for a test to change before it is read."""

import base64
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

NOW = datetime(2026, 11, 25, tzinfo=UTC)
MASTERS = {"shaolin": 1, "wudang": 2, "emei": 3}
LATER = datetime(2027, 11, 25, tzinfo=UTC)


def etcd(number: int, leader: int = 1, applied: int = 100, **more: Any) -> str:
    status = {
        "header": {"member_id": number},
        "version": "3.6.14",
        "dbSize": 3_000_000,
        "leader": leader,
        "raftIndex": 100,
        "raftAppliedIndex": applied,
    }
    return f"etcd {json.dumps([{'Status': status | more}])}"


@cache
def certificate(path: str, end: datetime, form: Encoding = Encoding.DER) -> str:
    """The line of a certificate that ends then; the same in every process, as it is part of tests' names."""
    key, name = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, datetime(2020, 1, 1, tzinfo=UTC), end)
    return f"certificate {path} {base64.b64encode(builder.sign(key, None).public_bytes(form)).decode()}"


def well() -> dict[str, list[str]]:
    """What the hosts of the sample say when all is well."""
    members = {"members": [{"name": name} for name in MASTERS]}
    said = {
        name: [etcd(number), f"members {json.dumps(members)}", "apiserver 200 v1.36.3", certificate("/a.crt", LATER)]
        for name, number in MASTERS.items()
    }
    upstreams = [f"upstream apiserver {name} up" for name in MASTERS]
    return said | {
        "huashan": [],
        "lb1": ["nginx 1.22.1", *upstreams, "vip 192.0.2.30"],
        "lb2": ["nginx 1.22.1", *upstreams],
    }


def listed(**conditions: str) -> str:
    """What kubectl lists of the sample: its nodes, with these conditions, and who leads."""
    return json.dumps({"items": [*nodes(**conditions), *leases()]})


def nodes(**conditions: str) -> list[Any]:
    return [
        {
            "kind": "Node",
            "metadata": {"name": name},
            "spec": {},
            "status": {
                "nodeInfo": {"kubeletVersion": "v1.36.3", "containerRuntimeVersion": "containerd://2.2.7"},
                "conditions": [
                    {"type": kind, "status": status} for kind, status in ({"Ready": "True"} | conditions).items()
                ],
            },
        }
        for name in (*MASTERS, "huashan")
    ]


def leases(scheduler_renewed: str = "2026-11-24T23:59:59.500000Z") -> list[Any]:
    """The apiservers' own leases are there too; they are long ones, and renewed seldom."""
    return [
        lease("apiserver-x2z", "apiserver-x2z_7f", "2026-11-24T23:59:58.000000Z", 3600),
        lease("kube-controller-manager", "shaolin_4c1f", "2026-11-24T23:59:59.000000Z"),
        lease("kube-scheduler", "wudang_9b02", scheduler_renewed),
    ]


def lease(name: str, holder: str, renewed: str, seconds: int = 15) -> Any:
    spec = {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": seconds}
    return {"kind": "Lease", "metadata": {"name": name}, "spec": spec}
