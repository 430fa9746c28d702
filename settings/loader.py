"""Turns a stack's configuration into a ``Stack``, or says everything that is wrong with it at once.

Owns: the order of the steps, and where configuration comes from. Does not own: any one step.
"""

from collections.abc import Mapping
from pathlib import Path

import pulumi

from releases import Mirror, Release, ReleaseError, read_lock, read_release
from releases.store import lock_path, missing_from_lock, relock
from settings import access
from settings.draft import KEYS, PRIVATE_KEY, Draft, read
from settings.errors import NAMESPACE, SettingsError, fault
from settings.merge import merged
from settings.schema import Cluster, ReleaseSettings
from settings.stack import Host, Ssh, Stack


def load(config: pulumi.Config, root: Path | None = None) -> Stack:
    """The stack that the running program belongs to. Paths are relative to ``root``, else to the project's folder."""
    values: dict[str, object] = {}
    for name in KEYS:
        try:
            values[name] = config.get(name) if name == PRIVATE_KEY else config.get_object(name)
        except pulumi.ConfigTypeError:
            values[name] = config.get(name)
    return parse(values, root)


def parse(values: Mapping[str, object], root: Path | None = None) -> Stack:
    """The stack of a mapping such as ``config`` of a stack's file; keys may carry the project's name before them."""
    draft = read({name.removeprefix(f"{NAMESPACE}:"): value for name, value in values.items()})
    base = (root or Path.cwd()).absolute()
    endpoints = access.resolve(draft, base)
    release = _release(draft, draft.release, base) if draft.release else None
    if draft.faults or not (draft.cluster and draft.load_balancer and release):
        raise SettingsError(draft.faults)
    return Stack(
        cluster=draft.cluster,
        hosts=_hosts(draft, draft.cluster, endpoints),
        load_balancer=draft.load_balancer,
        release=release,
    )


def _hosts(draft: Draft, cluster: Cluster, endpoints: dict[str, Ssh]) -> dict[str, Host]:
    return {
        name: Host(
            name=name,
            address=host.address,
            roles=tuple(host.roles),
            ssh=endpoints[name],
            kubelet_config=merged(cluster.kubelet.config, host.kubelet.config),
        )
        for name, host in draft.hosts.items()
    }


def _release(draft: Draft, settings: ReleaseSettings, root: Path) -> Release | None:
    try:
        file = read_release(settings.name)
    except ReleaseError as error:
        what, _, remedy = str(error).rpartition("; ")
        draft.faults.append(fault(["release", "name"], settings.name, what, remedy))
        return None
    path = access.path_of(settings.lock, root) if settings.lock else lock_path(settings.name)
    value = settings.lock or f"releases/{path.name}"
    try:
        lock = read_lock(path, settings.name)
    except ReleaseError as error:
        what, _, remedy = str(error).rpartition("; ")
        draft.faults.append(fault(["release", "lock"], value, what, remedy))
        return None
    missing = missing_from_lock(file, lock)
    if missing:
        what = f"lacks {', '.join(missing)}"
        draft.faults.append(fault(["release", "lock"], value, what, relock(settings.name)))
        return None
    mirror = settings.mirror
    return Release(file, lock, Mirror(artifacts=mirror.artifacts, images=mirror.images) if mirror else None)
