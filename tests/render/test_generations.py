"""Generations of authorities: the text in which they travel, and where a host shows which it trusts."""

import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from render import generations, hub
from render.load_balancer import API_SERVICE, HUB_SERVICE, ca_path
from render.scripts import SCRIPTS
from tests.settings import pem, samples

CURRENT = "kubelet-client-current.pem"


def test_what_was_never_renewed_travels_as_it_always_has() -> None:
    """Any other text would restart every apiserver and kubelet of every stack for nothing."""
    assert generations.bundle([1], ["PEM\n"]) == "PEM\n"
    assert generations.named("ca", 1) == "ca"


def test_a_bundle_is_read_by_programs_as_its_certificates_alone() -> None:
    old, new = pem.issued("kubernetes"), pem.issued("kubernetes-2")
    text = generations.bundle([2, 1], [new.text, old.text])
    assert text.startswith("# generation 2\n-----BEGIN CERTIFICATE-----\n")
    assert x509.load_pem_x509_certificates(text.encode()) == [new.certificate, old.certificate]


def test_each_host_shows_what_it_trusts_in_the_files_that_its_roles_have(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    shown = {
        name: {setting.rpartition(".")[2]: path for setting, path, *_ in generations.shown(stack, host)}
        for name, host in stack.hosts.items()
    }
    assert set(shown["shaolin"]) == {"ca", "frontProxyCa", "etcdCa", "serviceAccount"}
    assert shown["huashan"] == {"ca": "/etc/kubernetes/pki/ca.crt"}
    assert shown["lb1"] == {"ca": ca_path(API_SERVICE)}


def test_each_host_that_asks_hubs_shows_whom_it_trusts_to_vouch_for_them(tmp_path: Path) -> None:
    """A host that trusts only the one before is cut off from every hub that has its certificate of the next."""
    values = samples.with_harbor()
    values["harbor"]["generations"] = {"ca": [1, 2]}
    stack, key = samples.stack(tmp_path, values), "evenkeel:harbor.generations.ca"
    shown = {
        name: [row[1] for row in generations.shown(stack, host) if row[0] == key and row[2:] == ("1", "2")]
        for name, host in stack.hosts.items()
    }
    assert shown["shaolin"] == shown["huashan"] == ["/etc/containerd/certs.d/hub.example.com/ca.crt"]
    assert (shown["lb1"], shown["hub1"]) == ([ca_path(HUB_SERVICE)], [hub.CA])


def test_an_authority_that_the_user_brings_has_no_generations(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text((own := pem.issued("hub", names=["hub.example.com"])).text)
    values = samples.with_harbor() | {"harborCertificateKey": pem.pem(own.key)}
    values["harbor"] |= {"certificate": "own.pem", "ca": "own.pem"}
    stack = samples.stack(tmp_path, values)
    rows = [row for host in stack.hosts.values() for row in generations.shown(stack, host)]
    assert not [row for row in rows if row[0].startswith("evenkeel:harbor")]


@pytest.mark.parametrize(("issues", "vouched"), [("old", True), ("new", False)])
def test_a_kubelet_keeps_its_certificate_only_while_its_authority_is_the_one_that_issues(
    tmp_path: Path, issues: str, vouched: bool
) -> None:
    """One that is merely trusted is dropped next, and the node with it: its own apiserver would no longer know it."""
    old, new = pem.issued("kubernetes"), pem.issued("kubernetes-2")
    (tmp_path / CURRENT).write_text(pem.issued("node", old, ["node"]).text)
    both = [old, new] if issues == "old" else [new, old]
    (tmp_path / "ca.crt").write_text(generations.bundle([1, 2], [one.text for one in both]))
    script = f". {SCRIPTS}/kubelet.sh; KUBERNETES_CA={tmp_path}/ca.crt KUBELET_PKI={tmp_path}; kubelet_vouched client"
    assert (subprocess.run(["sh", "-c", script], check=False).returncode == 0) is vouched


@pytest.mark.parametrize(("node", "own"), [("shaolin", True), ("shao", False), ("wudang", False)])
def test_a_kubelet_keeps_its_certificate_only_while_it_is_of_the_nodes_name(
    tmp_path: Path, node: str, own: bool
) -> None:
    """A machine that had another name kept the old one's, and the API let no such kubelet register the new one."""
    words = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "1"]
    files = ["-subj", "/O=system:nodes/CN=system:node:shaolin", "-keyout", "/dev/null", "-out", str(tmp_path / CURRENT)]
    subprocess.run([*words, *files], check=True, capture_output=True)
    script = f". {SCRIPTS}/kubelet.sh; KUBELET_PKI={tmp_path} NODE={node}; kubelet_is_named"
    assert (subprocess.run(["sh", "-c", script], check=False).returncode == 0) is own
