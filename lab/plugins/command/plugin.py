"""What the engine knows as plugin ``command``."""

from typing import Any

from google.protobuf import empty_pb2  # type: ignore[import-untyped]  # ships no types

from lab.plugins import PLUGINS
from lab.plugins.base import Plugin, Servicer
from lab.plugins.command.remote import Command
from lab.plugins.tables import TableProvider


class _Servicer(Servicer):
    """Waits for what runs on a host, as the official plugin does: an interrupted engine ends when its steps have."""

    async def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        return empty_pb2.Empty()


PLUGIN = Plugin(
    PLUGINS["command"], lambda engine: TableProvider(engine, {"command:remote:Command": Command()}), _Servicer
)
