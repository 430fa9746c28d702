"""A single value that is malformed is refused with its key, itself and the remedy."""

from pathlib import Path

import pytest

from tests.settings import samples

MALFORMED = [
    ("cluster.name", "Dev", "evenkeel:cluster.name: Dev: is not a DNS-1123 name; use lower-case"),
    ("cluster.environment", "test", "evenkeel:cluster.environment: test: is not one of the choices; choose one of"),
    ("cluster.cni", "calico", "evenkeel:cluster.cni: calico: is not one of the choices; choose one of 'flannel' or"),
    ("cluster.podCidr", "10.244.0.1/16", "10.244.0.1/16: is not an IPv4 CIDR; write it like 10.244.0.0/16"),
    ("cluster.podCidr", "fd00::/48", "fd00::/48: is not an IPv4 CIDR"),
    (
        "cluster.podCIDR",
        "10.244.0.0/16",
        "evenkeel:cluster.podCIDR: 10.244.0.0/16: is not a key that there is; did you mean",
    ),
    ("cluster.pki.algorithm", "DSA", "evenkeel:cluster.pki.algorithm: DSA: is not one of the choices"),
    (
        "cluster.pki.algoritm",
        "RSA",
        "evenkeel:cluster.pki.algoritm: RSA: is not a key that there is; did you mean algorithm?",
    ),
    ("cluster.apiServer.extraArgs", {"--v": 2}, "--v: is not a flag's name; write it like v"),
    (
        "cluster.apiServer.extraArgs",
        {"advertise_address": "x"},
        "is not a flag's name; write it like advertise-address",
    ),
    ("cluster.apiServer.extraArgs", {"v": [2]}, "evenkeel:cluster.apiServer.extraArgs.v: [...]: is not a flag's value"),
    ("cluster.apiServer.extraArgs", {"v": "2\n- --x"}, "has a character that is not printable"),
    ("cluster.apiServer.extraSans", ["10.0.0.999"], "10.0.0.999: is neither a DNS name nor an address"),
    ("cluster.kubelet.config", [], "evenkeel:cluster.kubelet.config: (empty): is not a mapping"),
    ("hosts.emei.address", "emei.example.com", "evenkeel:hosts.emei.address: emei.example.com: is not an IPv4 address"),
    ("hosts.emei.address", "127.0.0.1", "evenkeel:hosts.emei.address: 127.0.0.1: is not an address that other hosts"),
    ("hosts.emei.roles", [], "evenkeel:hosts.emei.roles: (empty): is empty; give at least one"),
    (
        "hosts.emei.roles",
        ["boss"],
        "evenkeel:hosts.emei.roles.0: boss: is not one of the choices; choose one of 'master'",
    ),
    ("hosts.emei.roles", ["master", "master"], "evenkeel:hosts.emei.roles: [...]: names a role twice"),
    (
        "hosts.emei.adress",
        "192.0.2.13",
        "evenkeel:hosts.emei.adress: 192.0.2.13: is not a key that there is; did you mean address?",
    ),
    (
        "hosts.emei.ssh.bastion.hots",
        "b",
        "evenkeel:hosts.emei.ssh.bastion.hots: b: is not a key that there is; did you mean host?",
    ),
    ("hosts.Emei", {"address": "192.0.2.14", "roles": ["worker"]}, "evenkeel:hosts: Emei: is not a DNS-1123 name"),
    ("hosts", {}, "evenkeel:hosts: (empty): is not a mapping of hosts' names to hosts"),
    ("hosts", None, "evenkeel:hosts: (not set): is not a mapping of hosts' names to hosts"),
    ("ssh.port", "22", "evenkeel:ssh.port: 22: is not a whole number; write a number without quotes"),
    ("ssh.user", "Root!", "evenkeel:ssh.user: Root!: is not a user's name"),
    ("ssh.user", ".root", "evenkeel:ssh.user: .root: is not a user's name"),
    ("cluster.pki.generations.ca", [], "evenkeel:cluster.pki.generations.ca: "),
    ("cluster.pki.generations.etcdCa", [0], "evenkeel:cluster.pki.generations.etcdCa.0: 0: is less than 1"),
    ("cluster.pki.generations.frontProxyCa", [2, 2], "names a generation twice; name each generation once"),
    ("cluster.pki.generations.serviceAccount", [1, 2, 3], "evenkeel:cluster.pki.generations.serviceAccount: "),
    ("loadBalancer.port", 70000, "evenkeel:loadBalancer.port: 70000: "),
    ("loadBalancer.proxyTimeout", "10 min", "10 min: is not a duration; write a whole number with its unit"),
    ("loadBalancer.failTimeout", "500ms", "500ms: is not a duration of whole seconds; write a number with its unit"),
    ("loadBalancer.maxFails", 0, "evenkeel:loadBalancer.maxFails: 0: "),
    ("loadBalancer.vip.interface", "eth0; rm", "is not a network interface's name; write it like eth0"),
    ("loadBalancer.vip.routerId", 256, "evenkeel:loadBalancer.vip.routerId: 256: "),
    ("release.name", 2026.11, "evenkeel:release.name: 2026.11: is not text; put it in quotes"),
    ("release.mirror", {"artifacts": "mirror.example.com"}, "mirror.example.com: is not an address of a mirror"),
    ("release.mirror", {"artifacts": "https://m.example.com"}, "evenkeel:release.mirror.images: (not set): is not set"),
    ("loadbalancer", {}, "evenkeel:loadbalancer: (empty): is not a key that there is; did you mean loadBalancer?"),
    ("cluster", None, "evenkeel:cluster: (not set): is not set; add it"),
]


@pytest.mark.parametrize(("path", "value", "line"), MALFORMED)
def test_a_malformed_value_is_refused_with_key_value_and_remedy(
    root: Path, path: str, value: object, line: str
) -> None:
    lines = samples.refusals(root, samples.put(samples.values(), path, value))
    assert any(line in refusal for refusal in lines), lines
    assert all("; " in refusal and refusal.startswith("evenkeel:") for refusal in lines)


def test_the_sample_that_tests_change_is_accepted_without_a_warning(root: Path) -> None:
    assert samples.refusals(root, samples.values()) == []
    assert samples.warnings(root, samples.values()) == []


def test_all_faults_are_told_at_once(root: Path) -> None:
    values = samples.values()
    samples.put(values, "cluster.cni", "calico")
    samples.put(values, "hosts.emei.address", "nowhere")
    samples.put(values, "hosts.wudang.roles", ["boss"])
    samples.put(values, "loadBalancer.port", "6443")
    samples.put(values, "release.name", "1999.01")
    samples.put(values, "ssh.knownHosts", "nowhere")
    keys = [line.split(": ")[0] for line in samples.refusals(root, values)]
    assert sorted(keys) == [
        "evenkeel:cluster.cni",
        "evenkeel:hosts.emei.address",
        "evenkeel:hosts.wudang.roles.0",
        "evenkeel:loadBalancer.port",
        "evenkeel:release.name",
        "evenkeel:ssh.knownHosts",
    ]


def test_a_host_that_cannot_be_read_hides_no_fault_of_another_and_starts_none_about_numbers(root: Path) -> None:
    values = samples.put(samples.values(), "hosts.emei.roles", ["boss"])
    samples.put(values, "hosts.huashan.address", "192.0.2.11")
    lines = samples.refusals(root, values)
    assert [line.split(": ")[0] for line in lines] == ["evenkeel:hosts.emei.roles.0", "evenkeel:hosts.huashan.address"]


def test_a_private_key_in_the_wrong_place_is_not_repeated(root: Path) -> None:
    for path in (
        "ssh.privateKey",
        "ssh.knownHosts",
        "ssh.privateKeyFile",
        "cluster.name",
        "sshPrivatekey",
        "release.name",
    ):
        lines = samples.refusals(root, samples.put(samples.values(), path, samples.PRIVATE_KEY))
        assert lines, path
        assert not any("PRIVATE KEY" in line or "bm90" in line for line in lines), path


def test_a_value_under_a_name_that_promises_a_secret_is_not_repeated(root: Path) -> None:
    lines = samples.refusals(root, samples.put(samples.values(), "ssh.password", "hunter2"))
    assert any("evenkeel:ssh.password: (not shown): is not a key" in line for line in lines)
    assert not any("hunter2" in line for line in lines)


def test_flags_become_text_as_the_program_reads_it(root: Path) -> None:
    values = samples.put(
        samples.values(), "cluster.scheduler.extraArgs", {"v": 2, "profiling": False, "kube-api-qps": 0.5}
    )
    stack = samples.stack(root, {"cluster": values["cluster"]})
    assert stack.cluster.scheduler.extra_args == {"v": "2", "profiling": "false", "kube-api-qps": "0.5"}
