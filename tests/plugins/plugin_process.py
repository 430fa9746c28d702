"""Speaks to a resource plugin as the engine does, without an engine: the quickest way to test a contract.

Any plugin will do: the lab's or an official one. Does not own: what is asked of it.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]  # ships no types
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc, status_pb2

from lab.plugins.values import plain, wrap

Properties = dict[str, PropertyValue]
SEED = b"0123456789abcdef0123456789abcdef"


class RefusedError(Exception):
    """The plugin answered with an error."""


class InitFailedError(RefusedError):
    """The plugin said that the object exists but does not work."""

    def __init__(self, text: str, resource: "Resource", reasons: list[str]) -> None:
        super().__init__(text)
        self.resource = resource
        self.reasons = reasons


@dataclass(frozen=True)
class Checked:
    """What check made of the inputs, and what it found wrong."""

    inputs: Properties
    failures: list[str]


@dataclass(frozen=True)
class Difference:
    """What diff said."""

    changes: bool
    paths: dict[str, str]
    replaces: list[str]
    delete_before_replace: bool


@dataclass(frozen=True)
class Resource:
    """A resource as the engine's state keeps it."""

    urn: str
    id: str
    state: Properties
    inputs: Properties

    def live(self) -> dict[str, Any]:
        """The outputs as plain values."""
        return {key: plain(value) for key, value in self.state.items()}


@dataclass
class FakeEngine(engine_pb2_grpc.EngineServicer):
    """Takes the plugin's log lines."""

    lines: list[str] = field(default_factory=list)

    def Log(self, request: engine_pb2.LogRequest, context: Any) -> Any:
        self.lines.append(request.message)
        return empty_pb2.Empty()


class Plugin:
    """One running plugin, configured for one provider."""

    def __init__(self, port: int, engine: FakeEngine, package: str) -> None:
        self._stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
        self._package = package
        self.engine = engine

    def check_config(self, config: Mapping[str, Any]) -> list[str]:
        request = provider_pb2.CheckRequest(
            urn=self._urn(f"pulumi:providers:{self._package}", "p"), news=_struct(config)
        )
        return [_failure(entry) for entry in self._call("CheckConfig", request).failures]

    def diff_config(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
        """The inputs whose change replaces the provider, and all that hangs on it."""
        urn = self._urn(f"pulumi:providers:{self._package}", "p")
        request = provider_pb2.DiffRequest(
            urn=urn, id="p", olds=_struct(old), old_inputs=_struct(old), news=_struct(new)
        )
        return list(self._call("DiffConfig", request).replaces)

    def configure(self, config: Mapping[str, Any]) -> None:
        variables = {f"{self._package}:config:{key}": value for key, value in config.items()}
        self._call(
            "Configure",
            provider_pb2.ConfigureRequest(
                variables=variables, args=_struct(config), acceptSecrets=True, acceptResources=True
            ),
        )

    def check(self, token: str, name: str, inputs: Mapping[str, Any], old: Properties | None = None) -> Checked:
        request = provider_pb2.CheckRequest(
            urn=self._urn(token, name), olds=_struct(old or {}), news=_struct(inputs), randomSeed=SEED
        )
        answer = self._call("Check", request)
        return Checked(PropertyValue.unmarshal_map(answer.inputs), [_failure(entry) for entry in answer.failures])

    def preview(self, token: str, name: str, inputs: Mapping[str, Any]) -> Properties:
        """What a preview of a creation would show as outputs."""
        checked = self._checked(token, name, inputs)
        request = provider_pb2.CreateRequest(urn=self._urn(token, name), properties=_struct(checked), preview=True)
        return PropertyValue.unmarshal_map(self._call("Create", request).properties)

    def create(self, token: str, name: str, inputs: Mapping[str, Any], timeout: float = 30) -> Resource:
        checked, urn = self._checked(token, name, inputs), self._urn(token, name)
        request = provider_pb2.CreateRequest(urn=urn, properties=_struct(checked), timeout=timeout)
        answer = self._call("Create", request, urn, checked)
        return Resource(urn, answer.id, PropertyValue.unmarshal_map(answer.properties), checked)

    def diff(self, resource: Resource, inputs: Mapping[str, Any]) -> Difference:
        checked = self._rechecked(resource, inputs)
        request = provider_pb2.DiffRequest(
            urn=resource.urn,
            id=resource.id,
            olds=_struct(resource.state),
            old_inputs=_struct(resource.inputs),
            news=_struct(checked),
        )
        answer = self._call("Diff", request)
        kinds = {path: provider_pb2.PropertyDiff.Kind.Name(entry.kind) for path, entry in answer.detailedDiff.items()}
        changes = answer.changes == provider_pb2.DiffResponse.DIFF_SOME
        return Difference(changes, kinds, sorted(answer.replaces), answer.deleteBeforeReplace)

    def update(
        self, resource: Resource, inputs: Mapping[str, Any], timeout: float = 30, preview: bool = False
    ) -> Resource:
        checked = self._rechecked(resource, inputs)
        request = provider_pb2.UpdateRequest(
            urn=resource.urn,
            id=resource.id,
            olds=_struct(resource.state),
            old_inputs=_struct(resource.inputs),
            news=_struct(checked),
            timeout=timeout,
            preview=preview,
        )
        answer = self._call("Update", request, resource.urn, checked)
        return Resource(resource.urn, resource.id, PropertyValue.unmarshal_map(answer.properties), checked)

    def read(self, resource: Resource) -> Resource | None:
        """The resource as a refresh would put it into state; None if it is gone."""
        request = provider_pb2.ReadRequest(
            urn=resource.urn, id=resource.id, properties=_struct(resource.state), inputs=_struct(resource.inputs)
        )
        answer = self._call("Read", request, resource.urn, resource.inputs)
        if not answer.id:
            return None
        state, inputs = (PropertyValue.unmarshal_map(part) for part in (answer.properties, answer.inputs))
        return Resource(resource.urn, answer.id, state, inputs)

    def cancel(self) -> None:
        """What the engine does when the user interrupts it."""
        self._call("Cancel", empty_pb2.Empty())

    def unrecorded(self, token: str, name: str, resource_id: str) -> Resource:
        """A resource of which the engine knows nothing but its ID, as in an import."""
        return Resource(self._urn(token, name), resource_id, {}, {})

    def delete(self, resource: Resource, timeout: float = 30) -> None:
        request = provider_pb2.DeleteRequest(
            urn=resource.urn, id=resource.id, properties=_struct(resource.state), timeout=timeout
        )
        self._call("Delete", request)

    def _checked(self, token: str, name: str, inputs: Mapping[str, Any]) -> Properties:
        checked = self.check(token, name, inputs)
        assert not checked.failures, checked.failures
        return checked.inputs

    def _rechecked(self, resource: Resource, inputs: Mapping[str, Any]) -> Properties:
        _, _, token, name = resource.urn.rsplit("::", 3)
        checked = self.check(token, name, inputs, resource.inputs)
        assert not checked.failures, checked.failures
        return checked.inputs

    def _urn(self, token: str, name: str) -> str:
        return f"urn:pulumi:test::test::{token}::{name}"

    def _call(self, method: str, request: Any, urn: str = "", inputs: Properties | None = None) -> Any:
        try:
            return getattr(self._stub, method)(request, timeout=60)
        except grpc.RpcError as error:
            raise _error(error, urn, inputs or {}) from error


@contextmanager
def started(executable: str, package: str, **environment: str) -> Iterator[Plugin]:
    """A running plugin, until the block ends."""
    engine, server = FakeEngine(), grpc.server(ThreadPoolExecutor(max_workers=2))
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    process = subprocess.Popen([executable, address], stdout=subprocess.PIPE, text=True, env=os.environ | environment)
    try:
        assert process.stdout is not None
        yield Plugin(int(process.stdout.readline()), engine, package)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
        server.stop(grace=None)


def fields(value: PropertyValue) -> Mapping[str, PropertyValue]:
    """The properties of a property that is a map."""
    assert isinstance(value.value, Mapping)
    return value.value


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return PropertyValue.marshal_map({key: wrap(value) for key, value in values.items()})


def _failure(entry: provider_pb2.CheckFailure) -> str:
    return f"{entry.property}: {entry.reason}"


def _error(error: Any, urn: str, inputs: Properties) -> RefusedError:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                failed = provider_pb2.ErrorResourceInitFailed()
                if detail.Unpack(failed):
                    state = PropertyValue.unmarshal_map(failed.properties)
                    resource = Resource(urn, failed.id, state, inputs)
                    return InitFailedError(error.details(), resource, list(failed.reasons))
    return RefusedError(error.details())
