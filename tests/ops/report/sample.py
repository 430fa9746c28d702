"""The sample stack with hubs as a reading finds it, all well or with much that is not, and the pages that show it."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import settings
from ops import health
from ops.health import Report
from ops.report.page import page
from ops.report.roll import Roll, Turn
from settings import Stack
from tests.ops import readings
from tests.ops.readings import MASTERS, NOW
from tests.settings import samples

PKI = "/etc/kubernetes/pki"
OF_MASTERS = (
    *(f"{PKI}/{name}.crt" for name in ("apiserver", "apiserver-etcd-client", "apiserver-kubelet-client")),
    *(f"{PKI}/etcd/{name}.crt" for name in ("healthcheck-client", "peer", "server")),
    f"{PKI}/front-proxy-client.crt",
    *(f"/etc/kubernetes/{name}.conf" for name in ("admin", "controller-manager", "scheduler")),
)
AUTHORITIES = (f"{PKI}/ca.crt", f"{PKI}/etcd/ca.crt", f"{PKI}/front-proxy-ca.crt")
OF_KUBELETS = ("/var/lib/kubelet/pki/kubelet-client-current.pem", "/var/lib/kubelet/pki/kubelet-server-current.pem")
OF_HUBS = "/etc/evenkeel/harbor/proxy/cert/hub.example.com.crt"
Said = dict[str, list[str]]


def stack(root: Path) -> Stack:
    """The sample with Harbor on two hubs."""
    return samples.stack(root, samples.with_harbor())


def well() -> Said:
    """What its hosts say when all is well, certificates included."""
    said = readings.well()
    for name in MASTERS:
        said[name].pop()
        said[name] += [certificate(path, 352) for path in OF_MASTERS]
        said[name] += [certificate(path, 3638) for path in AUTHORITIES]
        said[name] += [certificate(path, 352) for path in OF_KUBELETS]
    said["huashan"] += [certificate(path, 361) for path in OF_KUBELETS]
    for balancer in ("lb1", "lb2"):
        said[balancer] += [f"upstream harbor {hub} up" for hub in samples.HUBS]
    hub = ["keys ok every container has the stack's own keys", certificate(OF_HUBS, 352)]
    return said | {name: list(hub) for name in samples.HUBS}


def troubled() -> Said:
    """A night: a master's apiserver and etcd are gone, a load balancer is silent, and more."""
    said = well()
    said["emei"] = [line for line in said["emei"] if not line.startswith(("etcd", "members"))]
    said["emei"][0] = "apiserver 000 unknown"
    said["lb1"] = [line.replace("emei up", "emei down") for line in said["lb1"]]
    del said["lb2"]
    said["hub2"][0] = "keys wrong harbor-core: its file /etc/core/private_key.pem differs"
    said["wudang"] += [certificate(f"{PKI}/apiserver.crt", 5)]
    said["hub1"][1] = certificate(OF_HUBS, 20)
    return said


def certificate(path: str, days: int) -> str:
    """The line of a certificate with so many days left."""
    return readings.certificate(path, NOW + timedelta(days=days))


def found(of: Stack, said: Said, worker: str = "Ready") -> Report:
    """What the hosts said, read as ``ops status`` reads it; ``worker`` is a condition that its node has."""
    texts = {host: "\n".join(lines) for host, lines in said.items()}
    nodes = [*readings.nodes()[:-1], *readings.nodes(**{worker: "True"})[-1:]]
    listed = json.dumps({"items": [*nodes, *readings.leases()]})
    report = health.report("sample", of, texts, listed, NOW)
    report.troubles[:0] = [f"{host}: is not reached" for host in of.hosts if host not in said]
    return report


def roll(result: str | None = "succeeded") -> Roll:
    """Masters, a worker, load balancers and hubs, one after the other."""
    took = {
        ("shaolin", "node"): (31, 62),
        ("wudang", "node"): (62, 91),
        ("emei", "node"): (91, 126.5),
        ("lb1", "load balancer"): (31, 33),
        ("lb2", "load balancer"): (33, 35.2),
        ("huashan", "node"): (127, 131),
        ("hub1", "hub"): (40, 75),
        ("hub2", "hub"): (75, 104),
    }
    began = NOW - timedelta(hours=7)
    return Roll(
        began, result, [Turn(*who, _after(began, start), _after(began, end)) for who, (start, end) in took.items()]
    )


def long_roll(of: Stack) -> Roll:
    """Of a stack of many hosts, each a long time in its turn."""
    began = NOW - timedelta(hours=7)
    times = [(_after(began, 631 * number), _after(began, 631 * number + 631)) for number in range(len(of.hosts))]
    turns = [Turn(host, "load balancer", *time, exact=False) for host, time in zip(of.hosts, times, strict=True)]
    return Roll(began, "failed", turns, failed_since=NOW)


def _after(began: datetime, seconds: float) -> datetime:
    return began + timedelta(seconds=seconds)


def large(root: Path) -> Stack:
    """Many hosts, with names as long as some clouds make them, on hosts of several roles too."""
    values = samples.values()
    name = "kubernetes-control-plane-eu-central-1-{}{:02}.internal"
    roles = {"a": ["master"], "b": ["lb"], "c": ["worker"], "d": ["worker", "lb"]}
    counts = {"a": 5, "b": 2, "c": 12, "d": 1}
    hosts = {
        name.format(kind, number): {"address": f"192.0.2.{100 + 30 * index + number}", "roles": roles[kind]}
        for index, (kind, count) in enumerate(counts.items())
        for number in range(count)
    }
    samples.write_files(root)
    known = [f"{host['address']} {samples.host_key(name)}" for name, host in hosts.items()]
    (root / "known_hosts").write_text("\n".join([*known, ""]))
    return settings.parse(values | {"hosts": hosts}, root)


def pages(root: Path) -> dict[str, str]:
    """The pages of the stack when all is well, of that night, and of a large stack of which nobody answers."""
    for folder in ("small", "large"):
        (root / folder).mkdir()
    of, many = stack(root / "small"), large(root / "large")
    return {
        "large": page(many, found(many, {}), long_roll(many), NOW),
        "well": page(of, found(of, well()), roll(), NOW),
        "troubled": page(of, found(of, troubled(), worker="DiskPressure"), roll(None), NOW),
    }
