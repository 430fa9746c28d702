"""Reads and checks the authorities and the service-account pair that an adopted cluster brings along.

Owns: that each key is its certificate's, and that certificates are authorities' and in force. Does not own: that all of
them are given (``settings.rules.adopted``). One that the cluster no longer trusts is not looked at: it may be gone, or
have ended.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from pydantic import SecretStr

from settings.draft import ADOPTED, Draft
from settings.errors import HIDDEN, Fault, fault
from settings.schema import AdoptedSettings
from settings.secret_keys import AUTHORITY_KEYS
from settings.stack import Adopted, Authority, ServiceAccountPair

_LOOK = "take both anew from a master: `python -m ops adopt`"
ACCOUNT = "service-account"
_FIELDS = {"ca": "ca", "front-proxy-ca": "front_proxy_ca", "etcd-ca": "etcd_ca"}


def resolve(draft: Draft, settings: AdoptedSettings) -> Adopted | None:
    """What the cluster brings along; what is wrong with it is added to the draft's faults."""
    brought = draft.brought()
    if any(name not in draft.secrets for name in brought.values()):
        return None
    keys = {what: _public(draft, name) for what, name in brought.items()}
    pems = {what: getattr(settings.authorities, field) for what, field in _FIELDS.items() if what in brought}
    certificates = {what: _certificate(draft, what, pem) for what, pem in pems.items()}
    for what, certificate in certificates.items():
        if certificate is not None:
            draft.faults += _unfit(what, certificate, keys[what])
    if None in keys.values() or None in certificates.values():
        return None
    account = keys.get(ACCOUNT)
    return Adopted(
        masters=tuple(settings.masters),
        keeps=tuple(settings.keeps),
        authorities={
            what: _authority(pems[what], _secret(draft, what), certificate)
            for what, certificate in certificates.items()
            if certificate is not None
        },
        service_account=_account(_secret(draft, ACCOUNT), account) if account else None,
    )


def _account(key: SecretStr, public: PublicKeyTypes) -> ServiceAccountPair:
    return ServiceAccountPair(key, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def _authority(pem: str, key: SecretStr, certificate: x509.Certificate) -> Authority:
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return Authority(pem, key, certificate.not_valid_after_utc, fingerprint)


def _secret(draft: Draft, what: str) -> SecretStr:
    """As it lay on the master: the engine keeps it without the newline that ends it."""
    return SecretStr(draft.secrets[AUTHORITY_KEYS[what]].rstrip() + "\n")


def _public(draft: Draft, name: str) -> PublicKeyTypes | None:
    """The key's public half."""
    try:
        return load_pem_private_key(draft.secrets[name].encode(), password=None).public_key()
    except TypeError:
        what = "is protected by a passphrase"
        draft.faults.append(fault([name], HIDDEN, what, "take the passphrase away (`openssl pkey -in FILE`)"))
    except (ValueError, UnsupportedAlgorithm):
        draft.faults.append(fault([name], HIDDEN, "cannot be read as a private key", _LOOK))
    return None


def _certificate(draft: Draft, what: str, pem: str) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        draft.faults.append(fault(_path(what), pem, "is not a certificate in PEM", _LOOK))
        return None


def _unfit(what: str, certificate: x509.Certificate, key: PublicKeyTypes | None) -> Iterator[Fault]:
    form, subject = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo), certificate.subject.rfc4514_string()
    if key is not None and key.public_bytes(*form) != certificate.public_key().public_bytes(*form):
        yield fault(_path(what), subject, f"is not the certificate of {AUTHORITY_KEYS[what]}", _LOOK)
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        ended = f"ended on {certificate.not_valid_after_utc:%Y-%m-%d}"
        yield fault(_path(what), subject, ended, "replace the authority in the cluster, then take it anew")


def _path(what: str) -> tuple[str, ...]:
    first, *rest = what.split("-")
    return ADOPTED, "authorities", first + "".join(word.capitalize() for word in rest)
