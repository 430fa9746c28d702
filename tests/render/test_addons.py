"""The add-ons as rendered: what the API's schemas say of them, how they differ from kubeadm's, and what rolls them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from render import addons, flannel
from render.addons import nodes
from render.addons.objects import CONFIG_DIGEST, Object
from settings import Host, Stack
from tests.schemas import assert_valid
from tests.settings import samples

Changed = dict[str, Any]
Make = Callable[[Changed], Stack]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes the sample stack with some of the section ``cluster`` changed."""

    def with_cluster(cluster: Changed) -> Stack:
        return samples.stack(tmp_path, {"cluster": samples.values()["cluster"] | cluster})

    return with_cluster


def objects(stack: Stack) -> list[Object]:
    return [item for addon in addons.by_addon(stack).values() for item in addon]


def named(stack: Stack, kind: str, name: str) -> Object:
    found = [item for item in objects(stack) if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{len(found)} objects are {kind} {name}"
    return found[0]


def container(stack: Stack, kind: str, name: str) -> Object:
    (only,) = named(stack, kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(only)


def proxy_config(stack: Stack) -> Object:
    return dict(yaml.safe_load(named(stack, "ConfigMap", "kube-proxy")["data"]["config.conf"]))


def digest(stack: Stack, kind: str, name: str) -> str:
    return str(named(stack, kind, name)["spec"]["template"]["metadata"]["annotations"][CONFIG_DIGEST])


@pytest.mark.parametrize(
    "cluster",
    [
        {},
        {"cni": "none"},
        {"kubeProxy": {"config": {"mode": "nftables", "conntrack": {"maxPerCore": 0}}}},
        {"kubeProxy": {"config": {"healthzBindAddress": "127.0.0.1:10256"}}},
    ],
)
@pytest.mark.built
def test_the_api_of_the_release_knows_every_field(make: Make, cluster: Changed) -> None:
    assert_valid(objects(make(cluster)))


def test_no_two_objects_share_kind_and_name(make: Make) -> None:
    keys = [(item["kind"], item["metadata"]["name"]) for item in objects(make({}))]
    assert len(set(keys)) == len(keys)


def test_every_image_is_named_by_digest(make: Make) -> None:
    stack = make({})
    for kind, name in [("DaemonSet", "kube-proxy"), ("DaemonSet", "kube-flannel-ds"), ("Deployment", "coredns")]:
        assert "@sha256:" in container(stack, kind, name)["image"]


def test_kube_proxy_asks_the_load_balancer_at_its_own_port(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path, {"loadBalancer": {"address": "192.0.2.30", "port": 8443}})
    kubeconfig = yaml.safe_load(named(stack, "ConfigMap", "kube-proxy")["data"]["kubeconfig.conf"])
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://192.0.2.30:8443"


def test_a_users_kube_proxy_setting_is_laid_over_the_clusters(make: Make) -> None:
    config = proxy_config(make({"kubeProxy": {"config": {"mode": "nftables", "clientConnection": {"qps": 20}}}}))
    assert config["mode"] == "nftables"
    assert config["clientConnection"] == {"kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf", "qps": 20}
    assert config["clusterCIDR"] == "10.244.0.0/16"


@pytest.mark.parametrize("what", ["ca", "serviceAccount"])
def test_pods_begin_anew_with_every_step_of_what_they_trust_or_are_known_by(make: Make, what: str) -> None:
    """A pod reads both when it starts; an old one would be refused once what it holds is dropped."""
    steps = [make({"pki": {"generations": {what: given}}}) for given in ([1], [1, 2], [2, 1], [2])]
    for kind, name in [("DaemonSet", "kube-proxy"), ("DaemonSet", "kube-flannel-ds"), ("Deployment", "coredns")]:
        assert len({digest(stack, kind, name) for stack in steps}) == len(steps), name


def test_kube_proxy_rolls_when_its_settings_or_its_server_change_and_only_then(tmp_path: Path, make: Make) -> None:
    same = digest(make({}), "DaemonSet", "kube-proxy")
    assert digest(make({"domain": "example.internal"}), "DaemonSet", "kube-proxy") == same
    assert digest(make({"kubeProxy": {"config": {"mode": "nftables"}}}), "DaemonSet", "kube-proxy") != same
    moved = samples.stack(tmp_path, {"loadBalancer": {"address": "192.0.2.30", "port": 8443}})
    assert digest(moved, "DaemonSet", "kube-proxy") != same


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("", {"path": "/livez", "port": 10256}),
        ("0.0.0.0:10300", {"path": "/livez", "port": 10300}),
        ("[::]:10300", {"path": "/livez", "port": 10300}),
        ("127.0.0.1", {"path": "/livez", "port": 10256, "host": "127.0.0.1"}),
        ("[::1]:10300", {"path": "/livez", "port": 10300, "host": "::1"}),
    ],
)
def test_kube_proxy_is_asked_for_its_health_where_it_answers(make: Make, address: str, asked: Object) -> None:
    stack = make({"kubeProxy": {"config": {"healthzBindAddress": address}}})
    assert container(stack, "DaemonSet", "kube-proxy")["readinessProbe"]["httpGet"] == asked


def test_dns_answers_at_the_tenth_service_address(make: Make) -> None:
    assert named(make({"serviceCidr": "172.20.4.0/22"}), "Service", "kube-dns")["spec"]["clusterIP"] == "172.20.4.10"


def test_dns_serves_the_clusters_domain_and_rolls_when_it_changes(make: Make) -> None:
    before, after = make({}), make({"domain": "example.internal"})
    corefile = named(after, "ConfigMap", "coredns")["data"]["Corefile"]
    assert "kubernetes example.internal in-addr.arpa" in corefile
    assert "cluster.local" not in corefile
    assert digest(before, "Deployment", "coredns") != digest(after, "Deployment", "coredns")


def test_no_node_may_run_both_dns_replicas_while_another_could(make: Make) -> None:
    deployment = named(make({}), "Deployment", "coredns")["spec"]
    (spread,) = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert deployment["replicas"] == 2
    assert (spread["topologyKey"], spread["maxSkew"]) == ("kubernetes.io/hostname", 1)
    assert spread["whenUnsatisfiable"] == "DoNotSchedule"
    assert spread["nodeTaintsPolicy"] == "Ignore", "a node that is not ready yet must count, or the first takes both"
    assert spread["labelSelector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()


DEDICATED = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("taints", "rule"),
    [
        ([DEDICATED], "ScheduleAnyway"),
        ([DEDICATED | {"effect": "PreferNoSchedule"}], "DoNotSchedule"),
        ([], "DoNotSchedule"),
    ],
)
def test_both_dns_replicas_may_be_where_no_other_node_takes_them(
    tmp_path: Path, taints: list[Object], rule: str
) -> None:
    """One master and workers for something else: the second replica stayed pending, and the `up` failed after 10
    minutes."""
    values = samples.values()
    hosts = {name: values["hosts"][name] for name in ("shaolin", "huashan", "lb1", "lb2")}
    hosts["huashan"] |= {"kubelet": {"config": {"registerWithTaints": taints}}}
    stack = samples.stack(tmp_path, {"hosts": hosts})
    pod = named(stack, "Deployment", "coredns")["spec"]["template"]["spec"]
    assert pod["topologySpreadConstraints"][0]["whenUnsatisfiable"] == rule


def test_draining_leaves_one_dns_replica(make: Make) -> None:
    budget, deployment = named(make({}), "PodDisruptionBudget", "coredns"), named(make({}), "Deployment", "coredns")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]


def test_flannel_needs_neither_kube_proxy_nor_init_containers(make: Make) -> None:
    stack = make({})
    pod = named(stack, "DaemonSet", "kube-flannel-ds")["spec"]["template"]["spec"]
    environment = {
        entry["name"]: entry.get("value") for entry in container(stack, "DaemonSet", "kube-flannel-ds")["env"]
    }
    assert environment["KUBERNETES_SERVICE_HOST"] == "192.0.2.30"
    assert environment["KUBERNETES_SERVICE_PORT"] == "6443"
    assert pod["hostNetwork"] is True
    assert "initContainers" not in pod


@pytest.mark.parametrize(("mode", "nftables"), [("nftables", True), ("iptables", False), ("", False)])
def test_flannel_programs_the_packet_filter_that_kube_proxy_programs(make: Make, mode: str, nftables: bool) -> None:
    stack = make({"kubeProxy": {"config": {"mode": mode}}})
    network = json.loads(named(stack, "ConfigMap", "kube-flannel-cfg")["data"]["net-conf.json"])
    assert network == {"Network": "10.244.0.0/16", "EnableNFTables": nftables, "Backend": {"Type": "vxlan"}}


def test_flannel_rolls_when_the_pod_network_changes(make: Make) -> None:
    before, after = make({}), make({"podCidr": "10.32.0.0/16"})
    assert digest(before, "DaemonSet", "kube-flannel-ds") != digest(after, "DaemonSet", "kube-flannel-ds")


def test_a_user_who_brings_a_network_gets_nothing_of_flannel(make: Make) -> None:
    stack = make({"cni": "none"})
    assert addons.by_addon(stack)["flannel"] == []
    assert flannel.files(stack) == []
    assert "flannel" not in json.dumps(objects(stack))


def test_a_node_is_given_the_list_of_plugins_that_flannel_is_called_by(make: Make) -> None:
    (file,) = flannel.files(make({}))
    plugins = json.loads(file.content)
    assert file.path == "/etc/cni/net.d/10-flannel.conflist"
    assert [plugin["type"] for plugin in plugins["plugins"]] == ["flannel", "portmap"]
    assert plugins["cniVersion"] == "0.3.1"


MASTER, WORKER = "node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/worker"
NO_TRAFFIC = "node.kubernetes.io/exclude-from-external-load-balancers"


@pytest.mark.parametrize(
    ("roles", "labels"),
    [
        (["master"], {MASTER, NO_TRAFFIC}),
        (["worker"], {WORKER}),
        (["master", "worker"], {MASTER, WORKER}),
        (["worker", "lb"], {WORKER}),
    ],
)
def test_a_node_is_labelled_with_its_roles(tmp_path: Path, roles: list[str], labels: set[str]) -> None:
    assert nodes.labels(_host(tmp_path, roles)) == dict.fromkeys(labels, "")


def _host(root: Path, roles: list[str]) -> Host:
    hosts = samples.values()["hosts"]
    hosts["huashan"]["roles"] = roles
    hosts["emei"]["roles"] = ["master"] if "master" not in roles else ["worker"]
    return samples.stack(root, {"hosts": hosts}).hosts["huashan"]
