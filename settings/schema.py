"""The sections of a stack's configuration as the user writes them; ``harbor`` has a module of its own.

Owns: which keys there are, their kinds and defaults. Does not own: rules between keys (``settings.rules``), or what the
program gets in the end (``settings.stack``).
"""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from settings.fields import (
    Address,
    Cidr,
    Duration,
    Endpoint,
    ExtraArgs,
    HttpUrl,
    Interface,
    Name,
    Port,
    Reason,
    SubjectAltName,
    Tree,
    User,
    WholeSeconds,
    refuse,
)

Role = Literal["master", "worker", "lb", "hub"]

_SERVICE_DNS = 10
MOST_GENERATIONS = 2  # a renewal at a time


def _once(roles: list[Role]) -> list[Role]:
    if len(set(roles)) != len(roles):
        raise refuse("names a role twice", "name each role once")
    return roles


class Section(BaseModel):
    """What all sections share: keys in camelCase, none that is unknown, no change after loading.

    ``refused`` are keys that a user may well try and that cannot be there: why, and the way to go instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel)
    refused: ClassVar[Mapping[str, Reason]] = {}


def _each_once(generations: list[int]) -> list[int]:
    if len(set(generations)) != len(generations):
        raise refuse("names a generation twice", "name each generation once")
    return generations


Generations = Annotated[
    list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=MOST_GENERATIONS), AfterValidator(_each_once)
]


class PkiGenerations(Section):
    """Generations of each authority and of the service accounts' key: the first issues, all are trusted.

    A new one is trusted before it issues, and issues before the old one is dropped, each in an ``up`` of its own.
    """

    ca: Generations = [1]
    front_proxy_ca: Generations = [1]
    etcd_ca: Generations = [1]
    service_account: Generations = [1]

    @property
    def renews_ca(self) -> bool:
        """Whether two generations of the cluster's authority are trusted at the moment."""
        return len(self.ca) > 1

    def of(self, what: str) -> list[int]:
        """Those of an authority as ``render.certificates`` names it, or of ``service-account``."""
        found: list[int] = getattr(self, what.replace("-", "_"))
        return found


class Pki(Section):
    """How keys are made, and which of them are in force."""

    algorithm: Literal["ECDSA", "RSA"] = "ECDSA"
    generations: PkiGenerations = PkiGenerations()


class Component(Section):
    """A control-plane program's own flags, beside those that Evenkeel sets."""

    extra_args: ExtraArgs = {}


class ApiServer(Component):
    """kube-apiserver: flags, and names or addresses that its certificates cover beside the usual ones."""

    extra_sans: list[SubjectAltName] = []


class Configured(Section):
    """A program that is tuned by the fields of its own configuration file."""

    config: Tree = {}


class Cluster(Section):
    """What is true of the cluster as a whole."""

    name: Name
    environment: Literal["development", "staging", "production"]
    domain: Name = "cluster.local"
    pod_cidr: Cidr
    service_cidr: Cidr
    cni: Literal["flannel", "none"] = "flannel"
    pki: Pki = Pki()
    api_server: ApiServer = ApiServer()
    controller_manager: Component = Component()
    scheduler: Component = Component()
    etcd: Component = Component()
    kubelet: Configured = Configured()
    kube_proxy: Configured = Configured()
    containerd: Configured = Configured()

    @property
    def service_address(self) -> str:
        """The address of Service ``kubernetes``: the first of the service CIDR."""
        return str(ipaddress.IPv4Network(self.service_cidr)[1])

    @property
    def dns_address(self) -> str:
        """The address of Service ``kube-dns``: the tenth of the service CIDR."""
        return str(ipaddress.IPv4Network(self.service_cidr)[_SERVICE_DNS])


class BastionSettings(Section):
    """A host through which others are reached."""

    host: Endpoint
    port: Port = 22
    user: User | None = None


class HostSshSettings(Section):
    """What differs for one host from the stack's ``ssh``."""

    host: Endpoint | None = None
    user: User | None = None
    port: Port | None = None
    bastion: BastionSettings | None = None


class HostSettings(Section):
    """One host: its address on the cluster's network, and what it is there for."""

    address: Address
    roles: Annotated[list[Role], Field(min_length=1), AfterValidator(_once)]
    ssh: HostSshSettings = HostSshSettings()
    kubelet: Configured = Configured()


class SshSettings(Section):
    """How hosts are reached, and which keys they must show."""

    user: User = "root"
    port: Port = 22
    known_hosts: str
    private_key_file: str | None = None
    agent: bool = False
    bastion: BastionSettings | None = None


class Vip(Section):
    """An address that keepalived keeps on one of the load balancers."""

    address: Address
    interface: Interface
    router_id: Annotated[int, Field(ge=1, le=255)] = 51


class LoadBalancer(Section):
    """The address that clients use for the API, and how the hosts of role ``lb`` serve it."""

    address: Address
    port: Port = 6443
    extra_sans: list[SubjectAltName] = []
    vip: Vip | None = None
    proxy_timeout: Duration = "10m"
    connect_timeout: Duration = "500ms"  # a client with a second to spare is answered by the next upstream meanwhile
    max_fails: Annotated[int, Field(ge=1, le=100)] = 1
    fail_timeout: WholeSeconds = "5s"
    weights: dict[str, Annotated[int, Field(ge=1, le=256)]] = {}
    status_port: Port = 8404


class MirrorSettings(Section):
    """Where artifacts and images are fetched from in place of their publishers."""

    artifacts: HttpUrl
    images: HttpUrl


class AuthoritiesSettings(Section):
    """The certificates of an existing cluster's authorities, as PEM; their keys are secrets."""

    ca: str
    front_proxy_ca: str
    etcd_ca: str


class AdoptedSettings(Section):
    """A kubeadm cluster that the stack did not found, as `python -m ops adopt` found it.

    ``masters`` hold its data; ``keeps`` are add-ons that stay somebody else's.
    """

    masters: Annotated[list[Name], Field(min_length=1)]
    keeps: list[Literal["coredns", "kube-proxy"]] = []
    authorities: AuthoritiesSettings


class ReleaseSettings(Section):
    """Which release runs."""

    name: str
    lock: str | None = None
    mirror: MirrorSettings | None = None
