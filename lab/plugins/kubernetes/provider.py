"""The provider itself: what the engine asks, answered as the official plugin 4.32.0 answers it.

Owns: the order of things in check, diff, create, read, update and delete, and what happens where the cluster can't be
reached. Does not own: how any one of them is done (see the package's docstring).
"""

import asyncio
import json

from pulumi.provider.experimental import provider as sdk

from lab.plugins import PLUGINS
from lab.plugins.base import Engine, Level, PluginError
from lab.plugins.kubernetes import apply, diffing, kinds, kubeconfig, naming, objects, options, readiness
from lab.plugins.kubernetes.cluster import ApiError, Cluster, NoSuchKindError
from lab.plugins.kubernetes.kinds import Kind
from lab.plugins.kubernetes.objects import Object, Properties, identifier, metadata, name_of
from lab.plugins.kubernetes.server import InitFailedError
from lab.plugins.values import has_unknown, plain, plain_map

ANNOTATIONS = ("autonamed", "deletionPropagationPolicy", "patchFieldManager", "patchForce", "skipAwait")
KNOWN_ANNOTATIONS = frozenset(f"pulumi.com/{name}" for name in (*ANNOTATIONS, "timeoutSeconds"))
PROPAGATION = {"orphan": "Orphan", "background": "Background"}
LEAVE_STATE = "set PULUMI_K8S_DELETE_UNREACHABLE=true, if the cluster is gone for good, to drop the resource from state"


class KubernetesProvider(sdk.Provider):
    """Serves resources of one cluster."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._options: options.Options
        self._access: kubeconfig.Access
        self._cluster: Cluster

    async def get_schema(self, request: sdk.GetSchemaRequest) -> sdk.GetSchemaResponse:
        return sdk.GetSchemaResponse(json.dumps({"name": "kubernetes", "version": PLUGINS["kubernetes"]}))

    async def check_config(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        return sdk.CheckResponse(request.new_inputs, options.faults(plain_map(request.new_inputs)))

    async def diff_config(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        return options.changes(plain_map(request.old_state), plain_map(request.new_inputs))

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        self._options = options.resolve(plain_map(request.args))
        self._access = kubeconfig.parse(self._options.kubeconfig, self._options.context)
        self._cluster = Cluster(self._access)
        return sdk.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        kind = kinds.from_token(request.type)
        if self._options.skip_update_unreachable and await self._cluster.unreachable():
            warning = "the cluster is unreachable and skipUpdateUnreachable is set: left as it is"
            await self._engine.log(request.urn, warning, Level.WARNING)
            return sdk.CheckResponse(request.old_inputs)
        obj, old = objects.from_inputs(request.new_inputs), plain_map(request.old_inputs)
        failures = _faults(obj, kind)
        if not failures and isinstance(obj.get("metadata", {}), dict):
            naming.name(obj, old, request.name, request.random_seed)
            await self._set_namespace(obj, kind)
        return sdk.CheckResponse(objects.protect(obj, request.new_inputs), failures)

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        if request.ignore_changes:
            raise PluginError(f"{request.urn}: the lab's plugin does not implement ignore_changes")
        kind = kinds.from_token(request.type)
        inputs, live = objects.from_state(request.old_state)
        wanted = objects.from_inputs(request.new_inputs)
        return diffing.compare(objects.prune(live, inputs), wanted, kind, self._options)

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        kind, obj = kinds.from_token(request.type), plain_map(request.properties)
        if request.preview:
            return sdk.CreateResponse("", await self._preview_creation(kind, obj, request.properties))
        await self._demand_cluster()
        manager = apply.field_manager(obj)
        try:
            written = await apply.create(self._cluster, self._options, obj, kind, manager)
        except (ApiError, NoSuchKindError) as error:
            raise _failed(f"{kind} {identifier(obj)}: not created", error) from error
        live = await self._finished(request, obj, written, kind, manager)
        return sdk.CreateResponse(identifier(live), objects.to_state(obj, live, request.properties, manager))

    async def read(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        reason = await self._cluster.unreachable()
        if reason is not None:
            return await self._read_unreachable(request, reason)
        kind, inputs = kinds.from_token(request.type), plain_map(request.inputs)
        live = await self._live(kind, request.resource_id)
        if live is None:
            return sdk.ReadResponse()
        obj = objects.prune(live, inputs) if inputs else _adopted(live)
        manager = apply.field_manager(obj, _recorded_manager(request.properties))
        state = objects.to_state(obj, live, request.inputs, manager)
        reasons = await readiness.unready(self._cluster, inputs, live, kind) if inputs else []
        if reasons:
            raise InitFailedError(request.resource_id, state, objects.protect(obj, request.inputs), reasons)
        return sdk.ReadResponse(request.resource_id, state, objects.protect(obj, request.inputs))

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        kind, obj = kinds.from_token(request.type), plain_map(request.news)
        if request.preview and (has_unknown(obj) or await self._cluster.unreachable()):
            return sdk.UpdateResponse(request.news)
        await self._demand_cluster()
        previous = _recorded_manager(request.olds)
        manager = apply.field_manager(obj, previous)
        try:
            written = await apply.update(self._cluster, self._options, obj, kind, manager, request.preview)
        except (ApiError, NoSuchKindError) as error:
            if request.preview and isinstance(error, ApiError) and error.code == 403:
                return sdk.UpdateResponse(request.news)
            raise _failed(f"{kind} {identifier(obj)}: not updated", error) from error
        if request.preview:
            return sdk.UpdateResponse(objects.to_state(obj, written, request.news, manager))
        live = await self._finished(request, obj, written, kind, manager)
        if previous and previous != manager:
            await apply.relinquish(self._cluster, live, kind, previous)
        return sdk.UpdateResponse(objects.to_state(obj, live, request.news, manager))

    async def delete(self, request: sdk.DeleteRequest) -> None:
        reason = await self._cluster.unreachable()
        if reason is not None:
            return await self._delete_unreachable(request, reason)
        kind = kinds.from_token(request.type)
        obj, live = objects.from_state(request.properties)
        try:
            if kind.patch:
                return await apply.relinquish(
                    self._cluster, live, kind, apply.field_manager(obj, _recorded_manager(request.properties))
                )
            await self._remove(obj, live, kind)
        except NoSuchKindError:
            return None
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return await readiness.until_gone(self._cluster, obj, live, kind, readiness.timeout_of(obj, request.timeout))

    async def _remove(self, obj: Object, live: Object, kind: Kind) -> None:
        policy = PROPAGATION.get(objects.annotation(obj, "deletionPropagationPolicy").lower(), "Foreground")
        path = await self._cluster.path(live, kind)
        await self._cluster.request("DELETE", path, body={"propagationPolicy": policy})

    async def _preview_creation(self, kind: Kind, obj: Object, inputs: Properties) -> Properties:
        """What the API server would make of the object, where it can be asked; else the inputs as they are."""
        if kind.patch or has_unknown(obj) or await self._cluster.unreachable():
            return inputs
        manager = apply.field_manager(obj)
        try:
            made = await apply.create(self._cluster, self._options, obj, kind, manager, preview=True)
        except NoSuchKindError:
            return inputs
        except ApiError as error:
            if error.code == 403 or error.reason == "AlreadyExists" or error.about == "namespaces":
                return inputs
            raise _failed(f"{kind} {identifier(obj)}: would not be created", error) from error
        made.pop("status", None)
        return objects.to_state(obj, made, inputs, manager)

    async def _finished(
        self, request: sdk.CreateRequest | sdk.UpdateRequest, obj: Object, written: Object, kind: Kind, manager: str
    ) -> Object:
        """The object once it works; if it never does, state still learns what was written."""
        seconds = readiness.timeout_of(obj, request.timeout)

        async def tell(text: str) -> None:
            await self._engine.log(request.urn, text, status=True)

        try:
            return await readiness.until_ready(self._cluster, obj, written, kind, seconds, tell)
        except readiness.NotReadyError as error:
            live, reasons = error.live, error.reasons
        except asyncio.CancelledError:
            live, reasons = written, ["cancelled while it was waited for"]
        inputs = request.properties if isinstance(request, sdk.CreateRequest) else request.news
        raise InitFailedError(identifier(live), objects.to_state(obj, live, inputs, manager), inputs, reasons)

    async def _set_namespace(self, obj: Object, kind: Kind) -> None:
        if objects.namespace_of(obj) or (await self._scope(kind)) is False:
            return
        metadata(obj)["namespace"] = self._options.namespace or self._access.namespace

    async def _scope(self, kind: Kind) -> bool:
        """Whether the kind is namespaced; assumed, like the official plugin does, where nobody can tell."""
        known = kinds.known_scope(kind)
        if known is not None or await self._cluster.unreachable():
            return known is not False
        try:
            return await self._cluster.namespaced(kind)
        except NoSuchKindError:
            return True

    async def _live(self, kind: Kind, resource_id: str) -> Object | None:
        namespace, _, name = resource_id.rpartition("/")
        try:
            return await self._cluster.find(
                await self._cluster.path({"metadata": {"name": name, "namespace": namespace}}, kind)
            )
        except NoSuchKindError:
            return None

    async def _demand_cluster(self) -> None:
        reason = await self._cluster.unreachable()
        if reason is not None:
            raise PluginError(f"configured Kubernetes cluster is unreachable: {reason}")

    async def _read_unreachable(self, request: sdk.ReadRequest, reason: str) -> sdk.ReadResponse:
        await self._engine.log(request.urn, f"configured Kubernetes cluster is unreachable: {reason}", Level.WARNING)
        if self._options.delete_unreachable:
            return sdk.ReadResponse()
        if self._options.skip_update_unreachable:
            return sdk.ReadResponse(request.resource_id, request.properties, request.inputs)
        raise PluginError(f"not read: configured Kubernetes cluster is unreachable: {reason}; {LEAVE_STATE}")

    async def _delete_unreachable(self, request: sdk.DeleteRequest, reason: str) -> None:
        await self._engine.log(request.urn, f"configured Kubernetes cluster is unreachable: {reason}", Level.WARNING)
        if not self._options.delete_unreachable:
            raise PluginError(f"not deleted: configured Kubernetes cluster is unreachable: {reason}; {LEAVE_STATE}")


def _faults(obj: Object, kind: Kind) -> list[sdk.CheckFailure]:
    """What is wrong with, or not implemented of, an object's inputs."""
    found = []
    wrong = objects.check_identity(obj, kind)
    if wrong:
        found.append(sdk.CheckFailure("", wrong))
    if "status" in obj:
        found.append(sdk.CheckFailure("status", "an output; leave it out"))
    if kind.patch and not name_of(obj):
        found.append(sdk.CheckFailure("metadata.name", "not set: a patch must name the object that it changes"))
    if metadata(obj).get("generateName"):
        found.append(
            sdk.CheckFailure("metadata.generateName", "not possible with server-side apply; set metadata.name")
        )
    if obj.get("type") == "kubernetes.io/service-account-token":
        found.append(sdk.CheckFailure("type", "the lab's plugin does not wait for tokens; use the TokenRequest API"))
    return found + [
        sdk.CheckFailure(f'metadata.annotations["{key}"]', "the lab's plugin does not implement this annotation")
        for key in metadata(obj).get("annotations") or {}
        if key.startswith("pulumi.com/") and key not in KNOWN_ANNOTATIONS
    ]


def _adopted(live: Object) -> Object:
    """The inputs of an object that is read for the first time (``import`` or ``get``): all but what is no input."""
    obj = {key: value for key, value in live.items() if key not in ("status", "metadata")}
    kept = {key: value for key, value in metadata(live).items() if key not in objects.READ_ONLY_METADATA}
    return {**obj, "metadata": kept}


def _recorded_manager(state: Properties) -> str | None:
    return plain(state[objects.FIELD_MANAGER]) if objects.FIELD_MANAGER in state else None


def _failed(what: str, error: PluginError) -> PluginError:
    return PluginError(f"{what} by the Kubernetes API server: {error}")
