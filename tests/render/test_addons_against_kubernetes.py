"""The add-ons against the release's own programs: kubeadm's manifests, kube-proxy's decoder, a real API server.

They are marked ``lab`` because they need what ``make up`` builds; no host is touched.
"""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab import toolchain
from render import addons
from render.addons.objects import Object
from settings import Stack
from tests.plugins.kubernetes import control_plane
from tests.settings import samples

pytestmark = pytest.mark.built

APPROVER = "evenkeel:csr-approver"
SERVING = "kubernetes.io/kubelet-serving"


def program(name: str) -> str:
    return str(toolchain.binary("kubernetes", name))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The sample with settings of its own for kube-proxy, and the Service network of the test's API server."""
    proxy = {"config": {"mode": "nftables", "conntrack": {"maxPerCore": 0}}}
    cluster = samples.values()["cluster"] | {"serviceCidr": "10.0.0.0/24", "kubeProxy": proxy}
    return samples.stack(tmp_path_factory.mktemp("stack"), {"cluster": cluster})


def kubeadm(addon: str, *arguments: str) -> dict[tuple[str, str], Object]:
    """What kubeadm would make of one add-on, by kind and name."""
    command = [program("kubeadm"), "init", "phase", "addon", addon, "--print-manifest", *arguments]
    done = subprocess.run(
        [*command, "--kubernetes-version=v1.36.3"], capture_output=True, text=True, check=True, cwd="/"
    )
    return by_name(document for document in yaml.safe_load_all(done.stdout) if document)


def by_name(objects: Any) -> dict[tuple[str, str], Object]:
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


def template(workload: Object) -> Object:
    return dict(workload["spec"]["template"])


def test_kube_proxy_is_kubeadms_but_for_its_probe_and_what_rolls_it(stack: Stack) -> None:
    ours = by_name(addons.by_addon(stack)["kube-proxy"])
    endpoint = "--control-plane-endpoint=192.0.2.30:6443"
    theirs = kubeadm("kube-proxy", endpoint, "--pod-network-cidr=10.244.0.0/16")
    daemon_set, name = template(ours["DaemonSet", "kube-proxy"]), ("DaemonSet", "kube-proxy")
    (container,) = daemon_set["spec"]["containers"]
    expected = template(theirs[name])
    expected["metadata"]["annotations"] = daemon_set["metadata"]["annotations"]
    expected["spec"]["containers"][0] |= {key: container[key] for key in ("image", "readinessProbe")}
    del expected["spec"]["containers"][0]["volumeMounts"][1]["readOnly"]  # false, which it is anyhow
    assert daemon_set == expected
    assert ours[name]["spec"]["selector"] == theirs[name]["spec"]["selector"], "an adopted one could not be changed"
    left_out = {("Role", "kube-proxy"), ("RoleBinding", "kube-proxy")}
    assert set(theirs) - set(ours) == left_out
    for key in set(theirs) - left_out - {name, ("ConfigMap", "kube-proxy")}:
        assert _same_binding(ours[key], theirs[key])
    kubeconfig = ("ConfigMap", "kube-proxy"), "kubeconfig.conf"
    assert _yaml_of(ours, *kubeconfig) == _yaml_of(theirs, *kubeconfig)


def test_coredns_is_kubeadms_but_for_its_spread_and_what_rolls_it(stack: Stack) -> None:
    ours = by_name(addons.by_addon(stack)["coredns"])
    theirs = kubeadm("coredns", "--service-cidr=10.0.0.0/24")
    pod, name = template(ours["Deployment", "coredns"]), ("Deployment", "coredns")
    expected = template(theirs[name])
    expected["metadata"]["annotations"] = pod["metadata"]["annotations"]
    expected["spec"]["containers"][0]["image"] = pod["spec"]["containers"][0]["image"]
    del expected["spec"]["affinity"]
    expected["spec"]["topologySpreadConstraints"] = pod["spec"]["topologySpreadConstraints"]
    assert pod == expected
    assert ours[name]["spec"]["selector"] == theirs[name]["spec"]["selector"], "an adopted one could not be changed"
    assert set(ours) - set(theirs) == {("PodDisruptionBudget", "coredns")}
    assert set(theirs) <= set(ours)
    service = theirs["Service", "kube-dns"]
    del service["metadata"]["resourceVersion"]
    assert ours["Service", "kube-dns"] == service
    assert ours["ClusterRole", "system:coredns"]["rules"] == theirs["ClusterRole", "system:coredns"]["rules"]
    assert ours["ConfigMap", "coredns"]["data"]["Corefile"].split() == _corefile(theirs).split()


def _corefile(objects: dict[tuple[str, str], Object]) -> str:
    return str(objects["ConfigMap", "coredns"]["data"]["Corefile"])


def _yaml_of(objects: dict[tuple[str, str], Object], key: tuple[str, str], file: str) -> Object:
    return dict(yaml.safe_load(objects[key]["data"][file]))


def _same_binding(ours: Object, theirs: Object) -> bool:
    return all(ours.get(field) == theirs.get(field) for field in ("metadata", "roleRef", "subjects"))


def test_kube_proxy_decodes_its_configuration_strictly(stack: Stack, tmp_path: Path) -> None:
    """It takes a file with unknown fields too, and says so only in its log."""
    config = by_name(addons.by_addon(stack)["kube-proxy"])["ConfigMap", "kube-proxy"]["data"]["config.conf"]
    given, read = tmp_path / "config.conf", tmp_path / "read.conf"
    given.write_text(config)
    command = [program("kube-proxy"), f"--config={given}", f"--write-config-to={read}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "lenient" not in done.stderr, done.stderr
    understood = yaml.safe_load(read.read_text())
    assert understood["clientConnection"]["kubeconfig"] == "/var/lib/kube-proxy/kubeconfig.conf"
    assert (understood["mode"], understood["clusterCIDR"]) == ("nftables", "10.244.0.0/16")


class Kubectl:
    """The release's kubectl, as a member of system:masters or as somebody else."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    def __call__(self, *arguments: str, given: str = "", user: str = "") -> subprocess.CompletedProcess[str]:
        command = [program("kubectl"), f"--kubeconfig={self._kubeconfig}", *arguments]
        command += [f"--as={user}"] if user else []
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False)

    def apply(self, objects: list[Object]) -> None:
        stream = "\n---\n".join(json.dumps(item) for item in objects)
        done = self("apply", "--server-side", "--field-manager=evenkeel", "--validate=strict", "-f", "-", given=stream)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    folder = tmp_path_factory.mktemp("control-plane")
    with control_plane.running(folder) as api:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(api.kubeconfig)
        yield Kubectl(kubeconfig)


def test_the_api_takes_every_object_and_a_second_time_changes_nothing(kubectl: Kubectl, stack: Stack) -> None:
    objects = [item for addon in addons.by_addon(stack).values() for item in addon]
    kubectl.apply(objects)
    before = _generations(kubectl, objects)
    kubectl.apply(objects)
    assert _generations(kubectl, objects) == before


def _generations(kubectl: Kubectl, objects: list[Object]) -> dict[tuple[str, str], object]:
    """What changes when an object's specification or data does, but not when its status does."""
    stream = "\n---\n".join(json.dumps(item) for item in objects)
    done = kubectl("get", "-f", "-", "-o", "json", given=stream)
    assert done.returncode == 0, done.stderr
    live = by_name(json.loads(done.stdout)["items"])
    assert len(live) == len(objects)
    return {key: _generation(item) for key, item in live.items()}


def _generation(item: Object) -> object:
    return item["metadata"].get("generation") or item["metadata"]["resourceVersion"]


def _signing_request(name: str, signer: str, usage: str) -> str:
    subject = [(NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, "system:node:emei")]
    builder = x509.CertificateSigningRequestBuilder()
    builder = builder.subject_name(x509.Name([x509.NameAttribute(kind, value) for kind, value in subject]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("emei")]), critical=False)
    pem = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )
    spec = {"request": base64.b64encode(pem).decode(), "signerName": signer, "usages": ["digital signature", usage]}
    head = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name}}
    return json.dumps(head | {"spec": spec})


@pytest.mark.parametrize(
    ("signer", "usage", "refusal"),
    [
        (SERVING, "server auth", ""),
        ("kubernetes.io/kube-apiserver-client", "client auth", "not permitted to approve requests with signerName"),
    ],
)
def test_the_approver_approves_serving_certificates_and_no_others(
    kubectl: Kubectl, stack: Stack, signer: str, usage: str, refusal: str
) -> None:
    kubectl.apply(addons.by_addon(stack)["rbac"])
    name = signer.rpartition("/")[2]
    assert kubectl("create", "-f", "-", given=_signing_request(name, signer, usage)).returncode == 0
    done = kubectl("certificate", "approve", name, user=APPROVER)
    assert (done.returncode == 0) == (not refusal), done.stderr
    assert refusal in done.stderr


@pytest.mark.parametrize("verb_and_resource", [("get", "secrets"), ("create", "pods"), ("delete", "csr")])
def test_the_approver_may_do_nothing_else(kubectl: Kubectl, stack: Stack, verb_and_resource: tuple[str, str]) -> None:
    kubectl.apply(addons.by_addon(stack)["rbac"])
    assert kubectl("auth", "can-i", *verb_and_resource, user=APPROVER).stdout.strip() == "no"
    assert kubectl("auth", "can-i", "watch", "csr", user=APPROVER).stdout.strip() == "yes"


def test_the_apiservers_own_certificate_may_reach_kubelets_and_nodes_may_renew_theirs(
    kubectl: Kubectl, stack: Stack
) -> None:
    kubectl.apply(addons.by_addon(stack)["rbac"])
    kubelets = kubectl("auth", "can-i", "create", "nodes", "--subresource=proxy", user="kube-apiserver-kubelet-client")
    assert kubelets.stdout.strip() == "yes", kubelets.stderr
    renewal = ("create", "certificatesigningrequests.certificates.k8s.io", "--subresource=selfnodeclient")
    node = kubectl("auth", "can-i", *renewal, "--as-group=system:nodes", user="system:node:emei")
    assert node.stdout.strip() == "yes", node.stderr
    assert kubectl("auth", "can-i", *renewal, user="somebody").stdout.strip() == "no"
