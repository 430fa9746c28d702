"""The tls resources: what they take, when they are replaced, and when a certificate is due for renewal.

Does not own: keys and certificates themselves (``keys``, ``certificates``), whose library is loaded only to make one.
"""

import asyncio
import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from lab.plugins.base import Level
from lab.plugins.tables import Call, Input, Resource, Values
from lab.plugins.tls.uses import EXTENDED_USES, KEY_USES

_NAMES = "commonName country emailAddress locality organization organizationalUnit postalCode province serialNumber"
_SUBJECT = {name: Input() for name in _NAMES.split()} | {"streetAddresses": Input(list, items=str)}
_IDENTITY = {
    "privateKeyPem": Input(required=True, secret=True, replaces=True),
    "subject": Input(dict, replaces=True, fields=_SUBJECT),
    "dnsNames": Input(list, replaces=True, items=str),
    "ipAddresses": Input(list, replaces=True, items=str),
    "uris": Input(list, replaces=True, items=str),
}
_VALIDITY = {
    "allowedUses": Input(list, required=True, replaces=True, choices=(*KEY_USES, *EXTENDED_USES)),
    "validityPeriodHours": Input(int, required=True, replaces=True),
    "earlyRenewalHours": Input(int, default=0),
    "isCaCertificate": Input(bool, default=False, replaces=True),
    "maxPathLength": Input(int, replaces=True),
    "setSubjectKeyId": Input(bool, default=False, replaces=True),
}
_TIMES = {"certPem": False, "readyForRenewal": False, "validityStartTime": False, "validityEndTime": False}


class PrivateKey(Resource):
    """A private key in every spelling, and its public key."""

    inputs: ClassVar = {
        "algorithm": Input(required=True, replaces=True, choices=("RSA", "ECDSA", "ED25519")),
        "rsaBits": Input(int, default=2048, replaces=True),
        "ecdsaCurve": Input(default="P224", replaces=True, choices=("P224", "P256", "P384", "P521")),
    }
    outputs: ClassVar = {
        "privateKeyPem": True,
        "privateKeyPemPkcs8": True,
        "privateKeyOpenssh": True,
        "publicKeyPem": False,
        "publicKeyOpenssh": False,
        "publicKeyFingerprintMd5": False,
        "publicKeyFingerprintSha256": False,
    }

    async def create(self, call: Call) -> tuple[str, Values]:
        from lab.plugins.tls import keys

        return await asyncio.to_thread(keys.generate, call.inputs)


class CertRequest(Resource):
    """A certificate signing request."""

    inputs: ClassVar = _IDENTITY
    outputs: ClassVar = {"certRequestPem": False, "keyAlgorithm": False}

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        yield from _bad_addresses(inputs)

    async def create(self, call: Call) -> tuple[str, Values]:
        from lab.plugins.tls import certificates

        return await asyncio.to_thread(certificates.request, call.inputs)


class _Certificate(Resource):
    """What both certificates share: their age decides when they are made anew."""

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        yield from _bad_addresses(inputs)
        for name, least in {"validityPeriodHours": 0, "earlyRenewalHours": 0, "maxPathLength": -1}.items():
            if inputs.get(name, least) < least:
                yield name, f"must be at least {least}"

    def stale(self, old: Values, inputs: Values) -> frozenset[str]:
        due = _is_due(old, inputs.get("earlyRenewalHours", 0))
        return frozenset({"readyForRenewal"}) if due else frozenset()

    def refresh(self, old: Values) -> Values:
        return {"readyForRenewal": True} if _is_due(old, old.get("earlyRenewalHours", 0)) else {}

    async def update(self, call: Call) -> Values:
        return {"readyForRenewal": _born_due(call.inputs)}


class SelfSignedCert(_Certificate):
    """A certificate signed with its own key."""

    inputs: ClassVar = {**_IDENTITY, **_VALIDITY, "setAuthorityKeyId": Input(bool, default=False, replaces=True)}
    outputs: ClassVar = {**_TIMES, "keyAlgorithm": False}

    async def create(self, call: Call) -> tuple[str, Values]:
        from lab.plugins.tls import certificates

        identity, outputs = await asyncio.to_thread(certificates.self_signed, call.inputs)
        return identity, outputs | {"readyForRenewal": _born_due(call.inputs)}


class LocallySignedCert(_Certificate):
    """A certificate that a CA signs for a request."""

    inputs: ClassVar = {
        "caCertPem": Input(required=True, replaces=True),
        "caPrivateKeyPem": Input(required=True, secret=True, replaces=True),
        "certRequestPem": Input(required=True, replaces=True),
        **_VALIDITY,
    }
    outputs: ClassVar = {**_TIMES, "caKeyAlgorithm": False}

    async def create(self, call: Call) -> tuple[str, Values]:
        from lab.plugins.tls import certificates

        identity, outputs, warning = await asyncio.to_thread(certificates.locally_signed, call.inputs)
        if warning:
            await call.engine.log(call.urn, warning, Level.WARNING)
        return identity, outputs | {"readyForRenewal": _born_due(call.inputs)}


RESOURCES: dict[str, Resource] = {
    "tls:index/certRequest:CertRequest": CertRequest(),
    "tls:index/locallySignedCert:LocallySignedCert": LocallySignedCert(),
    "tls:index/privateKey:PrivateKey": PrivateKey(),
    "tls:index/selfSignedCert:SelfSignedCert": SelfSignedCert(),
}


def _bad_addresses(inputs: Values) -> Iterator[tuple[str, str]]:
    for address in inputs.get("ipAddresses", []):
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield "ipAddresses", f"{address!r} is no IP address"


def _is_due(old: Values, early_hours: int) -> bool:
    """Whether the time for an (early) renewal has come."""
    end = old.get("validityEndTime")
    return end is not None and datetime.fromisoformat(end) - timedelta(hours=early_hours) <= datetime.now(UTC)


def _born_due(inputs: Values) -> bool:
    """A certificate that is due from its first moment says so, and is replaced by every update."""
    hours = inputs["validityPeriodHours"]
    return bool(hours == 0 or inputs["earlyRenewalHours"] >= hours)
