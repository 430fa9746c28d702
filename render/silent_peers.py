"""What ends connections to peers that have fallen silent (scripts/silent-peers.sh): its unit, and who the peers are.

Of a master, the other etcd members; of a load balancer, what is behind it. Does not own the kernel's own limits, which
hold where nothing of this runs (``render.preparation``).
"""

from render import load_balancer
from render.files import File
from render.scripts import ON_HOST, SCRIPTS
from render.static_pods import ETCD_CLIENT_PORT
from settings import Host, Stack

PART = "silent-peers"
UNIT = "evenkeel-silent-peers"
PROGRAM = f"{ON_HOST}/silent-peers/silent-peers.sh"
SCRIPT = SCRIPTS / "silent-peers.sh"


def files(stack: Stack, host: Host) -> list[File]:
    """The plain files of the part; none for a host that has no such peers."""
    others = peers(stack, host)
    if not others:
        return []
    return [
        File(PROGRAM, SCRIPT.read_text(), mode="0755"),
        File(f"/etc/systemd/system/{UNIT}.service", unit(others)),
    ]


def peers(stack: Stack, host: Host) -> list[str]:
    """``address:port`` of each, this host itself left out."""
    found: list[tuple[str, int]] = []
    if "master" in host.roles:
        found += [(master.address, ETCD_CLIENT_PORT) for master in stack.masters().values()]
    if "lb" in host.roles:
        services = load_balancer.balancer(stack, host).services
        found += [(upstream.address, upstream.port) for service in services for upstream in service.upstreams]
    return [f"{address}:{port}" for address, port in found if address != host.address]


def unit(others: list[str]) -> str:
    """The unit's text."""
    return f"""\
[Unit]
Description=Ends connections to peers that have fallen silent
After=network.target

[Service]
ExecStart={PROGRAM} {" ".join(others)}
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""
