"""Addresses that follow from a stack's settings: Service addresses and the API's endpoint."""

import ipaddress

from settings import Stack

DNS_SERVICE_INDEX = 10


def is_ip(name: str) -> bool:
    """Whether ``name`` is an IPv4 or IPv6 address rather than a DNS name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def service_ip(stack: Stack, index: int) -> str:
    """The ``index``-th address of the Service network: 1 is the API's, 10 the cluster DNS's."""
    return str(ipaddress.ip_network(str(stack.cluster.service_cidr))[index])


def api_endpoint(stack: Stack) -> str:
    """The https URL under which everything but a master's own parts reaches the API: the load balancer's."""
    return f"https://{stack.load_balancer.address}:{stack.load_balancer.port}"
