"""What the hosts of the sample stack say when all is well, for a test to change before it is read."""

import json
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 25, tzinfo=UTC)
MASTERS = {"shaolin": 1, "wudang": 2, "emei": 3}
LATER = "Nov 25 00:00:00 2027 GMT"


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


def well() -> dict[str, list[str]]:
    """What the hosts of the sample say when all is well."""
    members = {"members": [{"name": name} for name in MASTERS]}
    said = {
        name: [etcd(number), f"members {json.dumps(members)}", "apiserver 200 v1.36.3", f"certificate /a.crt {LATER}"]
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
