"""A cluster as its users find it: nodes, pods, traffic between them, and ways into them."""

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lab import toolchain
from tests.lab import workload
from tests.lab.subject import kubeconfig, kubectl, program, stack
from tests.lab.workload import NAMESPACE, PORT, Pod, Workload
from tests.waiting import eventually

LEASE_SECONDS = 15
# A kubelet whose static pod the API refused, as it may in its first seconds, registers it with the pod's next sync.
STATIC_POD_SYNC_SECONDS = 120
SYSTEM_NAMESPACES = ("kube-system", "kube-flannel")
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
STATIC_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def names() -> Iterator[Workload]:
    """A pod on each node."""
    with workload.running(replicas=len(stack().nodes())) as running:
        yield running


def by_pod(pods: list[Pod], script: str) -> dict[str, str]:
    """What a script prints in each pod, by the pod's node."""
    with ThreadPoolExecutor() as pool:
        return dict(zip((pod.node for pod in pods), pool.map(lambda pod: pod.sh(script), pods), strict=True))


def server(node: str) -> str:
    """The URL of one master's own apiserver."""
    return f"https://{stack().hosts[node].address}:6443"


def test_every_node_of_the_stack_is_ready_with_its_role_and_its_version_and_no_other_is_there() -> None:
    nodes = {node["metadata"]["name"]: node for node in json.loads(kubectl("get", "nodes", "--output=json"))["items"]}
    assert set(nodes) == set(stack().nodes())
    for name, node in nodes.items():
        conditions = {one["type"]: one["status"] for one in node["status"]["conditions"]}
        assert conditions["Ready"] == "True", f"{name}: {conditions}"
        assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{stack().release.versions.kubernetes}"
        taints = [taint["key"] for taint in node["spec"].get("taints", [])]
        role = "node-role.kubernetes.io/control-plane"
        assert (role in node["metadata"]["labels"], role in taints) == (name in stack().masters(),) * 2


def test_every_pod_of_the_system_runs_and_is_ready() -> None:
    static = {f"{name}-{master}" for name in STATIC_PODS for master in stack().masters()}
    eventually(
        lambda: static < {pod["metadata"]["name"] for pod in _pods_of_the_system()},
        STATIC_POD_SYNC_SECONDS,
        "the kubelets register their static pods",
        glance=1,
    )
    pods = _pods_of_the_system()
    ready = {pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running" and _all_ready(pod)}
    assert ready == {pod["metadata"]["name"] for pod in pods}
    on_nodes = {prefix: _nodes_of(pods, prefix) for prefix in ("kube-proxy-", "kube-flannel-ds-", "coredns-")}
    assert on_nodes["kube-proxy-"] == on_nodes["kube-flannel-ds-"] == sorted(stack().nodes())
    assert len(set(on_nodes["coredns-"])) == 2, "two replicas on two nodes"


def _pods_of_the_system() -> list[dict[str, Any]]:
    return [
        pod
        for namespace in SYSTEM_NAMESPACES
        for pod in json.loads(kubectl("get", "pods", f"--namespace={namespace}", "--output=json"))["items"]
    ]


def _all_ready(pod: dict[str, dict[str, list[dict[str, object]]]]) -> bool:
    return all(container["ready"] for container in pod["status"]["containerStatuses"])


def _nodes_of(pods: list[dict[str, dict[str, str]]], prefix: str) -> list[str]:
    return sorted(pod["spec"]["nodeName"] for pod in pods if pod["metadata"]["name"].startswith(prefix))


@pytest.mark.parametrize("component", ["kube-scheduler", "kube-controller-manager"])
def test_one_master_leads_and_goes_on_leading(component: str) -> None:
    def lease() -> dict[str, str]:
        found = kubectl("get", "lease", "--namespace=kube-system", component, "--output=json")
        return dict(json.loads(found)["spec"])

    first = lease()
    deadline = time.monotonic() + LEASE_SECONDS
    while (later := lease())["renewTime"] == first["renewTime"]:
        assert time.monotonic() < deadline, f"nobody renews the lease: {later}"
        time.sleep(0.5)
    assert later["holderIdentity"] == first["holderIdentity"]
    assert later["holderIdentity"].rpartition("_")[0] in stack().masters()


def test_the_stacks_outputs_have_the_names_and_the_values_that_users_rely_on() -> None:
    outputs = program().outputs()
    assert outputs["apiEndpoint"] == f"https://{stack().load_balancer.address}:{stack().load_balancer.port}"
    for name, hosts in (
        ("masters", stack().masters()),
        ("workers", stack().workers()),
        ("loadBalancers", stack().load_balancers()),
    ):
        assert outputs[name] == {host.name: host.address for host in hosts.values()}
    assert all(set(row) == {"name", "host", "notAfter"} for row in outputs["certificates"])
    assert f"server: {outputs['apiEndpoint']}\n" in outputs["kubeconfig"]


def test_pods_spread_over_all_nodes_the_masters_included(names: Workload) -> None:
    assert sorted(pod.node for pod in names.pods) == sorted(stack().nodes())


def test_each_pod_reaches_each_other_by_address(names: Workload) -> None:
    asked = " ".join(f"http://{pod.address}:{PORT}" for pod in names.pods)
    said = by_pod(names.pods, f"for url in {asked}; do curl -sS --max-time 5 $url; done")
    assert said == {node: "".join(f"{pod.name}\n" for pod in names.pods) for node in stack().nodes()}


def test_each_pod_reaches_the_service_by_address_and_by_name(names: Workload) -> None:
    domain = stack().cluster.domain
    hosts = [names.service_address, workload.NAME, f"{workload.NAME}.{NAMESPACE}"]
    hosts += [f"{workload.NAME}.{NAMESPACE}.svc", f"{workload.NAME}.{NAMESPACE}.svc.{domain}"]
    said = by_pod(names.pods, f"for host in {' '.join(hosts)}; do curl -sS --max-time 5 http://$host; done")
    for node, text in said.items():
        answers = text.split()
        assert len(answers) == len(hosts), f"from {node}: {text}"
        assert set(answers) <= {pod.name for pod in names.pods}


@pytest.mark.parametrize("start", [1, 2])
def test_services_are_reached_when_kube_proxy_has_started_anew(names: Workload, start: int) -> None:
    """As it does when its ConfigMap changes. The lab's own image lost all of them at each second start."""
    kubectl("rollout", "restart", "daemonset/kube-proxy", "--namespace=kube-system")
    kubectl("rollout", "status", "daemonset/kube-proxy", "--namespace=kube-system", "--timeout=110s")
    ask = f"curl -s --max-time 2 http://{names.service_address} || :"
    eventually(lambda: all(by_pod(names.pods, ask).values()), 20, f"every pod reaches the Service after start {start}")


def test_each_pod_reaches_the_api_under_its_names_with_verification_on(names: Workload) -> None:
    hosts = [f"kubernetes.default.svc{end}" for end in ("", f".{stack().cluster.domain}")]
    hosts += ["kubernetes.default", stack().cluster.service_address]
    ask = f"curl -sS --max-time 5 --cacert {SERVICE_ACCOUNT}/ca.crt -w '\\n'"
    said = by_pod(names.pods, f"for host in {' '.join(hosts)}; do {ask} https://$host/readyz; done")
    assert said == dict.fromkeys(stack().nodes(), "ok\n" * len(hosts))


def test_the_service_reaches_all_of_its_pods(names: Workload) -> None:
    said = names.pods[0].sh(f"for i in $(echo {'x ' * 40}); do curl -sS --max-time 5 http://{workload.NAME}; done")
    assert set(said.split()) == {pod.name for pod in names.pods}


def test_each_apiserver_reads_logs_and_runs_commands_on_each_node(names: Workload) -> None:
    """It speaks to kubelets only if their serving certificates verify, and without an O it once was not allowed to."""
    pairs = [(master, pod) for master in stack().masters() for pod in names.pods]

    def asked(pair: tuple[str, Pod]) -> tuple[str, str]:
        options = [f"--server={server(pair[0])}", f"--namespace={NAMESPACE}"]
        logs = kubectl("logs", *options, pair[1].name)
        return logs, kubectl("exec", *options, pair[1].name, "--", "hostname")

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(asked, pairs))
    assert said == [("serving\n", f"{pod.name}\n") for _, pod in pairs]


def test_apiservers_verify_whom_they_speak_to() -> None:
    """Without the flag an apiserver takes any certificate from whoever answers at a node's address."""
    pods = kubectl("get", "pods", "--namespace=kube-system", "--selector=component=kube-apiserver", "--output=json")
    commands = [pod["spec"]["containers"][0]["command"] for pod in json.loads(pods)["items"]]
    assert len(commands) == len(stack().masters())
    assert all("--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt" in command for command in commands)


def test_a_port_of_a_pod_on_each_node_is_forwarded(names: Workload) -> None:
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(_forwarded, names.pods)) == [f"{pod.name}\n" for pod in names.pods]


def _forwarded(pod: Pod) -> str:
    """What a pod answers at a port of this machine."""
    command = [str(toolchain.binary("kubernetes", "kubectl")), "port-forward", f"--kubeconfig={kubeconfig()}"]
    command += [f"--namespace={NAMESPACE}", pod.name, f":{PORT}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.match(r"Forwarding from (\S+) ->", process.stdout.readline())
            assert found
            with urllib.request.urlopen(f"http://{found[1]}", timeout=10) as answer:
                return str(answer.read().decode())
        finally:
            process.terminate()


def test_a_token_that_one_apiserver_made_is_accepted_by_every_other(names: Workload) -> None:
    """Masters that differ in their service-account keys refuse one another's tokens, each time another one.

    A master's kubelet gets its pods' tokens from its own apiserver, so the pods bring a token of each.
    """
    review = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
    ask = f'curl -sS --max-time 5 --cacert {SERVICE_ACCOUNT}/ca.crt -H "Authorization: Bearer $token"'
    ask += f" -H 'Content-Type: application/json' -d '{review}'"
    urls = " ".join(f"{server(node)}/apis/authentication.k8s.io/v1/selfsubjectreviews" for node in stack().masters())
    script = f"token=$(cat {SERVICE_ACCOUNT}/token); for url in {urls}; do {ask} $url; done"
    for node, text in by_pod(names.pods, script).items():
        users = re.findall(r'"username": *"([^"]*)"', text)
        assert users == [f"system:serviceaccount:{NAMESPACE}:default"] * len(stack().masters()), f"from {node}: {text}"
