"""What ``ops status`` and ``ops verify`` say of stack ``dev``: as it shall be, damaged by hand, mended by ``up``."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab import engine, hosts
from lab.paths import CLONE
from tests.lab.program import DEV, kubectl
from tests.waiting import eventually

MASTERS = ("emei", "shaolin", "wudang")
MANIFEST = "/etc/kubernetes/manifests/kube-scheduler.yaml"
CONTAINERS = "ctr -n k8s.io containers ls -q 'labels.\"io.kubernetes.container.name\"=={}' | sort"

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("dev")]


@dataclass(frozen=True)
class Damage:
    """What somebody does by hand on a host, and the beginning of what ``verify`` then says of it."""

    host: str
    how: str
    found: str


@dataclass(frozen=True)
class ClusterDamage:
    """The same with kubectl."""

    words: str
    found: str


ON_HOSTS = [
    Damage("lb1", "sed -i s/10m/3s/ /etc/nginx/nginx.conf", "/etc/nginx/nginx.conf differs"),
    Damage("lb1", "systemctl disable nginx", "nginx is active and disabled"),
    Damage(
        "lb2", "sed -i '/^apiserver emei/d' /var/lib/evenkeel/lb/upstreams", "/var/lib/evenkeel/lb/upstreams differs"
    ),
    Damage("lb2", "chmod 0666 /etc/keepalived/keepalived.conf", "/etc/keepalived/keepalived.conf has mode 0666"),
    Damage("lb2", "systemctl stop evenkeel-upstreams", "evenkeel-upstreams is inactive and enabled"),
    Damage("huashan", "echo 'maxPods: 1' >>/var/lib/kubelet/config.yaml", "/var/lib/kubelet/config.yaml differs"),
    Damage("huashan", "sed -i 's/true/false/' /etc/containerd/config.toml", "/etc/containerd/config.toml differs"),
    Damage("huashan", "rm /opt/cni/bin/portmap", "/opt/cni/bin/portmap is not the program"),
    Damage("huashan", "rm /etc/modules-load.d/evenkeel.conf", "/etc/modules-load.d/evenkeel.conf is not there"),
    Damage("huashan", "echo 15 >/proc/sys/net/ipv4/tcp_retries2", "net.ipv4.tcp_retries2 is 15, not 5"),
    Damage(
        "wudang",
        "openssl ecparam -genkey -name prime256v1 -noout -out /etc/kubernetes/pki/sa.key",
        "/etc/kubernetes/pki/sa.key differs (fingerprint",
    ),
    Damage(
        "wudang",
        f"cp -p {MANIFEST} /root/new && sed -i 's#image: .*#image: registry.k8s.io/other:v1#' /root/new"
        f" && mv /root/new {MANIFEST}",
        f"{MANIFEST} differs",
    ),
    Damage("emei", "systemctl stop kubelet", "kubelet is inactive and enabled"),
    Damage("shaolin", "chmod 0644 /etc/kubernetes/admin.conf", "/etc/kubernetes/admin.conf has mode 0644"),
    Damage("shaolin", "chown 1000 /etc/kubernetes/pki/etcd/peer.key", "/etc/kubernetes/pki/etcd/peer.key belongs to"),
    Damage("shaolin", "systemctl disable --now evenkeel-csr-approver", "evenkeel-csr-approver is inactive"),
    Damage("hub1", "echo '# mine' >>/usr/local/lib/evenkeel/hub.sh", "/usr/local/lib/evenkeel/hub.sh differs"),
    Damage("hub1", "docker stop harbor-portal", "harbor-portal does not run as wanted"),
    Damage(
        "hub2",
        "openssl rand -hex 8 | tr -d '\\n' >/etc/evenkeel/harbor/core/key",
        "/etc/evenkeel/harbor/core/key differs (fingerprint",
    ),
]
IN_CLUSTER = [
    ClusterDamage(
        "label node huashan node-role.kubernetes.io/worker-",
        "Node huashan metadata.labels.node-role.kubernetes.io/worker is absent",
    ),
    ClusterDamage(
        'patch configmap coredns --type=merge --patch={"data":{"Corefile":"."}}',
        "ConfigMap kube-system/coredns data.Corefile differs",
    ),
    ClusterDamage(
        "set image deployment/coredns coredns=registry.k8s.io/coredns/coredns:v0.0.1",
        "Deployment kube-system/coredns spec.template.spec.containers[coredns].image is",
    ),
    ClusterDamage("delete poddisruptionbudget coredns", "PodDisruptionBudget kube-system/coredns is not there"),
]
FOUND = [f"{one.host}: {one.found}" for one in ON_HOSTS] + [f"cluster: {one.found}" for one in IN_CLUSTER]


@pytest.fixture(scope="module", autouse=True)
def dev_as_before() -> Iterator[None]:
    """What runs on the hosts is what this clone's ``up`` leaves there, before and after."""
    DEV.up().ok()
    yield
    DEV.up().ok()


def ops(*words: str) -> "subprocess.CompletedProcess[str]":
    """A command as an operator runs it; says how long it took."""
    command = [sys.executable, "-m", "ops", *words, "--stack", DEV.stack]
    started = time.monotonic()
    done = subprocess.run(command, cwd=CLONE, env=engine.environment(), capture_output=True, text=True, check=False)
    print(f"{' '.join(words)}: {time.monotonic() - started:.1f} s")
    return done


def running() -> dict[str, str]:
    """What must go on running while other things are mended: containers of pods, and nginx's process."""
    pods = {f"{name} {pod}": CONTAINERS.format(pod) for name in MASTERS for pod in ("etcd", "kube-apiserver")}
    commands = pods | {f"{name} nginx": "cat /run/nginx.pid" for name in ("lb1", "lb2")}
    return {what: hosts.run(what.split()[0], ["sh", "-c", how], check=True).stdout for what, how in commands.items()}


def test_a_stack_as_it_shall_be_is_well_and_nothing_differs() -> None:
    """A false alarm, once, and nobody looks at the next one."""
    said = json.loads(ops("status", "--json").stdout)
    assert said["troubles"] == []
    assert {one["host"] for one in said["etcd"]} == set(MASTERS)
    assert sum(one["leader"] for one in said["etcd"]) == 1
    assert len(said["vip_holders"]) == 1
    assert said["hub_keys"] == {"hub1": [], "hub2": []}
    assert ops("status").returncode == 0
    verified = ops("verify")
    assert verified.returncode == 0, verified.stdout


def test_damage_of_twenty_kinds_is_found_and_mended_without_touching_the_rest() -> None:
    before = running()
    for damage in ON_HOSTS:
        hosts.run(damage.host, ["sh", "-c", damage.how], check=True)
    for one in IN_CLUSTER:
        kubectl("--namespace=kube-system", *one.words.split())
    found = ops("verify")
    lines = found.stdout.splitlines()
    missed = [text for text in FOUND if not any(line.startswith(text) for line in lines)]
    assert missed == [], found.stdout
    assert f"{len(FOUND)} differ." in found.stdout, found.stdout
    assert found.returncode == 2
    assert ops("status").returncode == 1
    mended = DEV.up({"repair": "after-the-damage"}).ok()
    print(f"up: {mended.seconds:.0f} s")
    eventually(lambda: ops("verify").returncode == 0, 30, "nothing differs any more")
    eventually(lambda: ops("status").returncode == 0, 60, "all is well")
    after = running()
    del before["wudang kube-apiserver"], after["wudang kube-apiserver"]  # it reads the key that was swapped
    assert after == before
