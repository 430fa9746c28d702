"""An nginx stream load balancer on one host: which files it consists of.

Owns nginx.conf, the table that scripts/upstream-check.sh works from, and the units around both. Does not own the lists
of upstreams themselves: the check writes those on the host, because only there is it known who is ready. Does not own
the virtual address either (``render.keepalived``).
"""

import re
from dataclasses import dataclass
from typing import Literal

from render.files import File
from render.harbor import READY
from render.scripts import SCRIPTS
from render.static_pods import API_PORT
from settings import Host, Stack

API_SERVICE = "apiserver"
HUB_SERVICE = "harbor"
STATE = "/var/lib/evenkeel/lb"
RUN = "/run/evenkeel-lb"
LIBRARY = "/usr/local/lib/evenkeel/lb"
TABLE = f"{STATE}/upstreams"
NGINX_CONF = "/etc/nginx/nginx.conf"
CHECK_UNIT = "evenkeel-upstreams.service"


# A proxied connection takes two of nginx's connections, and each of those a file.
WORKER_CONNECTIONS = 8192
WORKER_FILES = 2 * WORKER_CONNECTIONS

_WORD = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_PATH = re.compile(r"/[-A-Za-z0-9._~/]*")


def _expect(pattern: re.Pattern[str], what: str, value: str) -> None:
    if not pattern.fullmatch(value):
        raise ValueError(
            f"{what} {value!r}: does not match {pattern.pattern}; it becomes part of nginx's configuration"
        )


@dataclass(frozen=True)
class Upstream:
    """One server behind a service."""

    name: str
    address: str
    port: int
    weight: int = 1

    def __post_init__(self) -> None:
        _expect(_WORD, "upstream", self.name)


@dataclass(frozen=True)
class HttpCheck:
    """How an upstream is asked whether it is ready: only HTTP 200 within ``seconds`` says yes.

    With https its certificate is verified against the file ``ca_path(name)``, which the caller lays there. It must
    cover ``name`` where there is one, and else the upstream's address: a user's own certificate may know no addresses.
    """

    path: str = "/readyz"
    scheme: Literal["http", "https"] = "https"
    seconds: float = 1.0
    name: str | None = None

    def __post_init__(self) -> None:
        _expect(_PATH, "check path", self.path)
        if self.name is not None:
            _expect(_WORD, "checked name", self.name)


@dataclass(frozen=True)
class Service:
    """One port of the load balancer and what is behind it. ``affinity`` keeps a client with one upstream."""

    name: str
    listen: int
    upstreams: tuple[Upstream, ...]
    check: HttpCheck = HttpCheck()
    connect_timeout: str = "500ms"
    proxy_timeout: str = "10m"
    max_fails: int = 1
    fail_timeout: str = "5s"
    affinity: bool = False

    def __post_init__(self) -> None:
        _expect(_WORD, "service", self.name)
        if not self.upstreams:
            raise ValueError(f"service {self.name}: has no upstream; a load balancer needs at least one")


@dataclass(frozen=True)
class Balancer:
    """One load balancer host. ``readers`` are the addresses that may read its status page."""

    address: str
    status_port: int
    readers: tuple[str, ...]
    services: tuple[Service, ...]

    def __post_init__(self) -> None:
        ports = [service.listen for service in self.services] + [self.status_port]
        if len(set(ports)) != len(ports):
            raise ValueError(f"load balancer {self.address}: two of the ports {ports} are the same; give each its own")
        if len({service.name for service in self.services}) != len(self.services):
            raise ValueError(f"load balancer {self.address}: two services have the same name; give each its own")

    @property
    def status(self) -> str:
        """Where the status page is: ``/upstreams/<service>`` lists each upstream as nginx runs with it."""
        return f"{self.address}:{self.status_port}"


def api_service(stack: Stack) -> Service:
    """The Kubernetes API of all masters, as the stack's ``loadBalancer`` wants it balanced."""
    settings = stack.load_balancer
    return Service(
        name=API_SERVICE,
        listen=settings.port,
        upstreams=tuple(
            Upstream(name, master.address, API_PORT, settings.weights.get(name, 1))
            for name, master in stack.masters().items()
        ),
        connect_timeout=settings.connect_timeout,
        proxy_timeout=settings.proxy_timeout,
        max_fails=settings.max_fails,
        fail_timeout=settings.fail_timeout,
    )


def hub_services(stack: Stack) -> tuple[Service, ...]:
    """Harbor on all hubs, where the stack has any.

    A client stays with one hub as long as that is up: during a rotation a token is then used where it was made.
    """
    harbor, settings = stack.harbor, stack.load_balancer
    if harbor is None:
        return ()
    hubs = tuple(Upstream(name, hub.address, harbor.port) for name, hub in stack.hubs().items())
    return (
        Service(
            name=HUB_SERVICE,
            listen=harbor.port,
            upstreams=hubs,
            check=HttpCheck(READY, name=harbor.host),
            connect_timeout=settings.connect_timeout,
            proxy_timeout=settings.proxy_timeout,
            max_fails=settings.max_fails,
            fail_timeout=settings.fail_timeout,
            affinity=True,
        ),
    )


def balancer(stack: Stack, host: Host) -> Balancer:
    """What ``host`` balances. All hosts of the stack may ask it who is up."""
    readers = tuple(other.address for other in stack.hosts.values())
    services = (api_service(stack), *hub_services(stack))
    return Balancer(host.address, stack.load_balancer.status_port, readers, services)


def files(balancer: Balancer) -> list[File]:
    """The plain files of the part ``lb``; nginx.conf is last, so that what it includes is there before it.

    The check's program is one of them, beside the copy that comes with all scripts: what runs here changes only in the
    host's turn.
    """
    return [
        _script("upstream-check.sh", mode="0755"),
        _script("upstream-verdicts.awk", mode="0644"),
        File(TABLE, table(balancer)),
        File(f"/etc/systemd/system/{CHECK_UNIT}", CHECK_UNIT_TEXT.format(status=balancer.status)),
        File("/etc/systemd/system/nginx.service.d/evenkeel.conf", NGINX_DROP_IN),
        File(NGINX_CONF, nginx_conf(balancer)),
    ]


def ca_path(service: str) -> str:
    """The file against which the check verifies the certificates of a service's upstreams."""
    return f"{STATE}/{service}.ca.pem"


def table(balancer: Balancer) -> str:
    """What scripts/upstream-check.sh reads: one upstream a line."""
    rows = [_row(service, upstream) for service in balancer.services for upstream in service.upstreams]
    return "\n".join(["# service upstream address check CA seconds options", *rows, ""])


def nginx_conf(balancer: Balancer) -> str:
    """The whole nginx.conf of a host that balances and does nothing else."""
    readers = sorted({*balancer.readers, balancer.address})
    return NGINX_CONF_TEXT.format(
        state=STATE,
        files=WORKER_FILES,
        connections=WORKER_CONNECTIONS,
        services="\n".join(_stream(service) for service in balancer.services),
        readers="\n".join(f"        {reader} 1;" for reader in readers),
        status=balancer.status,
    )


def _row(service: Service, upstream: Upstream) -> str:
    server = f"{upstream.address}:{upstream.port}"
    check = service.check
    ca = ca_path(service.name) if check.scheme == "https" else "-"
    options = f"weight={upstream.weight} max_fails={service.max_fails} fail_timeout={service.fail_timeout}"
    asked = f"{check.name}:{upstream.port}" if check.name else server
    url = f"{check.scheme}://{asked}{check.path}"
    return f"{service.name} {upstream.name} {server} {url} {ca} {check.seconds:g} {options}"


def _stream(service: Service) -> str:
    return STREAM_TEXT.format(
        name=service.name,
        affinity="        hash $remote_addr consistent;\n" if service.affinity else "",
        state=STATE,
        listen=service.listen,
        connect_timeout=service.connect_timeout,
        proxy_timeout=service.proxy_timeout,
    )


def _script(name: str, mode: str) -> File:
    return File(f"{LIBRARY}/{name}", (SCRIPTS / name).read_text(), mode=mode)


NGINX_CONF_TEXT = """\
# Written by Evenkeel: nginx on this host balances and does nothing else.
# Loads the stream module where this nginx has it apart; found out on the host.
include {state}/modules.conf;

worker_processes auto;
worker_rlimit_nofile {files};
pid /run/nginx.pid;
error_log /var/log/nginx/error.log error;

# No worker_shutdown_timeout: it would cut watches and `logs -f` after each reload.
events {{
    worker_connections {connections};
}}

stream {{
{services}}}

# The status page. `return` is answered before allow and deny are looked at, hence the geo.
http {{
    access_log off;
    default_type text/plain;
    server_tokens off;
    keepalive_timeout 0;

    geo $reader {{
        default 0;
{readers}
    }}

    server {{
        listen {status};
        if ($reader = 0) {{ return 403; }}
        location / {{ return 404; }}
        location = /alive {{ return 200 "nginx serves\\n"; }}
        include {state}/live/status.conf;
    }}
}}
"""

STREAM_TEXT = """\
    upstream {name} {{
        zone {name} 64k;
{affinity}\
        include {state}/live/{name}.upstream.conf;
    }}
    server {{
        listen {listen};
        proxy_pass {name};
        proxy_connect_timeout {connect_timeout};
        proxy_timeout {proxy_timeout};
        proxy_socket_keepalive on;
    }}
"""

CHECK_UNIT_TEXT = f"""\
[Unit]
Description=Evenkeel: nginx's upstreams are those that are ready
Wants=network-online.target
After=network-online.target nginx.service
StartLimitIntervalSec=0

[Service]
ExecStart={LIBRARY}/upstream-check.sh watch {TABLE} {STATE} {RUN} {NGINX_CONF} {{status}}
RuntimeDirectory={RUN.removeprefix("/run/")}
UMask=0022
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""

NGINX_DROP_IN = """\
# The distribution's unit leaves a crashed nginx where it is.
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=on-failure
RestartSec=1
"""
