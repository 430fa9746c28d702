"""Reads and checks the certificate that a user brings for Harbor's URL, and the authorities that Harbor is to trust.

Owns: that files and key belong together, cover the URL and are in force. Does not own: that all three are given
(``settings.rules.harbor_secrets``), or the certificate that the stack makes when the user brings none (``components``).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from settings.draft import HARBOR, Draft
from settings.errors import HIDDEN, Fault, fault, shown
from settings.harbor import HarborSettings
from settings.paths import path_of, reason
from settings.secret_keys import CERTIFICATE_KEY, setting
from settings.stack import ServerCertificate

Chain = Sequence[x509.Certificate]
_CERTIFICATE, _CA = (HARBOR, "certificate"), (HARBOR, "ca")
_SET_KEY = f"set the certificate's key with {setting(CERTIFICATE_KEY)}"
# What to do where a file holds no certificate, and where it holds a key.
_OF_URL = "give certificates as PEM, the server's own first", f"keep certificates alone in the file; {_SET_KEY}"
_OF_AUTHORITY = "give the authority's certificate as PEM", "keep certificates alone in the file"


def read(draft: Draft, harbor: HarborSettings, root: Path) -> ServerCertificate | None:
    """The user's certificate; what stands in the way is added to the draft's faults."""
    certificate, authority = harbor.certificate or "", harbor.ca or ""
    chain, ca = _read(draft, root, _CERTIFICATE, certificate), _read(draft, root, _CA, authority)
    if not chain or not ca:
        return None
    now = datetime.now(UTC)
    draft.faults += [
        *_foreign_key(certificate, chain[0], draft.secrets[CERTIFICATE_KEY]),
        *_uncovered(harbor, chain[0]),
        *_unfit(certificate, chain[0]),
        *_not_in_force(_CERTIFICATE, certificate, chain, now),
        *_not_in_force(_CA, authority, ca, now),
        *_broken_chain(harbor, chain, ca),
    ]
    return ServerCertificate(_pem(chain), _pem(ca), _end(chain), _end(ca))


def authorities(draft: Draft, names: Sequence[str], root: Path) -> str:
    """The certificates in these files as PEM, one text; what stands in the way is added to the draft's faults."""
    text, now = "", datetime.now(UTC)
    for index, name in enumerate(names):
        path = HARBOR, "trustedAuthorities", str(index)
        certificates = _read(draft, root, path, name, _OF_AUTHORITY)
        draft.faults += _not_in_force(path, name, certificates, now)
        text += _pem(certificates)
    return text


def _read(draft: Draft, root: Path, path: tuple[str, ...], name: str, remedies: tuple[str, str] = _OF_URL) -> Chain:
    no_certificate, with_key = remedies
    try:
        text = path_of(name, root).read_text()
    except (OSError, ValueError, RuntimeError) as error:
        remedy = "name a file of certificates (PEM) that can be read"
        draft.faults.append(fault(path, name, f"cannot be read ({reason(error)})", remedy))
        return ()
    if "PRIVATE KEY-----" in text:
        draft.faults.append(fault(path, name, "holds a private key, which would reach hosts as a plain file", with_key))
        return ()
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        draft.faults.append(fault(path, name, "holds no certificate in PEM", no_certificate))
        return ()


def _foreign_key(name: str, leaf: x509.Certificate, text: str) -> Iterator[Fault]:
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    try:
        own = load_pem_private_key(text.encode(), password=None).public_key().public_bytes(*form)
    except TypeError:
        remedy = f"take the passphrase away (`openssl pkey -in FILE`); {_SET_KEY}"
        yield fault([CERTIFICATE_KEY], HIDDEN, "is protected by a passphrase", remedy)
    except (ValueError, UnsupportedAlgorithm):
        yield fault([CERTIFICATE_KEY], HIDDEN, "is not a private key in PEM", _SET_KEY)
    else:
        if own != leaf.public_key().public_bytes(*form):
            what = f"is not the key of the first certificate in {name}"
            remedy = f"put the server's own certificate first, and {_SET_KEY}"
            yield fault([CERTIFICATE_KEY], HIDDEN, what, remedy)


def _uncovered(harbor: HarborSettings, leaf: x509.Certificate) -> Iterator[Fault]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        names = x509.SubjectAlternativeName([])
    covered = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    covered |= {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    for wanted in (harbor.host, *harbor.extra_sans):
        if wanted not in covered and f"*.{wanted.partition('.')[2]}" not in covered:
            what = f"does not cover {wanted}, but {shown(', '.join(sorted(covered)) or 'no name at all')}"
            remedy = f"have one issued with {wanted} among its subject alternative names"
            yield fault(_CERTIFICATE, harbor.certificate, what, remedy)


def _unfit(name: str, leaf: x509.Certificate) -> Iterator[Fault]:
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usages):
        yield fault(_CERTIFICATE, name, "is not for servers", "have one issued with the usage serverAuth")


def _not_in_force(path: tuple[str, ...], name: str, certificates: Chain, now: datetime) -> Iterator[Fault]:
    for certificate in certificates:
        if certificate.not_valid_after_utc <= now:
            what = f"ended on {certificate.not_valid_after_utc:%Y-%m-%d} ({_subject(certificate)})"
            yield fault(path, name, what, "have it renewed and put the new one in its place")
        if certificate.not_valid_before_utc > now:
            what = f"begins on {certificate.not_valid_before_utc:%Y-%m-%d} only ({_subject(certificate)})"
            yield fault(path, name, what, "use one that is in force, or set this machine's clock")


def _broken_chain(harbor: HarborSettings, chain: Chain, ca: Chain) -> Iterator[Fault]:
    for certificate, issuer in pairwise(chain):
        if not _issued(certificate, issuer):
            what = f"is not a chain: {_subject(issuer)} did not issue {_subject(certificate)}"
            remedy = "put the server's certificate first, and after each the one that issued it"
            yield fault(_CERTIFICATE, harbor.certificate, what, remedy)
            return
    if chain[-1] not in ca and not any(_issued(chain[-1], authority) for authority in ca):
        what = f"does not vouch for {harbor.certificate}: it did not issue {_subject(chain[-1])}"
        remedy = "name the authority's own file, and put what lies between into harbor.certificate"
        yield fault(_CA, harbor.ca, what, remedy)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _end(certificates: Chain) -> datetime:
    return min(certificate.not_valid_after_utc for certificate in certificates)


def _subject(certificate: x509.Certificate) -> str:
    return shown(certificate.subject.rfc4514_string() or "a certificate without a subject")


def _pem(certificates: Chain) -> str:
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)
