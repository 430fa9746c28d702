"""Private keys, and certificates that authorities of the stack sign, as tls resources.

Owns algorithms, validity and renewal, pulumi-tls's types and their properties, and the form of the list that says when
certificates end. Does not own what a certificate says (``render.certificates``), nor which ones there are
(``components.pki``, ``components.harbor_secrets``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pulumi
from pydantic import SecretStr

from components.registered import Registered, given
from render.certificates import SIGNER

HOURS_A_YEAR = 24 * 365
AUTHORITY_HOURS = 10 * HOURS_A_YEAR
LEAF_HOURS = HOURS_A_YEAR
RENEWAL_HOURS = 30 * 24  # an `up` in the last 30 days of a certificate replaces it

# By the names of their algorithms in the settings.
KINDS: Mapping[str, Mapping[str, Any]] = {
    "ECDSA": {"algorithm": "ECDSA", "ecdsaCurve": "P256"},
    "RSA": {"algorithm": "RSA", "rsaBits": 2048},
}
OF_A_CERTIFICATE = ("certPem", "validityEndTime")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM; the key is a secret. ``not_after`` is RFC 3339."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]
    not_after: pulumi.Output[str]


@dataclass(frozen=True)
class Listed:
    """A certificate in the list; ``host`` is the only one that holds it, or None. ``not_after`` is RFC 3339."""

    name: str
    host: str | None
    not_after: pulumi.Output[str]


@dataclass(frozen=True)
class Subject:
    """Whom a leaf is for, and what it may be used for."""

    common_name: str
    usages: Sequence[str]
    organization: str | None = None
    dns_names: Sequence[str] = ()
    ip_addresses: Sequence[str] = ()


def private_key(name: str, kind: Mapping[str, Any], opts: pulumi.ResourceOptions) -> Registered:
    """Its outputs: ``privateKeyPem``, a secret (RSA as PKCS#1), and ``publicKeyPem``."""
    return Registered(
        "tls:index/privateKey:PrivateKey",
        name,
        kind,
        opts,
        outputs=("privateKeyPem", "publicKeyPem"),
        secret=("privateKeyOpenssh", "privateKeyPem", "privateKeyPemPkcs8"),
    )


def self_signed(
    name: str, key: pulumi.Input[str], common_name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions
) -> Registered:
    """For as long as an authority lasts; its outputs: ``certPem`` and ``validityEndTime``."""
    own = {
        "privateKeyPem": pulumi.Output.secret(key),
        "subject": {"commonName": common_name},
        "validityPeriodHours": AUTHORITY_HOURS,
    }
    return Registered(
        "tls:index/selfSignedCert:SelfSignedCert",
        name,
        {**own, **inputs},
        opts,
        outputs=OF_A_CERTIFICATE,
        secret=("privateKeyPem",),
    )


def summary(listed: Sequence[Listed]) -> pulumi.Output[list[dict[str, str | None]]]:
    """Every certificate with its host and end: what an operator looks through for the next one that expires."""
    return pulumi.Output.all(*(one.not_after for one in listed)).apply(
        lambda ends: [
            {"name": one.name, "host": one.host, "notAfter": end} for one, end in zip(listed, ends, strict=True)
        ]
    )


def brought(certificate: str, key: SecretStr, not_after: datetime) -> Pair:
    """One that the stack did not make."""
    secret = pulumi.Output.secret(key.get_secret_value())
    return Pair(pulumi.Output.from_input(certificate), secret, moment(not_after))


def moment(when: datetime) -> pulumi.Output[str]:
    """In the form in which pulumi-tls tells a certificate's end."""
    return pulumi.Output.from_input(f"{when:%Y-%m-%dT%H:%M:%SZ}")


def authority(name: str, algorithm: str, common_name: str, opts: pulumi.ResourceOptions) -> Pair:
    """An authority of the stack's own."""
    key = private_key(name, KINDS[algorithm], opts).output("privateKeyPem")
    signs = {"isCaCertificate": True, "setSubjectKeyId": True, "allowedUses": [*SIGNER]}
    certificate = self_signed(name, key, common_name, signs, opts)
    return Pair(certificate.output("certPem"), key, certificate.output("validityEndTime"))


def leaf(name: str, algorithm: str, subject: Subject, signer: Pair, opts: pulumi.ResourceOptions) -> Pair:
    """A certificate that ``signer`` has signed, for a key of its own."""
    key = private_key(name, KINDS[algorithm], opts).output("privateKeyPem")
    asked = {
        "privateKeyPem": key,
        "subject": given({"commonName": subject.common_name, "organization": subject.organization}),
        "dnsNames": [*subject.dns_names] or None,
        "ipAddresses": [*subject.ip_addresses] or None,
    }
    request = Registered(
        "tls:index/certRequest:CertRequest", name, asked, opts, outputs=("certRequestPem",), secret=("privateKeyPem",)
    )
    signed = {
        "certRequestPem": request.output("certRequestPem"),
        "caCertPem": signer.certificate,
        "caPrivateKeyPem": signer.key,
        "validityPeriodHours": LEAF_HOURS,
        "earlyRenewalHours": RENEWAL_HOURS,
        "allowedUses": [*subject.usages],
    }
    certificate = Registered(
        "tls:index/locallySignedCert:LocallySignedCert",
        name,
        signed,
        opts,
        outputs=OF_A_CERTIFICATE,
        secret=("caPrivateKeyPem",),
    )
    return Pair(certificate.output("certPem"), key, certificate.output("validityEndTime"))
