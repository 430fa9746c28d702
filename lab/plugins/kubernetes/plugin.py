"""What the engine knows as plugin ``kubernetes``."""

from lab.plugins.base import Plugin
from lab.plugins.kubernetes.provider import VERSION, KubernetesProvider
from lab.plugins.kubernetes.server import Servicer

PLUGIN = Plugin(VERSION, KubernetesProvider, Servicer)
