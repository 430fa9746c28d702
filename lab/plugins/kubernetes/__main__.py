"""Started by the engine as ``pulumi-resource-kubernetes``."""

from lab.plugins import base
from lab.plugins.kubernetes.provider import VERSION, KubernetesProvider
from lab.plugins.kubernetes.server import Servicer

base.serve(VERSION, KubernetesProvider, Servicer)
