"""Policies about how hosts are reached."""

from collections.abc import Iterator, Mapping

from policy.resources import Resource, known, missing

REMOTE = "command:remote:"  # what copies files has a connection too
DOCKER = "pulumi:providers:docker"
CHECKED = "StrictHostKeyChecking=yes"
REMEDY = "without it any machine at that address would be handed the cluster's keys; take it from known_hosts"


def host_keys_are_pinned(resource: Resource) -> Iterator[str]:
    """Every host, and every bastion before one, must show the key that the stack pins."""
    if resource.resource_type.startswith(REMOTE):
        connection = known(resource.props, "connection")
        yield from _unpinned("host", connection)
        yield from _unpinned("bastion", known(connection or {}, "proxy"))
    if resource.resource_type == DOCKER:
        options = known(resource.props, "sshOpts")
        if missing(resource.props, "sshOpts") or (options and CHECKED not in str(options)):
            yield f"docker's host {known(resource.props, 'host')}: sshOpts lack {CHECKED}; {REMEDY}"


def _unpinned(what: str, endpoint: Mapping[str, object] | None) -> Iterator[str]:
    if endpoint is not None and missing(endpoint, "hostKey"):
        yield f"{what} {known(endpoint, 'host')}: its connection has no hostKey; {REMEDY}"
