"""Plugin servers that say yes: a state grows as in a real ``up``, and no host, engine or cluster is asked for anything.

Everything but the doing is the lab's own: which inputs there are, what is a change, and what a preview says of it.
A command whose name stands in ``EVENKEEL_TEST_FAILING`` fails.
"""

import os
import secrets
from pathlib import Path

from pulumi.provider.experimental import provider as sdk

from lab.plugins import PLUGINS
from lab.plugins.base import Engine, Plugin, PluginError
from lab.plugins.command.remote import Command
from lab.plugins.docker.containers import Container
from lab.plugins.docker.engine import Daemon
from lab.plugins.docker.images import RemoteImage
from lab.plugins.docker.provider import CONTAINER, IMAGE, DockerProvider
from lab.plugins.install import write_plugin
from lab.plugins.kubernetes import apply, kinds, objects
from lab.plugins.kubernetes.provider import KubernetesProvider
from lab.plugins.tables import Call, TableProvider, Values
from lab.plugins.values import plain_map

CLONE = Path(__file__).resolve().parents[2]
STANDING_IN = ("command", "docker", "kubernetes")


def install(home: Path, python: Path) -> None:
    """Puts them in the place of the lab's own in ``home``, a PULUMI_HOME."""
    for name in STANDING_IN:
        program = home / "plugins" / f"resource-{name}-v{PLUGINS[name]}" / f"pulumi-resource-{name}"
        write_plugin(program, python, f"{__name__}:{name.upper()}")


class _Command(Command):
    async def create(self, call: Call) -> tuple[str, Values]:
        return call.name, await self.update(call)

    async def update(self, call: Call) -> Values:
        if call.name in os.environ.get("EVENKEEL_TEST_FAILING", "").split():
            raise PluginError(f"{call.name}: fails, as it was told to")
        return {"stdout": f"{secrets.token_hex(4)}\n", "stderr": ""}

    async def delete(self, call: Call) -> None:
        """There is nothing on any host."""


class _Container(Container):
    async def create(self, call: Call) -> tuple[str, Values]:
        return secrets.token_hex(8), {}

    async def delete(self, call: Call) -> None:
        """There is nothing in any engine."""


class _Image(RemoteImage):
    async def create(self, call: Call) -> tuple[str, Values]:
        return call.inputs["name"], {"imageId": call.inputs["name"], "repoDigest": call.inputs["name"]}


class _Docker(DockerProvider):
    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._resources = {CONTAINER: _Container(Daemon()), IMAGE: _Image(Daemon())}


class _NoCluster:
    async def unreachable(self) -> str:
        return "there is none"


class _Kubernetes(KubernetesProvider):
    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        answer = await super().configure(request)
        self._cluster = _NoCluster()  # type: ignore[assignment]
        return answer

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        if request.preview:
            return sdk.CreateResponse("", request.properties)
        obj = plain_map(request.properties)
        state = objects.to_state(obj, obj, request.properties, apply.field_manager(obj))
        return sdk.CreateResponse(f"{kinds.from_token(request.type)} {objects.name_of(obj)}", state)

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        obj = plain_map(request.news)
        return sdk.UpdateResponse(objects.to_state(obj, obj, request.news, apply.field_manager(obj)))

    async def delete(self, request: sdk.DeleteRequest) -> None:
        """There is nothing in any cluster."""


COMMAND = Plugin(PLUGINS["command"], lambda engine: TableProvider(engine, {"command:remote:Command": _Command()}))
DOCKER = Plugin(PLUGINS["docker"], _Docker)
KUBERNETES = Plugin(PLUGINS["kubernetes"], _Kubernetes)
