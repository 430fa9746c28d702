"""Rules about hosts: how many there are of a role, and that no two are the same."""

from collections.abc import Iterator

from settings.draft import HOSTS, Draft
from settings.errors import Fault, fault

USUAL_MASTERS = 3
MOST_MASTERS = 7


def quorum_survives_a_loss(draft: Draft) -> Iterator[Fault]:
    """Two etcd members stop when either is lost: that is worse than one. No master at all is no cluster."""
    masters = draft.with_role("master")
    if not draft.hosts_complete:
        return
    if not masters:
        yield fault([HOSTS], "no master", "no host has the role master", "give three hosts roles: [master]")
    if len(masters) == 2:
        yield fault(
            [HOSTS],
            f"{', '.join(masters)} as masters",
            "is one master fewer than quorum needs to survive the loss of one: with two, losing either stops etcd",
            f"add a third master (or keep one, without high availability): {USUAL_MASTERS} survive the loss of one",
        )


def masters_are_odd_and_several(draft: Draft) -> Iterator[Fault]:
    """Numbers of masters that work, but not as one might think."""
    masters = draft.with_role("master")
    if not draft.hosts_complete:
        return
    count, value = len(masters), f"{', '.join(masters)} as masters"
    if count == 1:
        yield fault([HOSTS], value, "is not highly available: losing this host loses the API", "use three masters")
    elif count > 2 and count % 2 == 0:
        what = f"survives the loss of {(count - 1) // 2}, as {count - 1} masters would: an even number adds no safety"
        yield fault([HOSTS], value, what, f"use {count - 1} or {count + 1} masters")
    if count > MOST_MASTERS:
        what = f"makes every write wait for {count // 2 + 1} members"
        yield fault([HOSTS], value, what, f"use at most {MOST_MASTERS} masters; more workers carry more load")


def addresses_differ(draft: Draft) -> Iterator[Fault]:
    """One address is one host's; the VIP is nobody's own. The same goes for where SSH is answered."""
    by_address: dict[str, str] = {}
    by_endpoint: dict[tuple[str, int | None], str] = {}
    for name, host in draft.hosts.items():
        if (other := by_address.setdefault(host.address, name)) != name:
            remedy = f"give {name} its own address, or give {other} both hosts' roles"
            yield fault([HOSTS, name, "address"], host.address, f"is the address of {other} too", remedy)
        if host.ssh.host is None:
            continue
        endpoint = (host.ssh.host, host.ssh.port)
        if (other := by_endpoint.setdefault(endpoint, name)) != name:
            remedy = f"give the address or port at which {name} itself answers"
            yield fault([HOSTS, name, "ssh", "host"], host.ssh.host, f"is how {other} is reached too", remedy)
    vip = draft.load_balancer.vip if draft.load_balancer else None
    if vip and (other := by_address.get(vip.address, "")):
        remedy = "give the VIP an address of the same network that belongs to no host"
        yield fault(["loadBalancer", "vip", "address"], vip.address, f"is the address of host {other}", remedy)
