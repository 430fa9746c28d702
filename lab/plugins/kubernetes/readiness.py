"""What "done" means for objects that take time: rollouts, and being gone.

Does not own: writing (``apply``). Only the kinds below wait; all others are done once they are written. The official
plugin waits for a Service's endpoints too, where it is not told to leave that: ``components.cluster_addons`` tells it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from lab.plugins.base import PluginError
from lab.plugins.kubernetes.cluster import Cluster
from lab.plugins.kubernetes.kinds import Kind
from lab.plugins.kubernetes.objects import Object, annotation, identifier, metadata

Tell = Callable[[str], Awaitable[None]]

DEFAULT_SECONDS = 600.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 1.0
ALSO_SKIPS_DELETION = ("v1/Namespace", "apps/v1/DaemonSet", "apps/v1/Deployment")
"""Kinds for which pulumi.com/skipAwait ends the wait for deletion too, as in the official plugin."""


class NotReadyError(PluginError):
    """The object is written, but did not become ready; it carries its last state and the reasons."""

    def __init__(self, live: Object, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.live = live
        self.reasons = reasons


def timeout_of(obj: Object, custom: float) -> float:
    """The seconds to wait: the resource's custom timeout, else its annotation, else ten minutes."""
    stated = annotation(obj, "timeoutSeconds")
    return custom or (float(stated) if stated.isdigit() else DEFAULT_SECONDS)


async def until_ready(cluster: Cluster, obj: Object, written: Object, kind: Kind, seconds: float, tell: Tell) -> Object:
    """The live object once it works; NotReadyError if it does not in time."""
    if not waits(obj, kind):
        return written
    path, live, deadline = await cluster.path(written, kind), written, time.monotonic() + seconds
    pause, told = FIRST_PAUSE_SECONDS, ""
    while reason := ROLLOUTS[str(kind)](live):
        if reason != told:
            await tell(reason)
            told = reason
        if time.monotonic() >= deadline:
            raise NotReadyError(live, [f"not ready after {seconds:.0f} s: {reason}", *await _pod_faults(cluster, live)])
        await asyncio.sleep(min(pause, max(deadline - time.monotonic(), 0)))
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
        live = await cluster.get(path, patience=deadline - time.monotonic())
    return live


async def unready(cluster: Cluster, obj: Object, live: Object, kind: Kind) -> list[str]:
    """Why the live object does not work at this moment; empty if it does. Nothing is waited for."""
    if not waits(obj, kind):
        return []
    reason = ROLLOUTS[str(kind)](live)
    return [reason, *await _pod_faults(cluster, live)] if reason else []


async def until_gone(cluster: Cluster, obj: Object, live: Object, kind: Kind, seconds: float) -> None:
    """Returns once the object with this UID is gone."""
    if annotation(obj, "skipAwait") == "true" and str(kind) in ALSO_SKIPS_DELETION:
        return
    path, deadline, pause = await cluster.path(live, kind), time.monotonic() + seconds, FIRST_PAUSE_SECONDS
    while (found := await cluster.find(path, deadline - time.monotonic())) and _same(found, live):
        if time.monotonic() >= deadline:
            waiting = ", ".join(metadata(found).get("finalizers") or ["nothing that it names"])
            raise PluginError(f"{kind} {identifier(live)}: still there after {seconds:.0f} s; it waits for {waiting}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def _same(found: Object, live: Object) -> bool:
    """Whether it is that object still, not another one of its name."""
    return bool(metadata(found).get("uid") == metadata(live).get("uid"))


def waits(obj: Object, kind: Kind) -> bool:
    """Whether this object is waited for."""
    return str(kind) in ROLLOUTS and not kind.patch and annotation(obj, "skipAwait") != "true"


def deployment_pending(live: Object) -> str:
    """What a Deployment's rollout waits for; empty once it is complete."""
    spec, status = live.get("spec") or {}, live.get("status") or {}
    wanted, conditions = spec.get("replicas", 1), _conditions(status)
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if _stale(live):
        return "waiting for the Deployment controller"
    if conditions.get("Progressing", ("", ""))[0] == "False":
        return f"not progressing: {conditions['Progressing'][1]}"
    if updated < wanted or status.get("replicas", 0) > updated:
        return f"{updated} of {wanted} replicas updated, {status.get('replicas', 0) - updated} old ones left"
    if ready < wanted:
        return f"{ready} of {wanted} replicas ready"
    return "" if conditions.get("Available", ("", ""))[0] == "True" else "not available yet"


def daemon_set_pending(live: Object) -> str:
    """What a DaemonSet's rollout waits for; empty once it is complete."""
    status = live.get("status") or {}
    wanted = status.get("desiredNumberScheduled")
    if _stale(live) or wanted is None:
        return "waiting for the DaemonSet controller"
    counts = {"updated": "updatedNumberScheduled", "available": "numberAvailable", "ready": "numberReady"}
    for what, field in {"scheduled": "currentNumberScheduled", **counts}.items():
        if status.get(field, 0) < wanted:
            return f"{status.get(field, 0)} of {wanted} pods {what}"
    return ""


ROLLOUTS: dict[str, Callable[[Object], str]] = {
    "apps/v1/Deployment": deployment_pending,
    "apps/v1/DaemonSet": daemon_set_pending,
}


def _stale(live: Object) -> bool:
    seen = (live.get("status") or {}).get("observedGeneration", 0)
    return bool(seen < metadata(live).get("generation", 0))


def _conditions(status: Object) -> dict[str, tuple[str, str]]:
    found = status.get("conditions") or []
    return {entry["type"]: (entry["status"], f"[{entry.get('reason')}] {entry.get('message')}") for entry in found}


async def _pod_faults(cluster: Cluster, live: Object) -> list[str]:
    """What the pods that the object selects are waiting for, in their own words."""
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels")
    if not labels:
        return []
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = await cluster.path(live, Kind("v1", "Pod", patch=False), collection=True)
    listing = await cluster.get(pods, labelSelector=selector)
    return sorted({fault for pod in listing.get("items") or [] for fault in _faults_of(pod)})


def _faults_of(pod: Object) -> list[str]:
    status: dict[str, Any] = pod.get("status") or {}
    faults = []
    for entry in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (entry.get("state") or {}).get("waiting")
        if waiting:
            cause = f"{waiting.get('reason')}: {waiting.get('message', '')}".rstrip(": ")
            faults.append(f"pod {metadata(pod).get('name')}, container {entry['name']}: {cause}")
    scheduled = _conditions(status).get("PodScheduled", ("True", ""))
    if scheduled[0] == "False":
        faults.append(f"pod {metadata(pod).get('name')}: {scheduled[1]}")
    return faults
