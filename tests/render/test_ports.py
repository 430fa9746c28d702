"""What listens on a host of each role, and what a firewall must let in there (render.ports)."""

from pathlib import Path
from typing import Any

import settings
from render import ports
from settings import draft
from settings.rules import load_balancer
from tests.pages import DOCS
from tests.settings import samples

EVERYWHERE = {22}  # sshd's, which a preflight finds taken by what it comes through


def test_each_role_brings_its_ports(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    listening = {name: dict(ports.listening(stack, host)) for name, host in stack.hosts.items()}
    node = {"10250": "kubelet", "10248": "kubelet", "10249": "kube-proxy", "10256": "kube-proxy"}
    node["8081"] = "flanneld"
    etcd = {"2379": "etcd", "2380": "etcd", "2381": "etcd"}
    control_plane = {"6443": "kube-apiserver", "10257": "kube-controller-manager", "10259": "kube-scheduler"}
    assert listening["shaolin"] == node | etcd | control_plane
    assert listening["huashan"] == node
    assert listening["lb1"] == {"6443": "nginx", "8404": "nginx"}


def test_a_firewall_must_let_in_what_the_page_says_and_nothing_that_is_asked_on_the_host_itself(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path, samples.with_harbor())
    one = {"master": "shaolin", "worker": "huashan", "lb": "lb1", "hub": "hub1"}
    page = (DOCS / "hosts.md").read_text()
    for role, name in one.items():
        assert f"\n| {role} | {ports.entrances(stack, stack.hosts[name])} |\n" in page


def with_harbor(root: Path, hubs: tuple[str, ...] = ("hub1", "hub2"), **changed: Any) -> settings.Stack:
    """The sample with Harbor on these hubs; what is None goes."""
    values = samples.with_harbor()
    harbor = {name: value for name, value in (values["harbor"] | changed).items() if value is not None}
    hosts = {name: host for name, host in values["hosts"].items() if name in hubs or host["roles"] != ["hub"]}
    more = {"harborDatabasePassword": None} if "store" in changed else {}
    whole = {name: value for name, value in (values | more).items() if value is not None}
    return samples.stack(root, whole | {"hosts": hosts, "harbor": harbor})


BUNDLED: dict[str, Any] = {"store": "bundled", "bundledOn": "hub1", "database": None, "redis": None}


def test_the_hub_of_the_bundled_stores_has_their_ports_for_the_other_hubs(tmp_path: Path) -> None:
    stack = with_harbor(tmp_path, **BUNDLED)
    first, second = (stack.hosts[name] for name in ("hub1", "hub2"))
    assert dict(ports.listening(stack, first)) == dict.fromkeys(("443", "5432", "6379"), "docker-proxy")
    assert dict(ports.listening(stack, second)) == {"443": "docker-proxy"}
    page = (DOCS / "hosts.md").read_text()
    assert f"\n| hub of `bundledOn`, beside other hubs | {ports.entrances(stack, first)} |\n" in page
    assert ports.entrances(stack, second) == "TCP 443"


def test_a_hub_alone_keeps_the_bundled_stores_to_itself(tmp_path: Path) -> None:
    stack = with_harbor(tmp_path, ("hub1",), **BUNDLED)
    assert dict(ports.listening(stack, stack.hosts["hub1"])) == {"443": "docker-proxy"}
    assert ports.entrances(stack, stack.hosts["hub1"]) == "TCP 443"


def test_every_hub_gives_out_metrics_where_there_is_an_exporter(tmp_path: Path) -> None:
    stack = with_harbor(tmp_path, exporter=True)
    page = (DOCS / "hosts.md").read_text()
    for hub in stack.hubs().values():
        assert dict(ports.listening(stack, hub)) == {"443": "docker-proxy", "9090": "docker-proxy"}
        assert f"\n| hub with `exporter: true` | {ports.entrances(stack, hub)} |\n" in page


def test_harbors_log_is_no_business_of_a_firewall(tmp_path: Path) -> None:
    """Docker sends it to the hub itself, by UDP."""
    stack = with_harbor(tmp_path, url="https://hub.example.com:9443")
    assert ports.entrances(stack, stack.hosts["hub1"]) == "TCP 9443"


def test_ports_that_the_user_moved_are_the_ones_that_are_checked(tmp_path: Path) -> None:
    """An empty address is kube-proxy's usual one, and an address alone keeps the usual port."""
    proxy = {"config": {"metricsBindAddress": "127.0.0.1:20249", "healthzBindAddress": ""}}
    cluster = {**samples.values()["cluster"], "kubeProxy": proxy, "cni": "none"}
    stack = samples.stack(tmp_path, {"cluster": cluster})
    listening = dict(ports.listening(stack, stack.hosts["huashan"]))
    assert listening == {"10250": "kubelet", "10248": "kubelet", "20249": "kube-proxy", "10256": "kube-proxy"}


def test_a_port_that_the_settings_refuse_is_one_that_will_be_taken_and_the_other_way_round(tmp_path: Path) -> None:
    """The two tables are apart, as settings know nothing of what is made of them."""
    values = samples.values()
    values["cluster"]["kubeProxy"] = {"config": {"metricsBindAddress": "0.0.0.0:8443", "healthzBindAddress": "0.0.0.0"}}
    samples.write_files(tmp_path)
    stack, read = settings.parse(values, tmp_path), draft.read(values)
    for name in ("shaolin", "huashan"):
        listening = {int(port) for port, _ in ports.listening(stack, stack.hosts[name])}
        assert set(load_balancer.taken(read, read.hosts[name])) == listening | EVERYWHERE, name
