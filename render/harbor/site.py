"""One hub of a stack, as the services on it see their surroundings.

Owns what follows from which hub it is: where the stores are, and what runs here. Does not own any service.
"""

from dataclasses import dataclass

from settings import Harbor, Host, Service, Stack

# To the bundled PostgreSQL, which takes 1,024, of all hubs together.
IDLE_CONNECTIONS, OPEN_CONNECTIONS = 100, 900


@dataclass(frozen=True)
class Site:
    """``version`` is Harbor's, up to the minor; ``hubs`` is how many there are."""

    harbor: Harbor
    hub: Host
    hubs: int
    version: tuple[int, int]
    redis_password: bool

    @classmethod
    def of(cls, stack: Stack, hub: Host) -> "Site":
        """The stack's Harbor on this hub."""
        if stack.harbor is None:
            raise ValueError(f"{hub.name}: the stack has no Harbor; a hub is rendered only where there is one")
        major, minor = stack.release.versions.harbor.split(".")[:2]
        given = stack.harbor_secrets.redis_password is not None
        bundled = stack.harbor.store == "bundled"
        return cls(stack.harbor, hub, len(stack.hubs()), (int(major), int(minor)), given or bundled)

    @property
    def runs_stores(self) -> bool:
        """Whether the bundled PostgreSQL and Redis run here."""
        return self.harbor.store == "bundled" and self.harbor.bundled_on == self.hub.name

    @property
    def services(self) -> tuple[Service, ...]:
        """What runs on this hub."""
        here = self.harbor.services()
        return here if self.runs_stores else tuple(service for service in here if service not in ("db", "redis"))

    @property
    def database_host(self) -> str:
        """Where PostgreSQL is; on its own hub by its name, which no firewall of the host stands before."""
        return "postgresql" if self.runs_stores else self.harbor.database.host

    @property
    def idle_connections(self) -> int:
        """How many connections to PostgreSQL one service keeps; 2 is upstream's value for a server of the user's."""
        return IDLE_CONNECTIONS // self.hubs if self.harbor.store == "bundled" else 2

    @property
    def open_connections(self) -> int:
        """How many connections to PostgreSQL one service opens at most; 0 sets no limit."""
        return OPEN_CONNECTIONS // self.hubs if self.harbor.store == "bundled" else 0

    @property
    def redis_addresses(self) -> tuple[str, ...]:
        """Where Redis is, or the Sentinels that know it."""
        return ("redis:6379",) if self.runs_stores else tuple(self.harbor.redis.addresses)
