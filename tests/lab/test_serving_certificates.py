"""A kubelet gets a serving certificate for itself only: the approver on the masters, asked through the real API."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab import hosts
from settings import Host
from tests.lab.subject import kubectl, stack

NAMES = ("evenkeel-test-own", "evenkeel-test-other")
SECONDS = 15

pytestmark = pytest.mark.lab


@pytest.fixture
def no_requests() -> Iterator[None]:
    """What the test asked for is gone afterwards."""
    kubectl("delete", "csr", "--ignore-not-found", *NAMES)
    yield
    kubectl("delete", "csr", "--ignore-not-found", *NAMES)
    assert not [name for name in NAMES if name in kubectl("get", "csr", "--output=name")]


def node() -> Host:
    """A worker."""
    return next(iter(stack().workers().values()))


def ask(name: str, subject_alternative_names: str) -> None:
    """Asks for a serving certificate as the node's kubelet, with its own identity."""
    user = f"/O=system:nodes/CN=system:node:{node().name}"
    command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", "/dev/null", "-subj", user, "-addext", f"subjectAltName={subject_alternative_names}"]
    request = subprocess.run(command, capture_output=True, check=True).stdout
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request).decode(),
            "signerName": "kubernetes.io/kubelet-serving",
            "usages": ["digital signature", "server auth"],
        },
    }
    create = "kubectl --kubeconfig=/etc/kubernetes/kubelet.conf create -f -"
    hosts.run(node().name, create, stdin=json.dumps(body), check=True)


def status(name: str) -> dict[str, Any]:
    """What became of a request."""
    return dict(json.loads(kubectl("get", "csr", name, "--output=json"))["status"])


@pytest.mark.usefixtures("no_requests")
def test_a_node_gets_a_certificate_for_its_own_address_and_none_for_another_nodes() -> None:
    """Approving whatever a kubelet asks for lets one stolen node pass for any other, masters included."""
    other = next(iter(stack().masters().values()))
    ask(NAMES[1], f"DNS:{node().name},IP:{other.address}")
    ask(NAMES[0], f"DNS:{node().name},IP:{node().address}")
    deadline = time.monotonic() + SECONDS
    while "certificate" not in status(NAMES[0]):
        assert time.monotonic() < deadline, f"no master approved {node().name}'s own names"
        time.sleep(0.2)
    time.sleep(1)
    assert status(NAMES[1]) == {}
