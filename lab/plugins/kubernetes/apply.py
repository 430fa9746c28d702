"""Writes objects: creation, server-side apply, ownership of fields, and giving ownership up.

Does not own: requests (``cluster``), or waiting until what was written works (``readiness``).
"""

import asyncio
import secrets
from typing import Any

from lab.plugins.base import PluginError
from lab.plugins.kubernetes.cluster import ApiError, Cluster, NoSuchKindError
from lab.plugins.kubernetes.kinds import Kind
from lab.plugins.kubernetes.objects import Object, annotation, identifier, metadata, name_of
from lab.plugins.kubernetes.options import Options

CREATOR = "pulumi-kubernetes"
"""The field manager of creations; the first update hands its fields to the resource's own manager."""
PREDECESSORS = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    (CREATOR, "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)
"""Beginnings of managers' names, and operations, whose fields an update takes over, as the official plugin does: what
somebody wrote by any of kubectl's commands is gone unless the inputs have it."""
MISSING_PAUSES_SECONDS = (1, 2, 4, 8, 16)
"""Pauses between attempts at a creation whose namespace or kind is not there yet."""
TAKE_OVER_ATTEMPTS = 5
"""Somebody else, a controller most often, may write the object between its reading and the taking over."""
APPLY = "application/apply-patch+yaml"
STRICT = {"fieldValidation": "Strict"}

ALREADY_EXISTS = (
    "{error}\nThe resource already exists in the cluster. Import it, manage single fields by a Patch resource, or set "
    "upsertExistingObjects on the provider"
)


def field_manager(obj: Object, recorded: str | None = None) -> str:
    """The field manager that the object names, else the recorded one, else a new one."""
    return annotation(obj, "patchFieldManager") or recorded or f"pulumi-kubernetes-{secrets.token_hex(4)}"


async def create(
    cluster: Cluster, options: Options, obj: Object, kind: Kind, manager: str, preview: bool = False
) -> Object:
    """Creates the object (a patch, or an upserting provider, also takes one that exists); waits for its namespace."""
    for pause in (*MISSING_PAUSES_SECONDS, None):
        try:
            if kind.patch or options.upsert_existing_objects:
                force = preview or _forced(obj, options)
                return await _apply(cluster, obj, kind, manager, force, preview)
            return await _post(cluster, obj, kind, preview)
        except (ApiError, NoSuchKindError) as error:
            if preview or pause is None or (isinstance(error, ApiError) and error.code != 404):
                raise
        await asyncio.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


async def update(
    cluster: Cluster, options: Options, obj: Object, kind: Kind, manager: str, preview: bool = False
) -> Object:
    """Applies the object over the live one, whose fields of earlier managers become this manager's."""
    path = await cluster.path(obj, kind)
    live = await cluster.get(path)
    force = _forced(obj, options) or (preview and _has_predecessor(live))
    if not kind.patch and not preview:
        await _take_over(cluster, path, manager)
    return await _apply(cluster, obj, kind, manager, force, preview)


async def relinquish(cluster: Cluster, obj: Object, kind: Kind, manager: str) -> None:
    """Gives up all fields of ``manager``; those that nobody else owns vanish."""
    bare = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name_of(obj)}}
    path = await cluster.path(obj, kind)
    try:
        await cluster.request("PATCH", path, body=bare, form=APPLY, parameters={"fieldManager": manager})
    except ApiError as error:
        if error.code != 422 or "Required value" not in str(error):
            raise
        raise PluginError(
            f"{kind} {identifier(obj)}: the patch manages a required field, so it can't be deleted: {error}; "
            "set retain_on_delete, or let another manager own the field first"
        ) from error


async def _post(cluster: Cluster, obj: Object, kind: Kind, preview: bool) -> Object:
    parameters = {"fieldManager": CREATOR} | STRICT | _dry_run(preview)
    path = await cluster.path(obj, kind, collection=True)
    try:
        return await cluster.request("POST", path, body=obj, parameters=parameters)
    except ApiError as error:
        if error.reason == "AlreadyExists":
            raise ApiError(
                error.code, {"message": ALREADY_EXISTS.format(error=error), "reason": error.reason}
            ) from error
        raise


async def _apply(cluster: Cluster, obj: Object, kind: Kind, manager: str, force: bool, preview: bool) -> Object:
    parameters = {"fieldManager": manager, "force": str(force).lower()} | STRICT | _dry_run(preview)
    path = await cluster.path(obj, kind)
    try:
        return await cluster.request("PATCH", path, body=obj, form=APPLY, parameters=parameters)
    except ApiError as error:
        if error.code != 409:
            raise
        raise PluginError(
            f"the resource managed by field manager {manager!r} had an apply conflict: {error}; "
            "set the annotation pulumi.com/patchForce to take the fields over"
        ) from error


async def _take_over(cluster: Cluster, path: str, manager: str) -> None:
    for attempts_left in reversed(range(TAKE_OVER_ATTEMPTS)):
        live = metadata(await cluster.get(path))
        managers = adopted(live.get("managedFields") or [], manager)
        if managers is None:
            return
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": managers},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live["resourceVersion"]},
        ]
        try:
            await cluster.request("PATCH", path, body=patch, form="application/json-patch+json")
        except ApiError as error:
            if error.code != 409 or not attempts_left:
                raise
        else:
            return


def adopted(entries: list[Object], manager: str) -> list[Object] | None:
    """The entries with those of predecessors merged into the manager's own; None if there is nothing to adopt."""
    old = [entry for entry in entries if _is_predecessor(entry)]
    if not old:
        return None
    own = [entry for entry in entries if _is(entry, manager, "Apply")]
    fields: Object = {}
    for entry in (*own, *old):
        fields = _merged(fields, entry.get("fieldsV1") or {})
    mine = {**(own or old)[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    return [entry for entry in entries if entry not in own and entry not in old] + [mine]


def _is(entry: Object, manager: str, operation: str) -> bool:
    return (entry.get("manager"), entry.get("operation")) == (manager, operation) and not entry.get("subresource")


def _is_predecessor(entry: Object) -> bool:
    manager, done = str(entry.get("manager")), entry.get("operation")
    named = any(manager.startswith(name) and done == operation for name, operation in PREDECESSORS)
    return named and not entry.get("subresource")


def _has_predecessor(live: Object) -> bool:
    return any(_is_predecessor(entry) for entry in metadata(live).get("managedFields") or [])


def _merged(one: Any, other: Any) -> Any:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    return one | {key: _merged(one[key], value) if key in one else value for key, value in other.items()}


def _forced(obj: Object, options: Options) -> bool:
    return annotation(obj, "patchForce") == "true" or options.enable_patch_force


def _dry_run(preview: bool) -> dict[str, str]:
    return {"dryRun": "All"} if preview else {}
