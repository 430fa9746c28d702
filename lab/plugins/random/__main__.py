"""Starts the plugin."""

from lab.plugins import PLUGINS
from lab.plugins.base import serve
from lab.plugins.random.resources import RESOURCES
from lab.plugins.tables import TableProvider

serve(PLUGINS["random"], lambda engine: TableProvider(engine, RESOURCES))
