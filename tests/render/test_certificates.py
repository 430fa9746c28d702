"""The table of certificates: who may be who, and under which names an apiserver answers."""

from pathlib import Path

from render.certificates import SIGNER, table
from tests.settings import samples


def test_an_apiserver_answers_under_every_name_that_clients_use(tmp_path: Path) -> None:
    """Copying one master's certificate to another fails with x509: each has its own, with the whole list."""
    rows = {row.name: row for row in table(samples.stack(tmp_path))}
    own = rows["apiserver-wudang"]
    assert own.dns_names == (
        "wudang",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "api.example.com",
    )
    assert own.ip_addresses == ("10.96.0.1", "192.0.2.12", "192.0.2.30", "192.0.2.31", "192.0.2.32")
    assert own.usages == ("digital_signature", "server_auth")


def test_only_the_break_glass_certificate_stands_above_rbac(tmp_path: Path) -> None:
    rows = table(samples.stack(tmp_path))
    assert [row.name for row in rows if row.organization == "system:masters"] == ["break-glass"]


def test_each_node_has_an_identity_of_its_own(tmp_path: Path) -> None:
    rows = {row.name: row for row in table(samples.stack(tmp_path))}
    nodes = [row for row in rows.values() if row.organization == "system:nodes"]
    assert {(row.common_name, row.host) for row in nodes} == {
        (f"system:node:{name}", name) for name in ("shaolin", "wudang", "emei", "huashan")
    }


def test_no_certificate_claims_a_use_that_its_key_must_not_have(tmp_path: Path) -> None:
    """RFC 8813: an ECDSA key must not claim key encipherment, which kubeadm's table gives to all; zlint refuses it."""
    rows = table(samples.stack(tmp_path))
    assert not [row.name for row in rows if "key_encipherment" in row.usages]
    assert "key_encipherment" not in SIGNER


def test_names_of_certificates_are_unique(tmp_path: Path) -> None:
    names = [row.name for row in table(samples.stack(tmp_path))]
    assert len(names) == len(set(names))
