"""Addresses that follow from a stack's settings: the API's endpoint."""

from settings import Stack


def api_endpoint(stack: Stack) -> str:
    """The https URL under which everything but a master's own parts reaches the API: the load balancer's."""
    return f"https://{stack.load_balancer.address}:{stack.load_balancer.port}"
