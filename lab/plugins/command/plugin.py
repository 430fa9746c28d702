"""What the engine knows as plugin ``command``."""

from lab.plugins import PLUGINS
from lab.plugins.base import Plugin
from lab.plugins.command.remote import Command
from lab.plugins.tables import TableProvider

PLUGIN = Plugin(PLUGINS["command"], lambda engine: TableProvider(engine, {"command:remote:Command": Command()}))
