"""Starts the plugin."""

from lab.plugins import PLUGINS
from lab.plugins.base import serve
from lab.plugins.command.remote import Command
from lab.plugins.tables import TableProvider

serve(PLUGINS["command"], lambda engine: TableProvider(engine, {"command:remote:Command": Command()}))
