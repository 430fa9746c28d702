"""The provider's own inputs: which are served, their defaults, and when a change of them replaces the provider.

Does not own: the kubeconfig's content (``kubeconfig``).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.provider.experimental.provider import CheckFailure, DiffResponse

from lab.plugins import base
from lab.plugins.kubernetes import kubeconfig
from lab.plugins.values import UNKNOWN

SWITCHES = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
}
"""Yes-or-no inputs, and the environment variables that decide where they are not given."""
TEXTS = ("kubeconfig", "context", "namespace", "clusterIdentifier")
KNOWN = (*TEXTS, *SWITCHES, "version")


@dataclass(frozen=True)
class Options:
    """The provider's inputs, resolved."""

    kubeconfig: str
    context: str | None
    namespace: str | None
    delete_unreachable: bool
    skip_update_unreachable: bool
    enable_patch_force: bool
    upsert_existing_objects: bool
    enable_config_map_mutable: bool
    enable_secret_mutable: bool


def resolve(given: Mapping[str, Any]) -> Options:
    """The options that checked inputs stand for."""
    return Options(
        kubeconfig=given["kubeconfig"],
        context=given.get("context"),
        namespace=given.get("namespace"),
        delete_unreachable=_switch(given, "deleteUnreachable"),
        skip_update_unreachable=_switch(given, "skipUpdateUnreachable"),
        enable_patch_force=_switch(given, "enablePatchForce"),
        upsert_existing_objects=_switch(given, "upsertExistingObjects"),
        enable_config_map_mutable=_switch(given, "enableConfigMapMutable"),
        enable_secret_mutable=_switch(given, "enableSecretMutable"),
    )


def faults(given: Mapping[str, Any]) -> list[CheckFailure]:
    """What is wrong with the inputs; what is unknown yet can't be wrong."""
    found = base.unknown_inputs(given, KNOWN)
    for name in SWITCHES:
        if given.get(name) not in (None, True, False, "true", "false", UNKNOWN):
            found.append(CheckFailure(name, f"{given[name]!r}: expected true or false"))
    if not _switch(given, "enableServerSideApply", default=True):
        found.append(CheckFailure("enableServerSideApply", "false: the lab's plugin implements nothing else"))
    if not given.get("kubeconfig"):
        found.append(CheckFailure("kubeconfig", "not given: the lab's plugin never takes one from its surroundings"))
    elif UNKNOWN not in (given["kubeconfig"], given.get("context")):
        found += _kubeconfig_faults(given)
    return found


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> DiffResponse:
    """Which inputs differ, and which of them mean another cluster: all resources would be replaced with it."""
    changed = [name for name in KNOWN if old.get(name) != new.get(name)]
    identifiers = (old.get("clusterIdentifier"), new.get("clusterIdentifier"))
    replacing: list[str] = []
    if all(identifiers):
        replacing = ["clusterIdentifier"] if identifiers[0] != identifiers[1] else []
    elif _other_cluster(old, new):
        replacing = [name for name in ("kubeconfig", "context") if name in changed]
    return DiffResponse(diffs=changed, replaces=replacing)


def _switch(given: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = given.get(name)
    if value is None:
        value = os.environ.get(SWITCHES[name], default)
    return value in (True, "true")


def _kubeconfig_faults(given: Mapping[str, Any]) -> list[CheckFailure]:
    try:
        kubeconfig.parse(given["kubeconfig"], given.get("context"))
    except (kubeconfig.KubeconfigError, OSError) as error:
        return [CheckFailure("kubeconfig", str(error))]
    return []


def _other_cluster(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the active cluster's entry changed; what is unknown may be another cluster."""
    if UNKNOWN in (new.get("kubeconfig"), new.get("context")):
        return True
    before, after = (kubeconfig.parse(given["kubeconfig"], given.get("context")) for given in (old, new))
    return before.cluster != after.cluster
