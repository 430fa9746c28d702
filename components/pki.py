"""Keys and certificates of a cluster: which there are.

Does not own what a certificate says (``render.certificates``), how one is made (``components.certificates``), nor where
its files go (the components of the hosts that hold it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pulumi

import settings
from components.certificates import KINDS, Pair, Subject, authority, leaf, private_key
from render.certificates import AUTHORITIES, Authority, Certificate, table
from render.generations import SERVICE_ACCOUNT, bundle, named
from settings import Stack


@dataclass(frozen=True)
class ClusterPkiArgs:
    """``stack``: whose table of certificates is made."""

    stack: Stack


@dataclass(frozen=True)
class _KeyPair:
    """Both PEM; the private key is a secret."""

    private: pulumi.Output[str]
    public: pulumi.Output[str]


class ClusterPki(pulumi.ComponentResource):
    """Three authorities, the pair that signs service-account tokens, and every leaf of the table.

    ``authorities`` are those that issue; ``trusted`` are bundles (PEM) of all that are trusted, for whoever verifies.
    """

    def __init__(self, name: str, args: ClusterPkiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:ClusterPki", name, None, opts)
        self._name, self._pki, self._adopted = name, args.stack.cluster.pki, args.stack.adopted
        every = {what: [self._authority(what, one) for one in self._pki.generations.of(what)] for what in AUTHORITIES}
        self._every_authority = [pair for pairs in every.values() for pair in pairs]
        self.authorities: dict[Authority, Pair] = {what: pairs[0] for what, pairs in every.items()}
        self.trusted: dict[Authority, pulumi.Output[str]] = {
            what: self._bundle(what, [pair.certificate for pair in pairs]) for what, pairs in every.items()
        }
        accounts = [self._account(one) for one in self._pki.generations.service_account]
        self.service_account_key = accounts[0].private
        self.service_account_public_keys = self._bundle(SERVICE_ACCOUNT, [pair.public for pair in accounts])
        self.table = table(args.stack)
        self.subjects = {row.name: row.common_name for row in self.table}
        self.leaves: dict[str, Pair] = {row.name: self._leaf(row) for row in self.table}
        self.register_outputs({"certificates": self.summary()})

    def summary(self) -> pulumi.Output[list[dict[str, str | None]]]:
        """Every certificate with its host and end: what an operator looks through for the next one that expires."""
        owners: list[tuple[str, str | None]] = [(row.name, row.host) for row in self.table]
        owners += [(named(what, one), None) for what in AUTHORITIES for one in self._pki.generations.of(what)]
        ends = [pair.not_after for pair in (*self.leaves.values(), *self._every_authority)]
        return pulumi.Output.all(*ends).apply(
            lambda found: [
                {"name": name, "host": host, "notAfter": end} for (name, host), end in zip(owners, found, strict=True)
            ]
        )

    def _authority(self, what: Authority, generation: int) -> Pair:
        """A cluster that was adopted has brought the first."""
        if self._adopted and generation == 1:
            return _brought(self._adopted.authorities[what])
        name, common_name = named(what, generation), named(AUTHORITIES[what], generation)
        return authority(f"{self._name}-{name}", self._pki.algorithm, common_name, self._kept(what, generation))

    def _account(self, generation: int) -> _KeyPair:
        """The service accounts' pair, which an adopted cluster has brought too."""
        if self._adopted and self._adopted.service_account and generation == 1:
            pair = self._adopted.service_account
            private = pulumi.Output.secret(pair.private.get_secret_value())
            return _KeyPair(private, pulumi.Output.from_input(pair.public))
        name, opts = named(SERVICE_ACCOUNT, generation), self._kept(SERVICE_ACCOUNT, generation)
        made = private_key(f"{self._name}-{name}", KINDS[self._pki.algorithm], opts)
        return _KeyPair(made.output("privateKeyPem"), made.output("publicKeyPem"))

    def _kept(self, what: str, generation: int) -> pulumi.ResourceOptions:
        """What issues is protected. What is only trusted has not issued yet, or is about to be dropped."""
        return pulumi.ResourceOptions(parent=self, protect=generation == self._pki.generations.of(what)[0])

    def _bundle(self, what: str, pems: Sequence[pulumi.Output[str]]) -> pulumi.Output[str]:
        return pulumi.Output.all(*pems).apply(partial(bundle, self._pki.generations.of(what)))

    def _leaf(self, row: Certificate) -> Pair:
        subject = Subject(row.common_name, row.usages, row.organization, row.dns_names, row.ip_addresses)
        signer, opts = self.authorities[row.authority], pulumi.ResourceOptions(parent=self)
        return leaf(f"{self._name}-{row.name}", self._pki.algorithm, subject, signer, opts)


def _brought(pair: settings.Authority) -> Pair:
    return Pair(
        pulumi.Output.from_input(pair.certificate),
        pulumi.Output.secret(pair.key.get_secret_value()),
        pulumi.Output.from_input(f"{pair.not_after:%Y-%m-%dT%H:%M:%SZ}"),
    )
