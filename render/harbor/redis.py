"""The bundled Redis (Valkey since Harbor 2.15), on the one hub that the stack names. For evaluation, as ``db``.

Has a password, unlike upstream's: the other hubs reach it over the network. Its configuration is upstream's, but for
what is the server's default anyway.
"""

from render.files import File
from render.harbor import layout, log
from render.harbor.container import Container, HealthCheck, Mount, Port
from render.harbor.secrets import HarborSecrets
from render.harbor.site import Site

CONFIG = f"{layout.of('redis')}/redis.conf"
PORT = 6379
VALKEY_FROM = (2, 15)


def secret_files(site: Site, secrets: HarborSecrets) -> list[File]:
    """Its configuration, with the password."""
    password = secrets.redis_password.replace("\\", "\\\\").replace('"', '\\"')
    text = REDIS_CONF.format(port=PORT, password=password)
    return [File(CONFIG, text, mode="0600", owner=layout.STORE_USER)]


def container(site: Site) -> Container:
    """Well is what answers a ping, be it that it wants a password."""
    client = "valkey-cli" if site.version >= VALKEY_FROM else "redis-cli"
    return Container(
        service="redis",
        image="harbor-redis",
        aliases=("redis",),
        log=log.driver("redis"),
        user=layout.STORE_USER,
        mounts=(
            Mount(CONFIG, "/etc/redis.conf"),
            Mount(f"{layout.DATA}/redis", "/var/lib/redis", read_only=False),
        ),
        ports=(Port(PORT, PORT, site.hub.address),) if site.hubs > 1 else (),
        capabilities=("CHOWN", "SETGID", "SETUID"),
        health=HealthCheck(("CMD-SHELL", f"{client} -h 127.0.0.1 ping 2>&1 | grep -E 'PONG|NOAUTH'")),
        files=(CONFIG,),
    )


REDIS_CONF = """\
protected-mode no
port {port}
requirepass "{password}"
tcp-keepalive 300
daemonize no
loglevel notice
logfile ""
databases 16
save 900 1
save 300 10
save 60 10000
dbfilename dump.rdb
dir /var/lib/redis
appendonly no
"""
