"""Keys and certificates of a cluster: which there are.

Does not own what a certificate says (``render.certificates``), how one is made (``components.certificates``), nor where
its files go (the components of the hosts that hold it).
"""

from dataclasses import dataclass

import pulumi

import settings
from components.certificates import KINDS, Pair, Subject, authority, leaf, private_key
from render.certificates import AUTHORITIES, Authority, Certificate, table
from settings import Adopted, Stack


@dataclass(frozen=True)
class ClusterPkiArgs:
    """``stack``: whose table of certificates is made."""

    stack: Stack


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
        owners += [(name, None) for name in self.authorities]
        ends = [pair.not_after for pair in (*self.leaves.values(), *self.authorities.values())]
        return pulumi.Output.all(*ends).apply(
            lambda found: [
                {"name": name, "host": host, "notAfter": end} for (name, host), end in zip(owners, found, strict=True)
            ]
        )

    def _make(self) -> None:
        keep = pulumi.ResourceOptions(parent=self, protect=True)
        self.authorities = {
            name: authority(f"{self._name}-{name}", self._algorithm, common_name, keep)
            for name, common_name in AUTHORITIES.items()
        }
        service_account = private_key(f"{self._name}-service-account", KINDS[self._algorithm], keep)
        self.service_account_key = service_account.output("privateKeyPem")
        self.service_account_public_key = service_account.output("publicKeyPem")

    def _take(self, cluster: Adopted) -> None:
        """Those of a cluster that the stack did not found."""
        self.authorities = {name: _brought(cluster.authorities[name]) for name in AUTHORITIES}
        self.service_account_key = pulumi.Output.secret(cluster.service_account_key.get_secret_value())
        self.service_account_public_key = pulumi.Output.from_input(cluster.service_account_public_key)

    def _leaf(self, row: Certificate) -> Pair:
        subject = Subject(row.common_name, row.usages, row.organization, row.dns_names, row.ip_addresses)
        signer, opts = self.authorities[row.authority], pulumi.ResourceOptions(parent=self)
        return leaf(f"{self._name}-{row.name}", self._algorithm, subject, signer, opts)


def _brought(pair: settings.Authority) -> Pair:
    return Pair(
        pulumi.Output.from_input(pair.certificate),
        pulumi.Output.secret(pair.key.get_secret_value()),
        pulumi.Output.from_input(f"{pair.not_after:%Y-%m-%dT%H:%M:%SZ}"),
    )
