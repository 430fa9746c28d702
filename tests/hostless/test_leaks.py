"""What the search for secrets (tests/lab/leaks.py) takes from a key, in each form that a stack has it in."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.lab.leaks import private_lines

SHORT = 0x1234 << 200  # a private number with leading zeros: one key in 256 has one

KEYS: dict[str, Any] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-256 with leading zeros": ec.derive_private_key(SHORT, ec.SECP256R1()),
    "RSA": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8, PrivateFormat.OpenSSH])
@pytest.mark.parametrize("name", KEYS)
def test_the_lines_with_the_private_number_are_found(name: str, form: PrivateFormat) -> None:
    """OpenSSH leaves leading zeros out: the search ended there, and with it every test of secrets."""
    assert _lines(KEYS[name], form)


def test_an_ssh_key_of_the_other_kind_is_read_too() -> None:
    assert _lines(ed25519.Ed25519PrivateKey.generate(), PrivateFormat.OpenSSH)


def _lines(key: Any, form: PrivateFormat) -> list[str]:
    pem = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    lines = private_lines(pem)
    assert set(lines) <= set(pem.splitlines())
    return lines
