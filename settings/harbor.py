"""The section ``harbor`` of a stack's configuration as the user writes it.

Owns: its keys, their kinds and defaults. Does not own: rules between keys (``settings.rules``), the certificate that
a user brings (``settings.harbor_certificate``), or what the program gets in the end (``settings.stack``).
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from settings.fields import (
    Address,
    Duration,
    Endpoint,
    EndpointPort,
    HarborUrl,
    HostPath,
    Name,
    ObjectFolder,
    Port,
    Project,
    Reason,
    StoreUrl,
    SubjectAltName,
    Word,
    refuse,
)
from settings.schema import Generations as Authorities
from settings.schema import Section
from settings.secret_keys import (
    ADMIN_PASSWORD,
    CERTIFICATE_KEY,
    CSRF_KEY,
    DATABASE_PASSWORD,
    REDIS_PASSWORD,
    SECRET_KEY,
    STORAGE_SECRET_KEY,
    TOKEN_KEY,
    setting,
)

HTTPS_PORT, POSTGRESQL_PORT, REDIS_PORT, METRICS_PORT = 443, 5432, 6379, 9090
Service = Literal[
    "core", "registry", "registryctl", "jobservice", "portal", "proxy", "log", "trivy", "exporter", "db", "redis"
]


def _of_its_own(secret: str) -> Reason:
    """The answer to a secret that somebody writes where it would hide a whole section."""
    what = "would hide all of harbor from previews, or be in plain text"
    return what, f"remove it, and set it with {setting(secret)}"


Generation = Annotated[int, Field(ge=1)]
RedisDatabase = Annotated[int, Field(ge=0, le=1023)]


class PathStorage(Section):
    """A folder of the hubs that holds the registry's blobs."""

    path: HostPath


class S3(Section):
    """A bucket of an S3-compatible object store. Without ``accessKey`` the hubs' own role is used.

    ``redirect``: clients fetch layers from the store itself, by addresses that the registry signs, and not through it.
    """

    region: Word
    bucket: Word
    endpoint: StoreUrl | None = None
    access_key: Word | None = None
    root_directory: ObjectFolder = "/"
    secure: bool = True
    redirect: bool = True

    refused: ClassVar[Mapping[str, Reason]] = {"secretKey": _of_its_own(STORAGE_SECRET_KEY)}


class Storage(Section):
    """Where images lie: exactly one of a shared mount, an object store, and a folder of the only hub."""

    shared: PathStorage | None = None
    s3: S3 | None = None
    local: PathStorage | None = None

    @model_validator(mode="after")
    def _one(self) -> "Storage":
        if sum(kind is not None for kind in (self.shared, self.s3, self.local)) != 1:
            raise refuse("is not exactly one kind of storage", "set one of shared, s3 and local")
        return self

    @property
    def path(self) -> str | None:
        """The folder on the hubs, None for an object store."""
        folder = self.shared or self.local
        return folder.path if folder else None


class Database(Section):
    """The PostgreSQL server that all hubs share."""

    host: Endpoint
    port: Port = POSTGRESQL_PORT
    name: Word = "registry"
    user: Word
    ssl_mode: Literal["disable", "require", "verify-ca", "verify-full"] = "require"

    refused: ClassVar[Mapping[str, Reason]] = {"password": _of_its_own(DATABASE_PASSWORD)}


class RedisDatabases(Section):
    """Which of the Redis server's databases each service uses."""

    core: RedisDatabase = 0
    jobservice: RedisDatabase = 1
    registry: RedisDatabase = 2
    trivy: RedisDatabase = 5


class Redis(Section):
    """The Redis server that all hubs share, or the Sentinels that know it."""

    addresses: Annotated[list[EndpointPort], Field(min_length=1)]
    sentinel_master: Word | None = None
    username: Word | None = None
    databases: RedisDatabases = RedisDatabases()

    refused: ClassVar[Mapping[str, Reason]] = {"password": _of_its_own(REDIS_PASSWORD)}


class Generations(Section):
    """How often each secret was renewed: one more, and the next ``up`` rotates it.

    ``ca`` are generations of Harbor's own authority, as the cluster's are: the first issues, all are trusted.
    """

    ca: Authorities = Field(default_factory=lambda: [1])
    token_key: Generation = 1
    certificate: Generation = 1
    registry_credential: Generation = 1
    http_secret: Generation = 1
    csrf_key: Generation = 1

    refused: ClassVar[Mapping[str, Reason]] = {
        "secretKey": (
            "cannot be renewed: it encrypts what the database holds, which nothing encrypts anew",
            "remove it; to change it, have every stored credential (LDAP, OIDC, other registries) entered again",
        ),
        "adminPassword": (
            "cannot be renewed here: once the database exists, Harbor reads the password from there only",
            "remove it; change it in Harbor's portal and set evenkeel:harborAdminPassword to the new one",
        ),
    }


class Resources(Section):
    """What one service may take of its hub: MiB of memory, and processors."""

    memory: Annotated[int, Field(ge=32)] | None = None
    cpus: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class PullSecret(Section):
    """An imagePullSecret in the cluster, of a robot that may pull from one project."""

    namespace: Name
    name: Name
    project: Project


def _each_once(secrets: list[PullSecret]) -> list[PullSecret]:
    if len({(secret.namespace, secret.name) for secret in secrets}) != len(secrets):
        raise refuse("names a secret of a namespace twice", "give each its own name")
    return secrets


class HarborSettings(Section):
    """Harbor on the hosts of role ``hub``."""

    url: HarborUrl
    address: Address | None = None
    extra_sans: list[SubjectAltName] = Field(default_factory=list)
    storage: Storage
    store: Literal["external", "bundled"] = "external"
    bundled_on: str | None = None
    database: Database | None = None
    redis: Redis | None = None
    certificate: str | None = None
    ca: str | None = None
    trusted_authorities: list[str] = Field(default_factory=list)
    generations: Generations = Generations()
    drain: Duration = "5m"
    trivy: bool = False
    exporter: bool = False
    resources: dict[Service, Resources] = Field(default_factory=dict)
    pull_secrets: Annotated[list[PullSecret], AfterValidator(_each_once)] = Field(default_factory=list)

    refused: ClassVar[Mapping[str, Reason]] = {
        "adminPassword": _of_its_own(ADMIN_PASSWORD),
        "tokenKey": _of_its_own(TOKEN_KEY),
        "secretKey": _of_its_own(SECRET_KEY),
        "csrfKey": _of_its_own(CSRF_KEY),
        "certificateKey": _of_its_own(CERTIFICATE_KEY),
    }

    @property
    def host(self) -> str:
        """The name by which clients find Harbor."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port of the URL, on load balancers and hubs alike."""
        return urlsplit(self.url).port or HTTPS_PORT

    @property
    def registry(self) -> str:
        """What stands before an image's name: the host, and the port where it is not the usual one."""
        return urlsplit(self.url).netloc

    def services(self) -> tuple[Service, ...]:
        """What this stack runs, in the order in which Harbor's own files name them."""
        services: list[Service] = ["core", "registry", "registryctl", "jobservice", "portal", "proxy", "log"]
        services += ["trivy"] if self.trivy else []
        services += ["exporter"] if self.exporter else []
        services += ["db", "redis"] if self.store == "bundled" else []
        return tuple(services)
