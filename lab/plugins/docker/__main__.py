"""Starts the plugin."""

from lab.plugins import PLUGINS
from lab.plugins.base import serve
from lab.plugins.docker.provider import DockerProvider

serve(PLUGINS["docker"], DockerProvider)
