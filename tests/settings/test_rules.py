"""Values that are well formed but do not go together are refused, or warned of, with key, value and remedy."""

from pathlib import Path

import pytest

from tests.settings import samples

CLUSTER, CONTROLLERS = "cluster", "cluster.controllerManager.extraArgs"
FEW_PODS: dict[str, object] = {"cluster.kubelet": {"config": {"maxPods": 5}}}
MOVED_PROXY = {"config": {"metricsBindAddress": "0.0.0.0:8443"}}
NODE_PORTS = {"extraArgs": {"service-node-port-range": "8400+9"}}

CLASHES: list[tuple[dict[str, object], list[str]]] = [
    (
        {"hosts.emei.roles": ["worker"]},
        ["evenkeel:hosts: shaolin, wudang as masters: is one master fewer than quorum needs"],
    ),
    (
        {f"hosts.{name}.roles": ["worker"] for name in ("shaolin", "wudang", "emei")},
        ["evenkeel:hosts: no master: no host has the role master; give three hosts roles: [master]"],
    ),
    (
        {"hosts.emei.address": "192.0.2.11"},
        ["evenkeel:hosts.emei.address: 192.0.2.11: is the address of shaolin too; give emei its own address"],
    ),
    (
        {"loadBalancer.address": "192.0.2.13", "loadBalancer.vip.address": "192.0.2.13"},
        ["evenkeel:loadBalancer.vip.address: 192.0.2.13: is the address of host emei; give the VIP an address"],
    ),
    (
        {"hosts.emei.ssh": {"host": "192.0.2.11"}, "hosts.wudang.ssh": {"host": "192.0.2.11"}},
        ["evenkeel:hosts.emei.ssh.host: 192.0.2.11: is how wudang is reached too; give the address or port"],
    ),
    (
        {"hosts.emei.roles": ["master", "lb"], "loadBalancer.port": 6443},
        ["evenkeel:loadBalancer.port: 6443: is the port of kube-apiserver on host emei; choose another"],
    ),
    (
        {"hosts.huashan.roles": ["worker", "lb"], "loadBalancer.statusPort": 10250},
        ["evenkeel:loadBalancer.statusPort: 10250: is the port of kubelet on host huashan; choose"],
    ),
    (
        {"hosts.huashan.roles": ["worker", "lb"], "loadBalancer.port": 8081},
        ["evenkeel:loadBalancer.port: 8081: is the port of flannel's health on host huashan; choose another port"],
    ),
    (
        {"hosts.emei.roles": ["master", "lb"], "loadBalancer.port": 8443, "cluster.kubeProxy": MOVED_PROXY},
        ["evenkeel:loadBalancer.port: 8443: is the port of kube-proxy's metrics on host emei; choose another port"],
    ),
    (
        {"loadBalancer.statusPort": 6443},
        ["evenkeel:loadBalancer.statusPort: 6443: is loadBalancer.port too; choose another port, like 8404"],
    ),
    (
        {"loadBalancer.port": 22},
        [f"evenkeel:loadBalancer.port: 22: is the port of sshd on host {name}" for name in ("lb1", "lb2")],
    ),
    (
        {"hosts.lb1.roles": ["worker"], "hosts.lb2.roles": ["worker"]},
        ["evenkeel:hosts: no load balancer: no host has the role lb; give two hosts roles: [lb]"],
    ),
    (
        {"loadBalancer.vip.address": "192.0.2.99"},
        ["evenkeel:loadBalancer.vip.address: 192.0.2.99: is not loadBalancer.address 192.0.2.30"],
    ),
    (
        {"loadBalancer.vip": None, "loadBalancer.address": "192.0.2.11"},
        ["evenkeel:loadBalancer.address: 192.0.2.11: is the address of host shaolin, which has no role lb"],
    ),
    (
        {"loadBalancer.weights": {"wudan": 2}},
        ["evenkeel:loadBalancer.weights.wudan: 2: is not a master's weight; did you mean wudang?"],
    ),
    (
        {"loadBalancer.weights": {"huashan": 2}},
        ["evenkeel:loadBalancer.weights.huashan: 2: is not a master's weight"],
    ),
    (
        {"cluster.serviceCidr": "10.244.128.0/17"},
        ["evenkeel:cluster.serviceCidr: 10.244.128.0/17: overlaps cluster.podCidr 10.244.0.0/16; choose two ranges"],
    ),
    (
        {"cluster.podCidr": "192.0.2.0/25", CONTROLLERS: {"node-cidr-mask-size": 28}, **FEW_PODS},
        [
            f"evenkeel:{key}: {address}: lies within cluster.podCidr 192.0.2.0/25; choose a cluster.podCidr that holds"
            for key, address in [
                *((f"hosts.{name}.address", address) for name, (address, _) in samples.HOSTS.items()),
                ("loadBalancer.address", "192.0.2.30"),
            ]
        ],
    ),
    (
        {"cluster.podCidr": "169.254.0.0/17"},
        ["evenkeel:cluster.podCidr: 169.254.0.0/17: overlaps 169.254.0.0/16, which is not routed; choose a private"],
    ),
    (
        {"cluster.serviceCidr": "10.96.0.0/25"},
        ["evenkeel:cluster.serviceCidr: 10.96.0.0/25: is too small for Services; choose a /24 or larger"],
    ),
    (
        {"cluster.serviceCidr": "10.0.0.0/11", "cluster.podCidr": "172.20.0.0/16"},
        ["evenkeel:cluster.serviceCidr: 10.0.0.0/11: is larger than kube-apiserver accepts; choose a /12 or smaller"],
    ),
    (
        {"cluster.podCidr": "10.244.0.0/23"},
        ["evenkeel:cluster.podCidr: 10.244.0.0/23: is too small: it holds 2 subnets of /24, and there are 4 nodes; "
         "choose a /22 or larger"],
    ),
    (
        {"cluster.podCidr": "10.244.0.0/26"},
        ["evenkeel:cluster.podCidr: 10.244.0.0/26: is too small: it holds 0 subnets of /24"],
    ),
    (
        {"cluster.podCidr": "10.244.0.0/16", CONTROLLERS: {"node-cidr-mask-size": 17}},
        ["evenkeel:cluster.podCidr: 10.244.0.0/16: is too small: it holds 2 subnets of /17, and there are 4 nodes"],
    ),
    (
        {"cluster.podCidr": "172.16.0.0/12", CONTROLLERS: {"node-cidr-mask-size": 29}, **FEW_PODS},
        ["evenkeel:cluster.podCidr: 172.16.0.0/12: is too large: kube-controller-manager divides it into at most 2^16"],
    ),
    (
        {CONTROLLERS: {"node-cidr-mask-size": "many"}},
        [f"evenkeel:{CONTROLLERS}.node-cidr-mask-size: many: is not a size of a node's subnet; use"],
    ),
    (
        {"cluster.kubelet": {"config": {"maxPods": 254}}},
        ["evenkeel:cluster.kubelet.config.maxPods: 254: is more than the 253 addresses for pods of a node's /24; "
         "use at most 253, or a smaller cluster.controllerManager.extraArgs.node-cidr-mask-size"],
    ),
    (
        {"hosts.emei.kubelet": {"config": {"maxPods": 110}}, CONTROLLERS: {"node-cidr-mask-size": 26}, **FEW_PODS},
        ["evenkeel:hosts.emei.kubelet.config.maxPods: 110: is more than the 61 addresses for pods of a node's /26"],
    ),
    (
        {CONTROLLERS: {"node-cidr-mask-size": 26}},
        [f"evenkeel:{CONTROLLERS}.node-cidr-mask-size: 26: leaves a node 61 addresses for pods, and "
         "cluster.kubelet.config.maxPods is 110 unless set; set that to at most 61, or use a smaller number here"],
    ),
]  # fmt: skip

WARNINGS: list[tuple[dict[str, object], str]] = [
    (
        {"hosts.emei.roles": ["worker"], "hosts.wudang.roles": ["worker"]},
        "evenkeel:hosts: shaolin as masters: is not highly available: losing this host loses the API",
    ),
    (
        {"hosts.huashan.roles": ["master", "worker"]},
        "evenkeel:hosts: shaolin, wudang, emei, huashan as masters: survives the loss of 1, as 3 masters would",
    ),
    (
        {"hosts.lb2.roles": ["worker"]},
        "evenkeel:loadBalancer.vip.address: 192.0.2.30: has only lb1 to live on: nobody takes it over",
    ),
    (
        {"loadBalancer.vip": None, "loadBalancer.address": "192.0.2.31"},
        "evenkeel:loadBalancer.address: 192.0.2.31: is lb1's own address: losing that host loses the API's address",
    ),
    (
        {"loadBalancer.vip": None},
        "evenkeel:loadBalancer.address: 192.0.2.30: belongs to no host of role lb: something outside this stack",
    ),
    (
        {"loadBalancer.proxyTimeout": "3s"},
        "evenkeel:loadBalancer.proxyTimeout: 3s: ends every watch and `kubectl logs -f` that is idle for that long",
    ),
    (
        {"hosts.huashan.roles": ["worker", "lb"], "loadBalancer.port": 30443},
        "evenkeel:loadBalancer.port: 30443: is a port that a Service may be given (30000-32767), which would take "
        "nginx's clients on nodes (huashan); choose another port, like 8443",
    ),
    (
        {"hosts.huashan.roles": ["worker", "lb"], "cluster.apiServer": NODE_PORTS},
        "evenkeel:loadBalancer.statusPort: 8404: is a port that a Service may be given (8400+9), which would take",
    ),
]


@pytest.mark.parametrize(("changes", "expected"), CLASHES)
def test_what_does_not_go_together_is_refused_with_key_value_and_remedy(
    root: Path, changes: dict[str, object], expected: list[str]
) -> None:
    lines = samples.refusals(root, samples.changed(changes))
    assert len(lines) == len(expected), lines
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start)
        assert "; " in line


@pytest.mark.parametrize(("changes", "start"), WARNINGS)
def test_what_works_but_not_as_one_thinks_is_warned_of(root: Path, changes: dict[str, object], start: str) -> None:
    (warning,) = samples.warnings(root, samples.changed(changes))
    assert warning.startswith(start)


def test_more_than_seven_masters_are_warned_of(root: Path) -> None:
    values = samples.values()
    for number in range(5):
        address, name = f"192.0.2.{40 + number}", f"master{number}"
        values["hosts"][name] = {"address": address, "roles": ["master"]}
        with (root / "known_hosts").open("a") as known_hosts:
            known_hosts.write(f"{address} {samples.host_key(name)}\n")
    even, many = samples.warnings(root, values)
    assert "survives the loss of 3, as 7 masters would" in even
    assert "makes every write wait for 5 members; use at most 7 masters" in many


def test_a_pod_cidr_may_fit_the_nodes_exactly(root: Path) -> None:
    assert len(samples.stack(root).nodes()) == 4
    assert samples.refusals(root, samples.changed({"cluster.podCidr": "10.244.0.0/22"})) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster.kubelet": {"config": {"maxPods": 253}}},
        {"cluster.kubelet": {"config": {"maxPods": 500}}, CONTROLLERS: {"node-cidr-mask-size": 22}},
        {"cluster.kubelet": {"config": {"maxPods": 500}}, "cluster.cni": "none"},
    ],
    ids=["all-of-the-subnet", "a-larger-subnet", "another-network"],
)
def test_a_node_may_take_as_many_pods_as_there_are_addresses_for(root: Path, changes: dict[str, object]) -> None:
    assert samples.refusals(root, samples.changed(changes)) == []


def test_a_load_balancer_may_share_a_master_on_another_port(root: Path) -> None:
    values = samples.changed({"hosts.emei.roles": ["master", "lb"], "loadBalancer.port": 8443})
    assert samples.refusals(root, values) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"loadBalancer.port": 30443},
        {"loadBalancer.port": 10249, "hosts.huashan.roles": ["worker", "lb"], "cluster.kubeProxy": MOVED_PROXY},
        {"loadBalancer.port": 8081, "hosts.huashan.roles": ["worker", "lb"], "cluster.cni": "none"},
    ],
    ids=["a-nodes-port-where-no-node-is", "a-port-that-kube-proxy-has-left", "flannels-port-without-flannel"],
)
def test_a_port_that_nobody_takes_is_left_to_the_load_balancer(root: Path, changes: dict[str, object]) -> None:
    assert samples.warnings(root, samples.changed(changes)) == []


def test_a_forwarded_ssh_port_is_not_taken_for_the_hosts_own(root: Path) -> None:
    values = samples.changed({"hosts.lb1.ssh": {"host": "lb1", "port": 6443}})
    with (root / "known_hosts").open("a") as known_hosts:
        known_hosts.write(f"[lb1]:6443 {samples.host_key('lb1')}\n")
    assert samples.refusals(root, values) == []
