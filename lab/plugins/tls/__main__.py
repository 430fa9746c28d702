"""Starts the plugin."""

from lab.plugins import PLUGINS
from lab.plugins.base import serve
from lab.plugins.tables import TableProvider
from lab.plugins.tls.resources import RESOURCES

serve(PLUGINS["tls"], lambda engine: TableProvider(engine, RESOURCES))
