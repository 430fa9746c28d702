"""The URLs by which Harbor's services find their databases in Redis, in the form that Harbor's own ``prepare`` makes.

redis://user:password@host:6379/1?idle_timeout_seconds=30
redis+sentinel://user:password@host1:26379,host2:26379/master/1?idle_timeout_seconds=30
"""

from collections.abc import Mapping
from urllib.parse import quote

from render.harbor.container import Secret
from render.harbor.secrets import HarborSecrets
from render.harbor.site import Site

IDLE_SECONDS = 30


def url(site: Site, database: int, password: str = "") -> str:
    """The URL of one database; database 0 goes without saying."""
    redis = site.harbor.redis
    scheme = "redis+sentinel" if redis.sentinel_master else "redis"
    user = quote(redis.username or "", safe="")
    login = f"{user}:{quote(password, safe='')}@" if password else ""
    master = f"/{redis.sentinel_master}" if redis.sentinel_master else ""
    index = f"/{database}" if database else ""
    addresses = ",".join(site.redis_addresses)
    return f"{scheme}://{login}{addresses}{master}{index}?idle_timeout_seconds={IDLE_SECONDS}"


def plain_env(site: Site, databases: Mapping[str, int]) -> dict[str, str]:
    """One variable a database, where Redis has no password: a preview then shows where it is."""
    return {} if site.redis_password else {name: url(site, number) for name, number in databases.items()}


def secret_env(site: Site, databases: Mapping[str, int]) -> dict[str, Secret]:
    """One variable a database, where Redis has a password."""
    return {name: _with_password(site, number) for name, number in databases.items()} if site.redis_password else {}


def _with_password(site: Site, database: int) -> Secret:
    def value(secrets: HarborSecrets) -> str:
        return url(site, database, secrets.redis_password)

    return value
