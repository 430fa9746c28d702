"""Harbor's log service: rsyslog that keeps what all others print, a file a service, and logrotate.

Owns the log driver of all containers too. Differs from upstream in its way in, UDP instead of TCP: Docker does not
start a container whose TCP log is not there yet, so that after a reboot of the host Harbor stayed down until somebody
came. Docker itself keeps the last lines for ``docker logs``.
"""

from render.files import File
from render.harbor import layout
from render.harbor.container import Container, HealthCheck, LogDriver, Mount, Port
from render.harbor.site import Site

PORT = 1514
INSIDE = 10514
ROTATE_COUNT = 50
ROTATE_SIZE = "200M"

# rsyslog cannot log to itself.
OWN_DRIVER = LogDriver("json-file", {"max-size": "10m", "max-file": "3"})

FOLDER = layout.of("log")
FILES = {
    "logrotate.conf": "/etc/logrotate.d/logrotate.conf",
    "rsyslog_docker.conf": "/etc/rsyslog.d/rsyslog_docker.conf",
}


def driver(tag: str) -> LogDriver:
    """How a container's lines reach the file ``<tag>.log`` below /var/lib/evenkeel/harbor/log."""
    return LogDriver(
        "syslog",
        {
            "syslog-address": f"udp://127.0.0.1:{PORT}",
            "tag": tag,
            "cache-max-size": "10m",
            "cache-max-file": "3",
        },
    )


def plain_files(site: Site) -> list[File]:
    """Both configurations; logrotate takes none that others than root and its own user could write."""
    logrotate = LOGROTATE_TEXT.format(count=ROTATE_COUNT, size=ROTATE_SIZE)
    texts = {"logrotate.conf": logrotate, "rsyslog_docker.conf": RSYSLOG_TEXT}
    return [File(f"{FOLDER}/{name}", text, owner=layout.HARBOR_USER) for name, text in texts.items()]


def container(site: Site) -> Container:
    """Its start drops root by itself, for which it needs these capabilities."""
    return Container(
        service="log",
        image="harbor-log",
        aliases=("log",),
        log=OWN_DRIVER,
        capabilities=("CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"),
        mounts=(
            Mount(f"{layout.DATA}/log", "/var/log/docker", read_only=False),
            *(Mount(f"{FOLDER}/{name}", target) for name, target in FILES.items()),
        ),
        ports=(Port(PORT, INSIDE, "127.0.0.1", "udp"),),
        health=HealthCheck(("CMD-SHELL", f"netstat -ltun | grep {INSIDE}")),
        files=tuple(f"{FOLDER}/{name}" for name in FILES),
    )


LOGROTATE_TEXT = """\
/var/log/docker/*.log {{
        rotate {count}
        size {size}
        copytruncate
        compress
        missingok
        nodateext
}}
"""

RSYSLOG_TEXT = """\
# Rsyslog configuration file for docker.

template(name="DynaFile" type="string" string="/var/log/docker/%programname%.log")

if $programname != "rsyslogd" then {
\taction(type="omfile" dynaFile="DynaFile")
}
"""
