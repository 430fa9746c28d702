"""Addresses that follow from a stack's settings: the API's endpoint."""

import ipaddress

from settings import Stack


def is_ip(name: str) -> bool:
    """Whether ``name`` is an IPv4 or IPv6 address rather than a DNS name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def api_endpoint(stack: Stack) -> str:
    """The https URL under which everything but a master's own parts reaches the API: the load balancer's."""
    return f"https://{stack.load_balancer.address}:{stack.load_balancer.port}"
