"""A container on a hub: everything that Docker is told about it, as plain values.

Owns the form only. What each service's container is like is in the module of that service; how it gets to the hub is
not here at all (``components.harbor_node``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from render.harbor.secrets import HarborSecrets
from settings import Service

NETWORK = "harbor"

# Where a variable's value comes from, when it may not be written down before the secrets are known.
Secret = Callable[[HarborSecrets], str]


@dataclass(frozen=True)
class Mount:
    """A file or folder of the hub inside the container. Docker is to refuse a source that isn't there, not to make it:
    an empty folder in place of a mount that is missing would swallow images."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class Port:
    """A port of the container on the hub: on ``address``, or on all of the hub's addresses."""

    external: int
    internal: int
    address: str = "0.0.0.0"
    protocol: str = "tcp"


@dataclass(frozen=True)
class HealthCheck:
    """How Docker asks the container whether it is well: in the words of its image's Dockerfile, and as often.

    Nothing here waits for the answer, and each question starts a process in the container. How long that one may take,
    and how long the container may take to start, are our own.
    """

    test: tuple[str, ...]
    interval: str = "30s"
    timeout: str = "10s"
    start_period: str = "1m0s"
    retries: int = 3


@dataclass(frozen=True)
class LogDriver:
    """Where Docker sends what the container prints."""

    name: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class Container:
    """One service on one hub.

    ``image`` names an image of the release; ``memory`` and ``shared_memory`` are MiB. ``after`` are services of the
    same hub that must run before this one starts. ``secret_env`` reaches it in a file, which is read before
    ``program``, its image's own entry point, is run (``render.harbor.environment``). ``files`` are the paths on the hub
    that it reads at its start only, so that a change of one must replace it; what it reads at each request is not among
    them. No ``health`` means that the image has none.
    """

    service: Service
    image: str
    aliases: tuple[str, ...]
    log: LogDriver
    user: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secret_env: Mapping[str, Secret] = field(default_factory=dict)
    program: str | None = None
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    capabilities: tuple[str, ...] = ()
    health: HealthCheck | None = None
    memory: int | None = None
    cpus: float | None = None
    shared_memory: int | None = None
    after: tuple[Service, ...] = ()
    files: tuple[str, ...] = ()
    restart: str = "always"

    @property
    def name(self) -> str:
        """What the container is called on its hub."""
        return f"harbor-{self.service}"

    def secret_values(self, secrets: HarborSecrets) -> dict[str, str]:
        """The values of ``secret_env``."""
        return {name: value(secrets) for name, value in self.secret_env.items()}


def ask(url: str, *options: str) -> HealthCheck:
    """Well is what answers this URL, asked from inside the container. No shell: an image need not have one."""
    return HealthCheck(("CMD", "curl", "--fail", "--silent", "--output", "/dev/null", *options, url))
