"""What the program gets: a stack whose every value is resolved, checked and typed.

Owns: the types that components read. Does not own: how they came to be (``settings.loader``).
"""

from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from releases import Release
from settings.fields import Tree
from settings.harbor import Database, HarborSettings, Redis
from settings.schema import Cluster, LoadBalancer, Role


@dataclass(frozen=True)
class Bastion:
    """A host through which another is reached, with the key that it must show."""

    host: str
    port: int
    user: str
    host_key: str
    private_key: SecretStr


@dataclass(frozen=True)
class Ssh:
    """How one host is reached, with the key that it must show.

    ``private_key_file`` is the private key's file as configured, None where the key itself is. Both are empty where an
    SSH agent has the key.
    """

    host: str
    port: int
    user: str
    host_key: str
    private_key: SecretStr
    bastion: Bastion | None
    private_key_file: str | None = None

    @property
    def by_agent(self) -> bool:
        """Whether the key is an SSH agent's to choose and to use."""
        return not self.private_key.get_secret_value()


@dataclass(frozen=True)
class Host:
    """One host; ``kubelet_config`` is the cluster's, with the host's own values laid over it."""

    name: str
    address: str
    roles: tuple[Role, ...]
    ssh: Ssh
    kubelet_config: Tree


@dataclass(frozen=True)
class ServerCertificate:
    """The user's own certificate for Harbor's URL, leaf first, and the authority that vouches for it, as PEM.

    Of several certificates in one text the end is that of the one that ends first.
    """

    chain: str
    ca: str
    not_after: datetime
    ca_not_after: datetime


@dataclass(frozen=True)
class GivenSecrets:
    """What the user gives for Harbor. What is None is made by the stack, or not needed."""

    admin_password: SecretStr | None = None
    database_password: SecretStr | None = None
    redis_password: SecretStr | None = None
    storage_secret_key: SecretStr | None = None
    token_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    csrf_key: SecretStr | None = None
    certificate_key: SecretStr | None = None


@dataclass(frozen=True)
class Authority:
    """An authority that the stack did not make: PEM both; ``fingerprint`` is SHA-256, as openssl writes it."""

    certificate: str
    key: SecretStr
    not_after: datetime
    fingerprint: str


@dataclass(frozen=True)
class ServiceAccountPair:
    """What the cluster's tokens were signed with before the stack: PEM both."""

    private: SecretStr
    public: str


@dataclass(frozen=True)
class Adopted:
    """A cluster that the stack did not found: what it brings along.

    ``masters`` held its data when it was adopted, and ``keeps`` names the add-ons that are somebody else's. Authorities
    and the pair are there as long as they are among those that are trusted.
    """

    masters: tuple[str, ...]
    keeps: tuple[str, ...]
    authorities: dict[str, Authority]
    service_account: ServiceAccountPair | None


class Harbor(HarborSettings):
    """Harbor as the user describes it, with what follows from the rest of the stack.

    ``database`` and ``redis`` are the bundled ones where the store is bundled. ``authorities`` is the text of the files
    in ``trusted_authorities``: certificates as PEM.
    """

    address: str
    database: Database
    redis: Redis
    server_certificate: ServerCertificate | None = None
    authorities: str = ""


@dataclass(frozen=True)
class Stack:
    """One environment, whole: what ``__main__.py`` describes and components are made from."""

    cluster: Cluster
    hosts: dict[str, Host]
    load_balancer: LoadBalancer
    release: Release
    harbor: Harbor | None = None
    harbor_secrets: GivenSecrets = GivenSecrets()
    adopted: Adopted | None = None
    repair: str = ""
    warnings: tuple[str, ...] = ()

    def masters(self) -> dict[str, Host]:
        """The hosts of role ``master``, in the order in which they are configured."""
        return self._with("master")

    def workers(self) -> dict[str, Host]:
        """The hosts of role ``worker``."""
        return self._with("worker")

    def load_balancers(self) -> dict[str, Host]:
        """The hosts of role ``lb``."""
        return self._with("lb")

    def hubs(self) -> dict[str, Host]:
        """The hosts of role ``hub``."""
        return self._with("hub")

    def nodes(self) -> dict[str, Host]:
        """The hosts that run a kubelet: masters and workers."""
        return {name: host for name, host in self.hosts.items() if {"master", "worker"} & set(host.roles)}

    def _with(self, role: Role) -> dict[str, Host]:
        return {name: host for name, host in self.hosts.items() if role in host.roles}
