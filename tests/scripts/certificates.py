"""Certificates as PEM for tests of scripts that look at when one ends, and at who has signed it."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(days: float, of: str = "kubernetes", by: str = "kubernetes", authority: bool = False) -> str:
    """One that ends in so many days, and began ten before; all have the same key, so that each is signed by any."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(_name(by), _name(of), KEY.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=10)).not_valid_after(now + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=authority or of == by, path_length=None), critical=True)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
