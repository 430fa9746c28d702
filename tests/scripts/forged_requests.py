"""Signing requests in which openssl and Go's crypto/x509, by which Kubernetes signs, find different names.

No tool makes them: their bytes are put together here. Does not own what the approver is to do about them
(``tests.scripts.test_csr_approver``).
"""

import base64
from collections.abc import Iterable

_SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
_EXTENSION_REQUEST = bytes.fromhex("06092a864886f70d01090e")
_ORGANIZATION, _COMMON_NAME = bytes.fromhex("060355040a"), bytes.fromhex("0603550403")
_ECDSA_WITH_SHA256 = bytes.fromhex("06082a8648ce3d040302")
_VERSION = bytes.fromhex("020100")
_SEQUENCE, _SET, _OCTETS, _BITS, _TEXT = 0x30, 0x31, 0x04, 0x03, 0x0C
_DNS_NAME, _ATTRIBUTES = 0x82, 0xA0


def names(dns_names: Iterable[str]) -> bytes:
    """The value of the extension that names a server, with names that no option of openssl's lets through."""
    return _value(_SEQUENCE, *(_value(_DNS_NAME, name.encode()) for name in dns_names))


def two_lists(node: str, public_key: bytes, first: bytes, second: bytes) -> bytes:
    """A request with two lists of extensions, of which openssl takes the first one. To Go that is no list at all: its
    length is written in more bytes than it needs, which openssl doesn't mind."""
    passed_over, read = _extensions(first), _extensions(second)
    values = [bytes((_SET, 0x81, len(passed_over))) + passed_over, _value(_SET, read)]
    attributes = [_value(_SEQUENCE, _EXTENSION_REQUEST, value) for value in values]
    subject = _value(_SEQUENCE, _name(_ORGANIZATION, "system:nodes"), _name(_COMMON_NAME, node))
    told = _value(_SEQUENCE, _VERSION, subject, public_key, _value(_ATTRIBUTES, *attributes))
    request = _value(_SEQUENCE, told, _value(_SEQUENCE, _ECDSA_WITH_SHA256), _value(_BITS, b"\0"))
    encoded = base64.encodebytes(request)
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + encoded + b"-----END CERTIFICATE REQUEST-----\n"


def _extensions(value: bytes) -> bytes:
    return _value(_SEQUENCE, _value(_SEQUENCE, _SUBJECT_ALT_NAME, _value(_OCTETS, value)))


def _name(kind: bytes, text: str) -> bytes:
    return _value(_SET, _value(_SEQUENCE, kind, _value(_TEXT, text.encode())))


def _value(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    length = size if len(body) < 0x80 else bytes((0x80 | len(size),)) + size
    return bytes((tag,)) + length + body
