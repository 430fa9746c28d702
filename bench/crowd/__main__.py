"""Preparation and nothing else: every host of the stack checked, then every host prepared (``bench.added_host``)."""

import pulumi

from components import configuration
from components.host import RemoteHost, RemoteHostArgs
from components.preparation import Preparation, PreparationArgs

stack = configuration.stack(pulumi.Config("evenkeel"))
hosts = {name: RemoteHost(name, RemoteHostArgs(host)) for name, host in stack.hosts.items()}
Preparation("preparation", PreparationArgs(stack, hosts))
