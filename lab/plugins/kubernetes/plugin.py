"""What the engine knows as plugin ``kubernetes``."""

from lab.plugins import PLUGINS
from lab.plugins.base import Plugin
from lab.plugins.kubernetes.provider import KubernetesProvider
from lab.plugins.kubernetes.server import Servicer

PLUGIN = Plugin(PLUGINS["kubernetes"], KubernetesProvider, Servicer)
