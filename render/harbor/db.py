"""The bundled PostgreSQL, on the one hub that the stack names. For evaluation: when that hub is lost, Harbor is.

Its password is a file, so that ``docker inspect`` does not show it. It counts when the database is made; afterwards it
changes only there. Harbor 2.14's image brings PostgreSQL 15, that of 2.15 PostgreSQL 18: it moves the data at its first
start and deletes those of the old version.
"""

from render.files import File
from render.harbor import layout, log
from render.harbor.container import Container, HealthCheck, Mount, Port
from render.harbor.secrets import HarborSecrets
from render.harbor.site import Site

PASSWORD = f"{layout.of('db')}/password"
PORT = 5432
SHARED_MEMORY = 1024


def secret_files(site: Site, secrets: HarborSecrets) -> list[File]:
    """The password of the user ``postgres``, without a newline."""
    return [File(PASSWORD, secrets.database_password, mode="0600", owner=layout.STORE_USER)]


def container(site: Site) -> Container:
    """The other hubs reach it at the hub's own address."""
    return Container(
        service="db",
        image="harbor-db",
        aliases=("postgresql",),
        log=log.driver("postgresql"),
        user=layout.STORE_USER,
        env={"POSTGRES_PASSWORD_FILE": "/etc/postgresql/password"},
        mounts=(
            Mount(layout.of("db"), "/etc/postgresql"),
            Mount(f"{layout.DATA}/database", "/var/lib/postgresql/data", read_only=False),
        ),
        ports=(Port(PORT, PORT, site.hub.address),) if site.hubs > 1 else (),
        capabilities=("CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"),
        health=HealthCheck(("CMD", "/docker-healthcheck.sh")),
        shared_memory=SHARED_MEMORY,
        files=(PASSWORD,),
    )
