"""How "written, but not working" reaches the engine, so that state learns of the object all the same.

The SDK's servicer has no word for it; in gRPC it is an error with ErrorResourceInitFailed in its details.
"""

from collections.abc import Coroutine
from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import provider_pb2, status_pb2

from lab.plugins import base
from lab.plugins.kubernetes.objects import Properties

DETAILS = "grpc-status-details-bin"


class InitFailedError(base.PluginError):
    """The object exists with this state, but does not work for these reasons."""

    def __init__(self, identifier: str, state: Properties, inputs: Properties, reasons: list[str]) -> None:
        super().__init__(f"{identifier}: written, but not working: {'; '.join(reasons)}")
        self.identifier = identifier
        self.state = state
        self.inputs = inputs
        self.reasons = reasons

    def details(self) -> bytes:
        """The error as gRPC's rich status."""
        failed = provider_pb2.ErrorResourceInitFailed(
            id=self.identifier,
            properties=PropertyValue.marshal_map(self.state),
            inputs=PropertyValue.marshal_map(self.inputs),
            reasons=self.reasons,
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(self))
        status.details.add().Pack(failed)
        return bytes(status.SerializeToString())


class Servicer(base.Servicer):
    """The plugins' servicer, which also tells the engine of objects that were written but do not work."""

    async def guard(self, work: Coroutine[Any, Any, Any], context: Any) -> Any:
        return await super().guard(self._with_details(work, context), context)

    async def _with_details(self, work: Coroutine[Any, Any, Any], context: Any) -> Any:
        try:
            return await work
        except InitFailedError as error:
            context.set_trailing_metadata(((DETAILS, error.details()),))
            raise
