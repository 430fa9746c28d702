"""What the engine knows as plugin ``random``."""

from lab.plugins import PLUGINS
from lab.plugins.base import Plugin
from lab.plugins.random.resources import RESOURCES
from lab.plugins.tables import TableProvider

PLUGIN = Plugin(PLUGINS["random"], lambda engine: TableProvider(engine, RESOURCES))
