"""One hub: what is staged there, and its turn, in which its containers become those that the stack wants.

A turn has three parts. ``hub-leave.sh`` takes the hub out of service and installs what is staged; pulumi-docker
replaces the containers that this concerns, and no others; ``hub-return.sh`` waits until Harbor is well here and lets
clients in. Owns that order on one hub. Does not own what files and containers are like (``render.harbor``), what the
scripts do, or which hub has its turn when (``components.harbor``).

Whether a container must be replaced shows in a label that it bears, ``evenkeel.revision``: a keyed digest of all that
it is made of, files that it reads at its start included. Docker itself sees no change in a mounted file.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker

from components.docker_engine import DockerEngine
from components.harbor_secrets import HubSecrets
from components.host import TELL_RUN, Parts, RemoteHost, Staged, run_of
from components.registered import Registered
from components.remote_command import RemoteCommand
from render import harbor, hub, parts
from render.harbor import Container, HarborSecrets, HealthCheck, environment
from render.hub import Keys
from render.scripts import call
from settings import Stack

CONTAINER = "docker:index/container:Container"
REVISION = "evenkeel.revision"
SECONDS_TO_STOP = 30
# What the plugin takes for a change that can be made in place, and isn't; and a container that never came up.
NEVER_IN_PLACE = ["healthcheck", "tmpfs", "memory", "#initerror"]


@dataclass(frozen=True)
class HarborNodeArgs:
    """``prepared``: what ends when this hub was found fit and prepared."""

    stack: Stack
    host: RemoteHost
    prepared: Staged
    secrets: HubSecrets


class HarborNode(pulumi.ComponentResource):
    """``ready`` is what a turn needs and interrupts nothing: files and images on the host. ``returned`` ends it."""

    returned: RemoteCommand

    def __init__(self, name: str, args: HarborNodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:HarborNode", name, None, opts)
        self.host, self._stack, self._secrets = args.host, args.stack, args.secrets
        self._node = args.host.settings
        self._machine = hashlib.sha256(f"{self._node.address} {self._node.ssh.host_key}".encode()).hexdigest()[:12]
        self._engine = DockerEngine(self._node, self)
        self._in_the_way = pulumi.ErrorHook(f"{name}-in-the-way", self._remove_unknown)
        self._containers = harbor.containers(args.stack, self._node)
        self._plain = parts.hub_files(args.stack, self._node)
        keys = pulumi.Output.all(fingerprint=args.secrets.fingerprint_key, probe=args.secrets.probe_password)
        given = pulumi.Output.all(args.secrets.values, keys.apply(lambda done: Keys(**done)))
        self._revisions = given.apply(lambda done: self._revisions_of(*done))
        prepared = [args.prepared.command]
        self._staged = [
            args.host.stage("harbor", {hub.PLAIN_PART: self._plain}, parent=self, depends_on=prepared),
            args.host.stage(
                "harbor-secrets",
                given.apply(lambda done: self._secret_parts(*done)),
                parent=self,
                depends_on=prepared,
                secret=True,
            ),
        ]
        self._images = {one.image: self._image(one.image, prepared) for one in self._containers}
        self.ready: list[pulumi.Resource] = [*(one.command for one in self._staged), *self._images.values()]
        self.register_outputs({"address": self._node.address})

    def take_turn(self, after: pulumi.Input[Sequence[pulumi.Resource]], admitted_by: Sequence[pulumi.Resource]) -> None:
        """The turn begins when ``after`` is done and ends once ``admitted_by``, the load balancers, send clients.

        When the role is given up, its first step is the one that takes it away: the engine ends the containers before
        what they depend on, and their provider, with the images, after it.
        """
        left = self.host.run("leave", self._leave_body(), self, after, because=self._runs(), retires="hub")
        made: dict[str, Registered] = {}
        for one in self._containers:
            before = [left, self._images[one.image], *(made[service] for service in one.after if service in made)]
            made[one.service] = self._container(one, before)
        because = pulumi.Output.concat(" ", run_of(left), *(part for one in made.values() for part in (" ", one.id)))
        body = f"{call('hub-return.sh', self._variables())}{TELL_RUN}"
        self.returned = self.host.run("return", body, self, [*made.values(), *admitted_by], because=because)

    def _variables(self) -> dict[str, str]:
        return {"EVENKEEL_HOST": self._node.name}

    def _leave_body(self) -> pulumi.Output[str]:
        revisions = pulumi.Output.all(*(one.revision for one in self._staged))
        text = f"{call('hub-leave.sh', self._variables())}{TELL_RUN}"
        return revisions.apply(lambda digests: f"# For what is staged as {' '.join(digests)}\n{text}")

    def _runs(self) -> pulumi.Output[str]:
        return pulumi.Output.concat(*(pulumi.Output.concat(" ", one.run) for one in self._staged))

    def _revisions_of(self, secrets: HarborSecrets, keys: Keys) -> dict[str, str]:
        files = [*self._plain, *harbor.secret_files(self._stack, self._node, secrets)]
        where = f"{self._machine} {self._stack.repair}"
        images = {one.name: self._stack.release.image(one.image) for one in self._containers}
        return {
            one.name: hub.revision(keys.fingerprint, one, images[one.name], secrets, files, where)
            for one in self._containers
        }

    def _secret_parts(self, secrets: HarborSecrets, keys: Keys) -> Parts:
        rendered = harbor.secret_files(self._stack, self._node, secrets)
        revisions = self._revisions_of(secrets, keys)
        everything = [*self._plain, *rendered]
        own = hub.secret_files(self._stack, self._containers, revisions, secrets, keys, everything)
        return {hub.SECRET_PART: [*rendered, *own]}

    def _image(self, image: str, depends_on: Sequence[pulumi.Resource]) -> docker.RemoteImage:
        """Kept when another takes its place: the way back needs no network."""
        return docker.RemoteImage(
            f"{self._node.name}-{image}",
            name=self._stack.release.image(image),
            keep_locally=True,
            triggers={"machine": self._machine},
            opts=pulumi.ResourceOptions(
                parent=self, provider=self._engine.provider, depends_on=depends_on, deleted_with=self.host
            ),
        )

    def _container(self, one: Container, depends_on: Sequence[pulumi.Resource]) -> Registered:
        revision = pulumi.Output.unsecret(self._revisions.apply(lambda revisions: revisions[one.name]))
        image = self._stack.release.image(one.image)
        return Registered(
            CONTAINER,
            f"{self._node.name}-{one.name}",
            container_inputs(one, image, revision),
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=self._engine.provider,
                depends_on=depends_on,
                deleted_with=self.host,
                delete_before_replace=True,
                replace_on_changes=NEVER_IN_PLACE,
                ignore_changes=["memorySwap"],
                hooks=pulumi.ResourceHookBinding(on_error=[self._in_the_way]),
            ),
        )

    def _remove_unknown(self, failed: pulumi.ErrorHookArgs) -> bool:
        """An engine that was killed between making a container and noting it down leaves one in the way, and so does a
        repair by hand. It goes when another comes in its place, and never before: it may be what serves."""
        container = failed.name.removeprefix(f"{self._node.name}-")
        if failed.failed_operation != "create" or "already in use by container" not in failed.errors[0]:
            return False
        pulumi.log.warn(f"{self._node.name}: a container {container} is there that no state knows; replacing it")
        return self._engine.remove(container)


def container_inputs(one: Container, image: str, revision: pulumi.Input[str]) -> dict[str, Any]:
    """What pulumi-docker is told of a container, by its schema's names; no secret is among it.

    Values are written as Docker repeats them: another spelling of the same would be a change on every run. No
    ``networkMode``: what it names is joined first, without the aliases, which no later joining adds.
    """
    return {
        "name": one.name,
        "image": image,
        "labels": [{"label": REVISION, "value": revision}],
        "envs": [f"{name}={value}" for name, value in one.env.items()] or None,
        "entrypoints": environment.entrypoint(one),
        "user": one.user,
        "mounts": [
            {"type": "bind", "source": mount.source, "target": mount.target, "readOnly": mount.read_only}
            for mount in one.mounts
        ],
        "ports": [
            {"internal": port.internal, "external": port.external, "ip": port.address, "protocol": port.protocol}
            for port in one.ports
        ]
        or None,
        "capabilities": {"drops": ["ALL"], "adds": [f"CAP_{capability}" for capability in one.capabilities]},
        "healthcheck": _health_check(one.health) if one.health else None,
        "memory": one.memory,
        "cpus": str(one.cpus) if one.cpus else None,
        "shmSize": one.shared_memory,
        "logDriver": one.log.name,
        "logOpts": dict(one.log.options),
        "networksAdvanced": [{"name": harbor.NETWORK, "aliases": list(one.aliases)}],
        "restart": one.restart,
        "destroyGraceSeconds": SECONDS_TO_STOP,
    }


def _health_check(health: HealthCheck) -> dict[str, Any]:
    return {
        "tests": list(health.test),
        "interval": health.interval,
        "timeout": health.timeout,
        "startPeriod": health.start_period,
        "retries": health.retries,
    }
