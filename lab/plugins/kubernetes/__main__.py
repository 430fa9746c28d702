"""Started by the engine as ``pulumi-resource-kubernetes``."""

from lab.plugins import base
from lab.plugins.kubernetes.provider import VERSION, KubernetesProvider
from lab.plugins.kubernetes.server import Servicer

base._Servicer = Servicer  # type: ignore[misc]  # serve() takes no servicer of one's own
base.serve(VERSION, KubernetesProvider)
