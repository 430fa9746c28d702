"""Keys and certificates of a cluster: which there are.

Does not own what a certificate says (``render.certificates``), how one is made (``components.certificates``), nor where
its files go (the components of the hosts that hold it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pulumi

from components.certificates import KINDS, Listed, Pair, Subject, authority, brought, leaf, private_key, summary
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

    ``authorities`` are those that issue; ``trusted`` are bundles (PEM) of all that are trusted, for whoever verifies;
    ``listed`` are all certificates, with their ends.
    """

    def __init__(self, name: str, args: ClusterPkiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:ClusterPki", name, None, opts)
        self._name, self._pki, self._adopted = name, args.stack.cluster.pki, args.stack.adopted
        every = {what: [self._authority(what, one) for one in self._pki.generations.of(what)] for what in AUTHORITIES}
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
        self.listed = [Listed(row.name, row.host, self.leaves[row.name].not_after) for row in self.table]
        for what, pairs in every.items():
            generations = self._pki.generations.of(what)
            self.listed += [
                Listed(named(what, one), None, pair.not_after) for one, pair in zip(generations, pairs, strict=True)
            ]
        self.register_outputs({"certificates": summary(self.listed)})

    def _authority(self, what: Authority, generation: int) -> Pair:
        """A cluster that was adopted has brought the first."""
        if self._adopted and generation == 1:
            pair = self._adopted.authorities[what]
            return brought(pair.certificate, pair.key, pair.not_after)
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
