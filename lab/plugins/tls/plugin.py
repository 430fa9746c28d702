"""What the engine knows as plugin ``tls``."""

from lab.plugins import PLUGINS
from lab.plugins.base import Plugin
from lab.plugins.tables import TableProvider
from lab.plugins.tls.resources import RESOURCES

PLUGIN = Plugin(PLUGINS["tls"], lambda engine: TableProvider(engine, RESOURCES))
