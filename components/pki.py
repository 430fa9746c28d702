"""Keys and certificates of a cluster, as tls resources.

Owns key algorithms, validity and renewal. Does not own what a certificate says (``render.certificates``), nor where
its files go (the components of the hosts that hold it).
"""

from dataclasses import dataclass

import pulumi
import pulumi_tls as tls

import settings
from render.certificates import AUTHORITIES, SIGNER, Authority, Certificate, table
from settings import Adopted, Stack

HOURS_A_YEAR = 24 * 365
AUTHORITY_HOURS = 10 * HOURS_A_YEAR
LEAF_HOURS = HOURS_A_YEAR
RENEWAL_HOURS = 30 * 24  # an `up` in the last 30 days of a certificate replaces it


@dataclass(frozen=True)
class ClusterPkiArgs:
    """``stack``: whose table of certificates is made."""

    stack: Stack


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM; the key is a secret. ``not_after`` is RFC 3339."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]
    not_after: pulumi.Output[str]


class ClusterPki(pulumi.ComponentResource):
    """Three authorities, the pair that signs service-account tokens, and every leaf of the table.

    An adopted cluster brings the first two along.
    """

    def __init__(self, name: str, args: ClusterPkiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:ClusterPki", name, None, opts)
        self._name, self._algorithm = name, args.stack.cluster.pki.algorithm
        self.authorities: dict[Authority, Pair]
        self.service_account_key: pulumi.Output[str]
        self.service_account_public_key: pulumi.Output[str]
        if args.stack.adopted:
            self._take(args.stack.adopted)
        else:
            self._make()
        self.table = table(args.stack)
        self.subjects = {row.name: row.common_name for row in self.table}
        self.leaves: dict[str, Pair] = {row.name: self._leaf(row) for row in self.table}
        self.register_outputs({"certificates": self.summary()})

    def summary(self) -> pulumi.Output[list[dict[str, str | None]]]:
        """Every certificate with its host and end: what an operator looks through for the next one that expires."""
        owners: list[tuple[str, str | None]] = [(row.name, row.host) for row in self.table]
        owners += [(authority, None) for authority in self.authorities]
        ends = [pair.not_after for pair in (*self.leaves.values(), *self.authorities.values())]
        return pulumi.Output.all(*ends).apply(
            lambda found: [
                {"name": name, "host": host, "notAfter": end} for (name, host), end in zip(owners, found, strict=True)
            ]
        )

    def _make(self) -> None:
        keep = pulumi.ResourceOptions(parent=self, protect=True)
        self.authorities = {
            authority: self._authority(authority, common_name, keep) for authority, common_name in AUTHORITIES.items()
        }
        service_account = self._key("service-account", keep)
        self.service_account_key = service_account.private_key_pem
        self.service_account_public_key = service_account.public_key_pem

    def _take(self, cluster: Adopted) -> None:
        """Those of a cluster that the stack did not found."""
        self.authorities = {authority: _brought(cluster.authorities[authority]) for authority in AUTHORITIES}
        self.service_account_key = pulumi.Output.secret(cluster.service_account_key.get_secret_value())
        self.service_account_public_key = pulumi.Output.from_input(cluster.service_account_public_key)

    def _key(self, name: str, opts: pulumi.ResourceOptions) -> tls.PrivateKey:
        if self._algorithm == "RSA":
            return tls.PrivateKey(f"{self._name}-{name}", algorithm="RSA", rsa_bits=2048, opts=opts)
        return tls.PrivateKey(f"{self._name}-{name}", algorithm="ECDSA", ecdsa_curve="P256", opts=opts)

    def _authority(self, authority: Authority, common_name: str, opts: pulumi.ResourceOptions) -> Pair:
        key = self._key(authority, opts)
        certificate = tls.SelfSignedCert(
            f"{self._name}-{authority}",
            private_key_pem=key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(common_name=common_name),
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=AUTHORITY_HOURS,
            allowed_uses=list(SIGNER),
            opts=opts,
        )
        return Pair(certificate.cert_pem, key.private_key_pem, certificate.validity_end_time)

    def _leaf(self, row: Certificate) -> Pair:
        opts = pulumi.ResourceOptions(parent=self)
        key = self._key(row.name, opts)
        request = tls.CertRequest(
            f"{self._name}-{row.name}",
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=row.common_name, organization=row.organization),
            dns_names=list(row.dns_names) or None,
            ip_addresses=list(row.ip_addresses) or None,
            opts=opts,
        )
        authority = self.authorities[row.authority]
        certificate = tls.LocallySignedCert(
            f"{self._name}-{row.name}",
            cert_request_pem=request.cert_request_pem,
            ca_cert_pem=authority.certificate,
            ca_private_key_pem=authority.key,
            validity_period_hours=LEAF_HOURS,
            early_renewal_hours=RENEWAL_HOURS,
            allowed_uses=list(row.usages),
            opts=opts,
        )
        return Pair(certificate.cert_pem, key.private_key_pem, certificate.validity_end_time)


def _brought(authority: settings.Authority) -> Pair:
    return Pair(
        pulumi.Output.from_input(authority.certificate),
        pulumi.Output.secret(authority.key.get_secret_value()),
        pulumi.Output.from_input(f"{authority.not_after:%Y-%m-%dT%H:%M:%SZ}"),
    )
