"""What the engine knows as plugin ``docker``."""

from lab.plugins import PLUGINS
from lab.plugins.base import Plugin
from lab.plugins.docker.provider import DockerProvider

PLUGIN = Plugin(PLUGINS["docker"], DockerProvider)
