"""Signing requests and certificates: subjects, SANs, usages, key identifiers and validity.

Does not own: keys (``keys``), the table of uses (``uses``), or when a certificate is made anew (``resources``).
"""

import ipaddress
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from lab.plugins.base import PluginError
from lab.plugins.tables import Values
from lab.plugins.tls import keys
from lab.plugins.tls.uses import EXTENDED_USES, KEY_USES

SERIAL_BITS = 128
_SUBJECT_FIELDS = (
    ("country", NameOID.COUNTRY_NAME),
    ("organization", NameOID.ORGANIZATION_NAME),
    ("organizationalUnit", NameOID.ORGANIZATIONAL_UNIT_NAME),
    ("locality", NameOID.LOCALITY_NAME),
    ("province", NameOID.STATE_OR_PROVINCE_NAME),
    ("streetAddresses", NameOID.STREET_ADDRESS),
    ("postalCode", NameOID.POSTAL_CODE),
    ("commonName", NameOID.COMMON_NAME),
    ("serialNumber", NameOID.SERIAL_NUMBER),
    ("emailAddress", NameOID.EMAIL_ADDRESS),
)
"""In the order in which they stand in the certificate."""


def request(inputs: Values) -> tuple[str, Values]:
    """A signing request: ID and outputs."""
    key = keys.load(inputs["privateKeyPem"], "privateKeyPem")
    builder = x509.CertificateSigningRequestBuilder(subject_name=_subject(inputs))
    names = list(_names(inputs))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(key, keys.digest(key))
    outputs = {"certRequestPem": made.public_bytes(Encoding.PEM).decode(), "keyAlgorithm": keys.algorithm(key)}
    return keys.identifier(made.public_bytes(Encoding.DER)), outputs


def self_signed(inputs: Values) -> tuple[str, Values]:
    """A certificate signed with its own key: ID and outputs."""
    key = keys.load(inputs["privateKeyPem"], "privateKeyPem")
    subject, public = _subject(inputs), key.public_key()
    own = _key_identifier(public) if inputs["setSubjectKeyId"] or inputs["isCaCertificate"] else None
    if inputs["setAuthorityKeyId"] and own is None:
        raise PluginError("setAuthorityKeyId: the certificate has no subject key ID; set setSubjectKeyId too")
    authority = own if inputs["setAuthorityKeyId"] else None
    start = datetime.now(UTC)
    builder = _builder(inputs, start, subject, list(_names(inputs)), own, authority)
    made = builder.issuer_name(subject).public_key(public).sign(key, keys.digest(key))
    return _described(made, start, inputs, {"keyAlgorithm": keys.algorithm(key)})


def locally_signed(inputs: Values) -> tuple[str, Values, str]:
    """A certificate for a request: ID, outputs, and a warning or nothing."""
    key = keys.load(inputs["caPrivateKeyPem"], "caPrivateKeyPem")
    authority, wanted = _load_certificate(inputs["caCertPem"]), _load_request(inputs["certRequestPem"])
    public = wanted.public_key()
    if not isinstance(public, keys.PublicKey):
        raise PluginError(f"certRequestPem: a {type(public).__name__} is not supported; use RSA, ECDSA or ED25519")
    own = _key_identifier(public) if inputs["setSubjectKeyId"] or inputs["isCaCertificate"] else None
    issuer_id = _subject_key_id(authority) if authority.subject != wanted.subject else None
    start = datetime.now(UTC)
    builder = _builder(inputs, start, wanted.subject, _requested_names(wanted), own, issuer_id)
    made = builder.issuer_name(authority.subject).public_key(public).sign(key, keys.digest(key))
    identity, outputs = _described(made, start, inputs, {"caKeyAlgorithm": keys.algorithm(key)})
    return identity, outputs, "" if _is_authority(authority) else "caCertPem is not the certificate of a CA"


def _builder(
    inputs: Values,
    start: datetime,
    subject: x509.Name,
    names: list[x509.GeneralName],
    own_id: bytes | None,
    issuer_id: bytes | None,
) -> x509.CertificateBuilder:
    """Everything but the issuer and the public key."""
    if inputs["isCaCertificate"] and not list(subject):
        raise PluginError("subject: a CA's must hold at least one distinguished name")
    builder = x509.CertificateBuilder(subject_name=subject, serial_number=secrets.randbits(SERIAL_BITS) or 1)
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(hours=inputs["validityPeriodHours"]))
    for extension, critical in _usages(inputs["allowedUses"]):
        builder = builder.add_extension(extension, critical)
    builder = builder.add_extension(_constraints(inputs), critical=True)
    if own_id:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(own_id), critical=False)
    if issuer_id:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(issuer_id, None, None), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not list(subject))
    return builder


def _described(made: x509.Certificate, start: datetime, inputs: Values, algorithm: Values) -> tuple[str, Values]:
    end = start + timedelta(hours=inputs["validityPeriodHours"])
    outputs = {
        "certPem": made.public_bytes(Encoding.PEM).decode(),
        "validityStartTime": _timestamp(start),
        "validityEndTime": _timestamp(end),
    }
    return str(made.serial_number), outputs | algorithm


def _timestamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _constraints(inputs: Values) -> x509.BasicConstraints:
    """As in the official plugin, a path length of 0 is none: only one above 0 is written down."""
    length = inputs.get("maxPathLength", -1)
    if length > 0 and not inputs["isCaCertificate"]:
        raise PluginError(f"maxPathLength: {length}: only a CA may have one; set isCaCertificate or leave it out")
    return x509.BasicConstraints(ca=inputs["isCaCertificate"], path_length=length if length > 0 else None)


def _usages(allowed: list[str]) -> Iterator[tuple[x509.KeyUsage | x509.ExtendedKeyUsage, bool]]:
    if any(use in KEY_USES for use in allowed):
        flags = {argument: name in allowed for name, argument in KEY_USES.items()}
        try:
            yield x509.KeyUsage(**flags), True
        except ValueError as error:
            raise PluginError(f"allowedUses: {error}") from error
    extended = [ObjectIdentifier(EXTENDED_USES[use]) for use in allowed if use in EXTENDED_USES]
    if extended:
        yield x509.ExtendedKeyUsage(extended), False


def _subject(inputs: Values) -> x509.Name:
    given = inputs.get("subject") or {}
    pairs = [(identifier, given.get(field) or []) for field, identifier in _SUBJECT_FIELDS]
    values = [(identifier, [value] if isinstance(value, str) else value) for identifier, value in pairs]
    return x509.Name([x509.NameAttribute(identifier, text) for identifier, texts in values for text in texts])


def _names(inputs: Values) -> Iterator[x509.GeneralName]:
    yield from (x509.DNSName(name) for name in inputs.get("dnsNames", []))
    yield from (x509.IPAddress(ipaddress.ip_address(address)) for address in inputs.get("ipAddresses", []))
    yield from (x509.UniformResourceIdentifier(uri) for uri in inputs.get("uris", []))


def _requested_names(wanted: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    """The names that the official plugin copies: no e-mail addresses and no others."""
    try:
        names = wanted.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    copied = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
    return [name for kind in copied for name in names if isinstance(name, kind)]


def _key_identifier(public: keys.PublicKey) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(public).digest


def _subject_key_id(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _load_certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise PluginError(f"caCertPem: {error}") from error


def _load_request(pem: str) -> x509.CertificateSigningRequest:
    try:
        return x509.load_pem_x509_csr(pem.encode())
    except ValueError as error:
        raise PluginError(f"certRequestPem: {error}") from error
