"""The virtual address that keepalived keeps on one of the load balancer hosts. Does not own nginx, whose life it asks
after, nor who answers behind it (``render.load_balancer``)."""

from dataclasses import dataclass

from render.files import File
from settings import Host, Stack

PATH = "/etc/keepalived/keepalived.conf"
DROP_IN = "/etc/systemd/system/keepalived.service.d/evenkeel.conf"
HIGHEST_PRIORITY = 200


@dataclass(frozen=True)
class Vip:
    """One host's share in the virtual address. ``rank`` 0 is preferred, but only while nobody holds the address."""

    host: str
    address: str
    vip: str
    interface: str
    router_id: int
    rank: int
    peers: tuple[str, ...]
    status: str


def vip(stack: Stack, host: Host) -> Vip | None:
    """The share of ``host``, if the stack has a virtual address."""
    settings = stack.load_balancer.vip
    if settings is None:
        return None
    balancers = [other.address for other in stack.load_balancers().values()]
    return Vip(
        host=host.name,
        address=host.address,
        vip=settings.address,
        interface=settings.interface,
        router_id=settings.router_id,
        rank=balancers.index(host.address),
        peers=tuple(address for address in balancers if address != host.address),
        status=f"{host.address}:{stack.load_balancer.status_port}",
    )


def files(vip: Vip | None) -> list[File]:
    """The plain files of the part ``vip``: none without a virtual address."""
    return [File(PATH, keepalived_conf(vip)), File(DROP_IN, DROP_IN_TEXT)] if vip else []


def keepalived_conf(vip: Vip) -> str:
    """VRRP between equals: whoever has the address keeps it until its nginx or its host is gone."""
    return KEEPALIVED_CONF_TEXT.format(vip=vip, priority=HIGHEST_PRIORITY - vip.rank, unicast=_unicast(vip))


def _unicast(vip: Vip) -> str:
    """Whom to talk to. Nothing for who is alone: keepalived refuses a list of nobody."""
    peers = "".join(f"        {peer}\n" for peer in vip.peers)
    return f"    unicast_src_ip {vip.address}\n    unicast_peer {{\n{peers}    }}\n" if peers else ""


# The script asks nginx itself. A connection to the load balancer's port would say less (the kernel accepts it for a
# stopped nginx, too) and would reach an upstream each time, whose log it fills. nginx gone is noticed within a second;
# nginx slow, on a busy host, is given three before the address moves and breaks every connection. A proxy that systemd
# gives to all services knows nothing of it.
KEEPALIVED_CONF_TEXT = """\
# Written by Evenkeel.
global_defs {{
    router_id {vip.host}
    vrrp_version 3
    enable_script_security
    script_user root
}}

vrrp_script nginx_serves {{
    script "/usr/bin/curl -q --silent --fail --noproxy {vip.address} --max-time 3 --output /dev/null http://{vip.status}/alive"
    interval 1
    timeout 4
    fall 1
    rise 1
}}

vrrp_instance load_balancer {{
    state BACKUP
    nopreempt
    interface {vip.interface}
    virtual_router_id {vip.router_id}
    priority {priority}
    advert_int 0.3
{unicast}\
    virtual_ipaddress {{
        {vip.vip}/32 dev {vip.interface}
    }}
    track_script {{
        nginx_serves
    }}
}}
"""

DROP_IN_TEXT = """\
# The distribution's unit leaves a crashed keepalived where it is, and the virtual address on this host beside the one
# that has taken it over; one that starts again takes it off.
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=on-failure
RestartSec=1
"""
