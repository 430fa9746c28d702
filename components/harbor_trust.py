"""Who trusts Harbor's certificate, and who may pull from it: containerd on the cluster's nodes, Docker on the hubs, and
imagePullSecrets in the cluster.

Both runtimes read these files at each pull, so nothing is restarted for them. Does not own the robots behind the
imagePullSecrets (``components.harbor``).
"""

import base64
import json
from collections.abc import Callable, Mapping

import pulumi

from components.cluster_addons import ClusterAddons, KubernetesObject, annotated
from components.harbor import Harbor, robot_of
from components.host import RemoteHost, Staged
from render import containerd
from render.files import File
from render.hub import ROBOT_PREFIX
from render.parts import TRUST
from settings import Stack

INSTALL = f"lock\ninstall_part {TRUST} >/dev/null\nunlock\n"


def trust(
    stack: Stack, hosts: Mapping[str, RemoteHost], prepared: Mapping[str, Staged], ca: pulumi.Output[str]
) -> list[Staged]:
    """Lays Harbor's CA where the runtimes of nodes and hubs look for it, and takes it away once Harbor is no more."""
    if stack.harbor is None:
        return []
    registry = stack.harbor.registry
    on_nodes = ca.apply(lambda pem: {TRUST: containerd.trusted_registry_files(registry, pem)})
    on_hubs = ca.apply(lambda pem: {TRUST: [File(f"/etc/docker/certs.d/{registry}/ca.crt", pem)]})
    parts = {**dict.fromkeys(stack.nodes(), on_nodes), **dict.fromkeys(stack.hubs(), on_hubs)}
    return [
        hosts[name].stage(
            TRUST, part, parent=hosts[name], depends_on=[prepared[name].command], then=INSTALL, retires="trust"
        )
        for name, part in parts.items()
    ]


def pull_secrets(stack: Stack, harbor: Harbor, addons: ClusterAddons) -> list[KubernetesObject]:
    """The imagePullSecrets that the stack asks for, once their robots are there."""
    if stack.harbor is None:
        return []
    made: list[KubernetesObject] = []
    for secret in stack.harbor.pull_secrets:
        robot = f"{ROBOT_PREFIX}{secret.project}+{robot_of(secret)}"
        config = harbor.pull_passwords[robot_of(secret)].apply(_docker_config(stack.harbor.registry, robot))
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": secret.name, "namespace": secret.namespace},
            "data": {".dockerconfigjson": config},
        }
        name = f"pull-secret-{secret.namespace}-{secret.name}"
        made.append(
            KubernetesObject(
                name,
                annotated(body, {}),
                pulumi.ResourceOptions(parent=addons, provider=addons.provider, depends_on=[harbor.robots]),
            )
        )
    return made


def _docker_config(registry: str, robot: str) -> Callable[[str], str]:
    """What Docker's ``config.json`` says to log in with, for a password that is known later."""

    def config(password: str) -> str:
        login = base64.b64encode(f"{robot}:{password}".encode()).decode()
        auths = {registry: {"username": robot, "password": password, "auth": login}}
        return base64.b64encode(json.dumps({"auths": auths}).encode()).decode()

    return config
