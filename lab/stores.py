"""The servers that keep Harbor's data: PostgreSQL and Redis, as a user would have them ready before the first ``up``.

Owns: the two servers with their database, account and passwords, and emptying them and the hubs' storage for a test.
Does not own: what Harbor keeps there. ``Pulumi.dev.yaml`` holds the same passwords, encrypted.
"""

from lab import hosts

POSTGRESQL, REDIS = "postgres", "redis"
DATABASE, ACCOUNT = "registry", "harbor"
SENTINEL_MASTER = "harbor"
# As for the passphrase of the lab's state: whoever reads them here is on the machine where they guard nothing.
DATABASE_PASSWORD = "evenkeel-lab-postgresql"
REDIS_PASSWORD = "evenkeel-lab-redis"
ADMIN_PASSWORD = "Evenkeel-Lab-12345"
SECRETS = {
    "harborAdminPassword": ADMIN_PASSWORD,
    "harborDatabasePassword": DATABASE_PASSWORD,
    "harborRedisPassword": REDIS_PASSWORD,
}

SCRIPTS = "/usr/local/lib/lab"
SQL_SHELL = ["runuser", "-u", "postgres", "--", "psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
DROP = f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE);\n"
FLUSH = f"AUTH {REDIS_PASSWORD}\nFLUSHALL\n"


def ensure() -> None:
    """Sets the servers up, or finds them so."""
    account = f"{DATABASE} {ACCOUNT} {DATABASE_PASSWORD} {hosts.SUBNET}\n"
    hosts.run(POSTGRESQL, [f"{SCRIPTS}/postgresql-store"], stdin=account, check=True)
    hosts.run(REDIS, [f"{SCRIPTS}/redis-store"], stdin=f"{REDIS_PASSWORD} {SENTINEL_MASTER}\n", check=True)


def reset(hub: str) -> None:
    """Empties database, Redis and the storage that ``hub`` shares, as before the first ``up``; no Harbor may run."""
    hosts.run(POSTGRESQL, SQL_SHELL, stdin=DROP, check=True)
    answer = hosts.run(REDIS, ["redis-cli"], stdin=FLUSH, check=True).stdout
    assert answer.split() == ["OK", "OK"], answer
    hosts.run(hub, ["find", hosts.STORAGE, "-mindepth", "1", "-delete"], check=True)
    ensure()
