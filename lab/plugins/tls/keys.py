"""Private keys: making them, reading them, and the spellings of them and their public keys.

Does not own: when a key is made (``resources``).
"""

import base64
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from lab.plugins.base import PluginError
from lab.plugins.tables import Values

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
CURVES: dict[str, ec.EllipticCurve] = {
    "P224": ec.SECP224R1(),
    "P256": ec.SECP256R1(),
    "P384": ec.SECP384R1(),
    "P521": ec.SECP521R1(),
}
PUBLIC_EXPONENT = 65537
Digest = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
DIGESTS: dict[str, Digest] = {"secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}


def generate(inputs: Values) -> tuple[str, Values]:
    """A new key: the resource's ID and outputs."""
    key = _new(inputs)
    ed = isinstance(key, ed25519.Ed25519PrivateKey)
    traditional = PrivateFormat.PKCS8 if ed else PrivateFormat.TraditionalOpenSSL
    ssh = not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp224r1"  # OpenSSH knows no P-224
    public = key.public_key()
    outputs = {
        "privateKeyPem": _private(key, traditional),
        "privateKeyPemPkcs8": _private(key, PrivateFormat.PKCS8),
        "privateKeyOpenssh": _private(key, PrivateFormat.OpenSSH) if ssh else "",
        "publicKeyPem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        **_openssh(public if ssh else None),
    }
    return identifier(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)), outputs


def load(pem: str, what: str) -> PrivateKey:
    """Reads an unencrypted PEM key; ``what`` is the input that it came in."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PluginError(f"{what}: {error}") from error
    if not isinstance(key, PrivateKey):
        raise PluginError(f"{what}: a {type(key).__name__} is not supported; use RSA, ECDSA or ED25519")
    return key


def algorithm(key: PrivateKey) -> str:
    """The plugin's name for the kind of key."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def digest(key: PrivateKey) -> Digest | None:
    """The hash that signatures with this key use."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return DIGESTS.get(key.curve.name, hashes.SHA256())
    return hashes.SHA256()


def identifier(der: bytes) -> str:
    """The ID of keys and requests."""
    return hashlib.sha1(der.strip(b" \t\n\v\f\r"), usedforsecurity=False).hexdigest()


def _new(inputs: Values) -> PrivateKey:
    if inputs["algorithm"] == "RSA":
        return rsa.generate_private_key(PUBLIC_EXPONENT, inputs["rsaBits"])
    if inputs["algorithm"] == "ECDSA":
        return ec.generate_private_key(CURVES[inputs["ecdsaCurve"]])
    return ed25519.Ed25519PrivateKey.generate()


def _private(key: PrivateKey, form: PrivateFormat) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def _openssh(public: PublicKey | None) -> Values:
    if public is None:
        return dict.fromkeys(("publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256"), "")
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    blob = base64.b64decode(line.split()[1])
    return {
        "publicKeyOpenssh": line + "\n",
        "publicKeyFingerprintMd5": hashlib.md5(blob, usedforsecurity=False).digest().hex(":"),
        "publicKeyFingerprintSha256": "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("="),
    }
