"""What another Harbor than dev's keeps its data in: a database, a Redis and a folder of its own.

Owns making, emptying and removing these, and the settings that name them. Does not own hubs, nor a stack.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab import hosts, stores
from tests.lab.program import DEV

REDIS_PORT = 6380
REDIS = (
    "umask 077; cat >/run/{name}.conf; systemctl reset-failed {name} 2>/dev/null;"
    " systemd-run --quiet --unit={name} redis-server /run/{name}.conf"
)
REDIS_CONF = f'bind 0.0.0.0\nport {REDIS_PORT}\nrequirepass {stores.REDIS_PASSWORD}\nsave ""\n'


@contextmanager
def stores_for(name: str) -> Iterator[dict[str, Any]]:
    """The sections of settings for a Harbor at hub.NAME.lab, whose stores are there and empty."""
    _database(name, make=True)
    hosts.run(stores.REDIS, REDIS.format(name=name), stdin=REDIS_CONF, check=True)
    hosts.run("hub1", ["mkdir", "-p", folder(name)], check=True)
    try:
        yield _settings(name)
    finally:
        hosts.run("hub1", ["rm", "-rf", folder(name)], check=True)
        hosts.run(stores.REDIS, ["systemctl", "stop", name], check=True)
        _database(name, make=False)


def empty(name: str) -> None:
    """As before its Harbor's first ``up``; none may run."""
    _database(name, make=True)
    flush = f"AUTH {stores.REDIS_PASSWORD}\nFLUSHALL\n"
    hosts.run(stores.REDIS, ["redis-cli", "-p", str(REDIS_PORT)], stdin=flush, check=True)
    hosts.run("hub1", f"find {folder(name)}/registry -mindepth 1 -delete", check=True)


def folder(name: str) -> str:
    """On the storage that all hubs of the lab share."""
    return f"{hosts.STORAGE}/{name}"


def _settings(name: str) -> dict[str, Any]:
    settings = DEV.settings()
    harbor = settings["harbor"] | {
        "url": f"https://hub.{name}.lab",
        "storage": {"shared": {"path": folder(name)}},
        "database": settings["harbor"]["database"] | {"name": name},
        "redis": {"addresses": [f"{hosts.ADDRESSES[stores.REDIS]}:{REDIS_PORT}"]},
        "pullSecrets": [],
    }
    return {"harbor": harbor, **{secret: settings[secret] for secret in stores.SECRETS}}


def _database(name: str, make: bool) -> None:
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE);\n"
    create = f"CREATE DATABASE {name} OWNER {stores.ACCOUNT};\n" if make else ""
    hosts.run(stores.POSTGRESQL, stores.SQL_SHELL, stdin=drop + create, check=True)
