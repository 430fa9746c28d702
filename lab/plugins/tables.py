"""Resources described by a table of their inputs: checking, defaults, differences, secrets and previews.

Owns: what is the same for every resource that is a table and three verbs (command, tls, random). Does not own: what the
verbs do. Kubernetes objects, whose inputs are open, are no tables.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pulumi.provider.experimental import provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue

from lab.plugins.base import Engine, PluginError, own_type, unknown_inputs
from lab.plugins.values import UNKNOWN, detailed, differences, has_unknown, plain_map, root, wrap

Values = dict[str, Any]


@dataclass(frozen=True)
class Input:
    """What one input accepts, and what a change of it does."""

    kind: type = str
    required: bool = False
    default: Any = None
    secret: bool = False
    replaces: bool = False
    choices: tuple[str, ...] = ()
    items: type | None = None
    fields: "Mapping[str, Input] | None" = None


Inputs = Mapping[str, Input]


@dataclass(frozen=True)
class Call:
    """One create, update or delete: plain inputs and, where there is one, the plain old state."""

    urn: str
    name: str
    inputs: Values
    old: Values
    engine: Engine


class Resource:
    """A resource type. Its state is its inputs and its outputs."""

    inputs: ClassVar[Inputs] = {}
    outputs: ClassVar[Mapping[str, bool]] = {}
    """Output name -> whether it is a secret."""
    recomputed: ClassVar[frozenset[str]] = frozenset()
    """Outputs that an update computes anew, so that they are unknown in its preview."""

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        """What is wrong beyond the table, as (property, reason). Unknown inputs are left out of ``inputs``."""
        yield from ()

    def stale(self, old: Values, inputs: Values) -> frozenset[str]:
        """Outputs whose age alone demands a replacement."""
        return frozenset()

    def refresh(self, old: Values) -> Values:
        """Outputs that a refresh sets anew."""
        return {}

    async def create(self, call: Call) -> tuple[str, Values]:
        """Makes the resource; answers its ID and outputs."""
        raise NotImplementedError

    async def update(self, call: Call) -> Values:
        """Changes it in place; answers the outputs that change."""
        return {}

    async def delete(self, call: Call) -> None:
        """Removes what there is outside the state; nothing by default."""


class TableProvider(sdk.Provider):
    """A plugin whose resources are all tables."""

    def __init__(self, engine: Engine, resources: Mapping[str, Resource]) -> None:
        self._engine = engine
        self._resources = resources

    def _resource(self, qualified_type: str) -> Resource:
        token = own_type(qualified_type)
        try:
            return self._resources[token]
        except KeyError:
            served = ", ".join(sorted(self._resources))
            raise PluginError(f"the lab's plugin does not serve {token}; it serves {served}") from None

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        return sdk.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check_config(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        failures = unknown_inputs(request.new_inputs, {"version"})
        return sdk.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def check(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        resource = self._resource(request.type)
        values = plain_map(request.new_inputs)
        failures = list(_faults(resource.inputs, values))
        if not failures:
            known = {key: value for key, value in values.items() if not has_unknown(value)}
            failures = [sdk.CheckFailure(name, reason) for name, reason in resource.check(known)]
        inputs = {key: value for key, value in request.new_inputs.items() if not key.startswith("__")}
        return sdk.CheckResponse(inputs=_completed(resource.inputs, inputs), failures=failures)

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        resource = self._resource(request.type)
        old, new = plain_map(request.old_state), plain_map(request.new_inputs)
        changed = dict(differences({key: old.get(key) for key in resource.inputs}, new))
        stale = resource.stale(old, new)
        changed |= dict.fromkeys(stale, sdk.PropertyDiffKind.UPDATE)
        replacing = frozenset(name for name, spec in resource.inputs.items() if spec.replaces) | stale
        roots = sorted({root(path) for path in changed})
        return sdk.DiffResponse(
            changes=bool(changed),
            replaces=[name for name in roots if name in replacing],
            diffs=roots,
            detailed_diff=detailed(changed, replacing),
        )

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        resource = self._resource(request.type)
        if request.preview:
            outputs = dict.fromkeys(resource.outputs, UNKNOWN)
            return sdk.CreateResponse("", _state(resource, request.properties, outputs))
        call = Call(request.urn, request.name, plain_map(request.properties), {}, self._engine)
        identity, outputs = await resource.create(call)
        return sdk.CreateResponse(identity, _state(resource, request.properties, outputs))

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        resource = self._resource(request.type)
        old = plain_map(request.olds)
        outputs = {name: old.get(name) for name in resource.outputs}
        if request.preview:
            outputs |= dict.fromkeys(resource.recomputed, UNKNOWN)
        else:
            call = Call(request.urn, request.name, plain_map(request.news), old, self._engine)
            outputs |= await resource.update(call)
        return sdk.UpdateResponse(_state(resource, request.news, outputs))

    async def delete(self, request: sdk.DeleteRequest) -> None:
        old = plain_map(request.properties)
        await self._resource(request.type).delete(Call(request.urn, request.name, old, old, self._engine))

    async def read(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        resource = self._resource(request.type)
        if not request.inputs:
            raise PluginError(
                f"{request.type} {request.resource_id!r}: the lab's plugin can't import; create it instead"
            )
        fresh = resource.refresh(plain_map(request.properties))
        properties = request.properties | {name: wrap(value, resource.outputs[name]) for name, value in fresh.items()}
        return sdk.ReadResponse(request.resource_id, properties, request.inputs)


def _state(resource: Resource, inputs: Mapping[str, PropertyValue], outputs: Values) -> dict[str, PropertyValue]:
    return {**inputs, **{name: wrap(value, resource.outputs[name]) for name, value in outputs.items()}}


def _completed(table: Inputs, given: Mapping[str, PropertyValue]) -> dict[str, PropertyValue]:
    """``given`` with the table's defaults and secret marks."""
    complete: dict[str, PropertyValue] = {}
    for name, spec in table.items():
        value = given.get(name, PropertyValue.null())
        if value.value is None and spec.default is not None:
            value = wrap(spec.default)
        if spec.fields is not None and isinstance(value.value, Mapping):
            value = value.with_value(_completed(spec.fields, value.value))
        if value.value is not None:
            complete[name] = value.with_secret(True) if spec.secret else value
    return complete


def _faults(table: Inputs, values: Mapping[str, Any], where: str = "") -> Iterator[sdk.CheckFailure]:
    yield from unknown_inputs(values, table.keys(), where)
    for name, spec in table.items():
        value, path = values.get(name), where + name
        if value is None:
            if spec.required:
                yield sdk.CheckFailure(path, "is required")
        elif spec.fields is not None and isinstance(value, Mapping):
            yield from _faults(spec.fields, value, path + ".")
        elif not has_unknown(value):
            yield from _misfits(path, spec, value)


def _misfits(path: str, spec: Input, value: Any) -> Iterator[sdk.CheckFailure]:
    if not _is(value, spec.kind):
        yield sdk.CheckFailure(
            path, f"must be {_NAMES[spec.kind]}, not {_NAMES.get(type(value), type(value).__name__)}"
        )
    elif spec.choices and not {*(value if isinstance(value, list) else [value])} <= {*spec.choices}:
        yield sdk.CheckFailure(path, f"{value!r} must be of {', '.join(spec.choices)}")
    elif spec.items and not all(_is(item, spec.items) for item in value):
        yield sdk.CheckFailure(path, f"must hold only {spec.items.__name__}")


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


_NAMES = {str: "a string", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}
