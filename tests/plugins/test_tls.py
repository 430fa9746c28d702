"""The contract of the tls plugin: what certificates hold, what is a secret, and when they are made anew."""

import copy
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.plugins.engine import Json, Project, blank, engine, is_secret, lab_only, project

__all__ = ["blank", "engine", "project"]

pytestmark = pytest.mark.built

KEYS = {
    "rsa": {"algorithm": "RSA", "rsa_bits": 3072},
    "p256": {"algorithm": "ECDSA", "ecdsa_curve": "P256"},
    "p384": {"algorithm": "ECDSA", "ecdsa_curve": "P384"},
    "ed25519": {"algorithm": "ED25519"},
}
CHAIN = """
import pulumi_tls as tls
for name, key in data["keys"].items():
    made = tls.PrivateKey(name, **key)
    authority = tls.SelfSignedCert(f"{name}-ca", private_key_pem=made.private_key_pem, is_ca_certificate=True,
                                   **data["authority"])
    request = tls.CertRequest(f"{name}-request", private_key_pem=made.private_key_pem, **data["request"])
    leaf = tls.LocallySignedCert(f"{name}-leaf", ca_cert_pem=authority.cert_pem,
                                 ca_private_key_pem=made.private_key_pem,
                                 cert_request_pem=request.cert_request_pem, **data["leaf"])
    for output in ("private_key_pem", "private_key_pem_pkcs8", "private_key_openssh", "public_key_pem"):
        pulumi.export(f"{name}-{output}", getattr(made, output))
"""
REQUEST: Json = {
    "subject": {"common_name": "kube-apiserver", "organization": "system:masters"},
    "dns_names": ["kubernetes", "kubernetes.default.svc"],
    "ip_addresses": ["10.96.0.1", "fd00::1"],
    "uris": ["spiffe://cluster/apiserver"],
}
AUTHORITY: Json = {
    "subject": {"common_name": "kubernetes-ca"},
    "allowed_uses": ["cert_signing", "crl_signing", "digital_signature"],
    "validity_period_hours": 87600,
    "early_renewal_hours": 24,
    "set_subject_key_id": True,
}
LEAF: Json = {
    "allowed_uses": ["digital_signature", "key_encipherment", "server_auth", "client_auth"],
    "validity_period_hours": 8760,
    "early_renewal_hours": 720,
}
ONE_KEY: Json = {"keys": {"p256": KEYS["p256"]}, "authority": AUTHORITY, "request": REQUEST, "leaf": LEAF}


@pytest.fixture
def chain(project: Project) -> Project:
    """A CA, a request and a leaf on one ECDSA key."""
    project.program(CHAIN)
    project.data(**ONE_KEY)
    project.up()
    return project


def changed(project: Project, where: str, **changes: Any) -> None:
    """Changes some inputs of the chain."""
    data = copy.deepcopy(ONE_KEY)
    data[where] = data[where] | changes
    project.data(**data)


def certificate(resource: Json) -> x509.Certificate:
    """The certificate of a resource in the state."""
    return x509.load_pem_x509_certificate(resource["outputs"]["certPem"].encode())


def test_chains_of_every_kind_of_key_verify(project: Project, tmp_path: Path) -> None:
    project.program(CHAIN)
    project.data(keys=KEYS, authority=AUTHORITY, request=REQUEST, leaf=LEAF)
    text = project.up()
    resources, outputs = project.resources(), project.outputs()
    for name in KEYS:
        authority, leaf = tmp_path / f"{name}.ca", tmp_path / f"{name}.crt"
        authority.write_text(resources[f"{name}-ca"]["outputs"]["certPem"])
        leaf.write_text(resources[f"{name}-leaf"]["outputs"]["certPem"])
        subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", authority, leaf], check=True)
        key_spellings(name, resources[name], outputs)
    assert "PRIVATE KEY" not in project.state_text() + text
    assert project.changes() == {}


def key_spellings(name: str, resource: Json, outputs: Json) -> None:
    """All spellings are of one key, and the private ones are secrets."""
    for output in ("privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"):
        assert is_secret(resource["outputs"][output])
    key = load_pem_private_key(outputs[f"{name}-private_key_pem"].encode(), None)
    kinds = {"rsa": rsa.RSAPrivateKey, "ed25519": ed25519.Ed25519PrivateKey}
    assert isinstance(key, kinds.get(name, ec.EllipticCurvePrivateKey))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert outputs[f"{name}-public_key_pem"] == public
    pkcs8 = load_pem_private_key(outputs[f"{name}-private_key_pem_pkcs8"].encode(), None)
    assert pkcs8.public_key() == key.public_key()
    assert outputs[f"{name}-private_key_openssh"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert resource["outputs"]["publicKeyOpenssh"] == line + "\n"
    assert resource["outputs"]["publicKeyFingerprintSha256"].startswith("SHA256:")


def test_a_leaf_holds_what_was_asked_for_and_nothing_else(chain: Project) -> None:
    resources = chain.resources()
    authority, leaf = certificate(resources["p256-ca"]), certificate(resources["p256-leaf"])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == REQUEST["dns_names"]
    assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == REQUEST["ip_addresses"]
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == REQUEST["uris"]
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.digital_signature, usage.value.key_encipherment) == (True, True)
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.key_agreement) == (False, False, False)
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert leaf.subject.rfc4514_string() == "CN=kube-apiserver,O=system:masters"
    assert leaf.issuer == authority.subject
    constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, False)
    own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == own
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(hours=LEAF["validity_period_hours"])
    outputs = resources["p256-leaf"]["outputs"]
    assert datetime.fromisoformat(outputs["validityEndTime"]).replace(microsecond=0) == leaf.not_valid_after_utc
    assert (outputs["readyForRenewal"], outputs["caKeyAlgorithm"]) == (False, "ECDSA")
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_an_earlier_renewal_is_noted_in_place_and_makes_anew_only_what_is_due(chain: Project) -> None:
    before = chain.resources()["p256-leaf"]["outputs"]["certPem"]
    changed(chain, "leaf", early_renewal_hours=800)
    assert chain.changes() == {"p256-leaf": "update"}
    chain.up()
    assert chain.resources()["p256-leaf"]["outputs"]["certPem"] == before
    changed(chain, "leaf", early_renewal_hours=LEAF["validity_period_hours"])
    step = chain.steps()["p256-leaf"]
    assert "readyForRenewal" in step["replaceReasons"]
    chain.up()
    assert chain.resources()["p256-leaf"]["outputs"]["certPem"] != before


def test_a_changed_name_replaces_the_request_and_the_leaf_but_not_the_ca(chain: Project) -> None:
    before = chain.resources()
    changed(chain, "request", ip_addresses=["10.96.0.1", "10.0.0.9"])
    chain.up()
    after = chain.resources()
    assert after["p256-leaf"]["outputs"]["certPem"] != before["p256-leaf"]["outputs"]["certPem"]
    assert after["p256-ca"]["outputs"]["certPem"] == before["p256-ca"]["outputs"]["certPem"]
    names = certificate(after["p256-leaf"]).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == ["10.96.0.1", "10.0.0.9"]


def test_bad_input_is_refused(project: Project) -> None:
    project.program(CHAIN)
    project.data(**ONE_KEY)
    changed(project, "request", ip_addresses=["10.96.0.999"])
    assert "10.96.0.999" in project.failing_up()


@lab_only
def test_an_input_that_is_not_implemented_is_refused_by_name(project: Project) -> None:
    project.program(
        """
        class Key(pulumi.CustomResource):
            def __init__(self, name, **inputs):
                options = pulumi.ResourceOptions(version="5.5.1")
                super().__init__("tls:index/privateKey:PrivateKey", name, inputs, options)
        Key("key", algorithm="RSA", rsaBit=4096)
        """
    )
    text = project.failing_up()
    assert "rsaBit" in text
    assert "did you mean 'rsaBits'" in text
