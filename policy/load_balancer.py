"""Policies about what nginx is told."""

import re
from collections.abc import Iterator, Sequence

from policy.resources import Fault, Resource, files, machine, static_pods

API_PORT = 6443
LEAST_MINUTES = 10
UNITS = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
_TIMEOUT = re.compile(r"^\s*proxy_timeout\s+([^;]+);", re.MULTILINE)
_PART = re.compile(r"(\d+)(ms|[smhdwMy]?)")  # nginx adds them up: 1m30s
_LISTEN = re.compile(r"^\s*listen\s+(?:\S+:)?(\d+)[ ;]", re.MULTILINE)


def watches_live_ten_minutes(resource: Resource) -> Iterator[str]:
    """proxy_timeout is at least 10 minutes: it ends every idle watch, `kubectl logs -f` and exec."""
    for path, text in _nginx(resource):
        for timeout in _TIMEOUT.findall(text):
            if sum(int(number) * UNITS[unit] for number, unit in _PART.findall(timeout)) < LEAST_MINUTES * 60:
                yield f"{path}: proxy_timeout {timeout}; set evenkeel:loadBalancer.proxyTimeout to 10m or more"


def apiservers_keep_their_port(resources: Sequence[Resource]) -> Iterator[Fault]:
    """No load balancer listens on 6443 on a host whose apiserver needs that port."""
    masters = {machine(resource) for resource, _ in static_pods(resources, "kube-apiserver")} - {None}
    for resource in resources:
        for path, text in _nginx(resource):
            if machine(resource) in masters and str(API_PORT) in _LISTEN.findall(text):
                remedy = "set evenkeel:loadBalancer.port to another one, such as 8443"
                yield f"{path}: listens on {API_PORT} beside an apiserver; {remedy}", resource.urn


def _nginx(resource: Resource) -> Iterator[tuple[str, str]]:
    for file in files(resource):
        if file.path == "/etc/nginx/nginx.conf":
            yield file.path, file.content
