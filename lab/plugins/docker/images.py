"""``docker:index/remoteImage:RemoteImage``: an image that the engine has pulled.

Owns pulling and what state says of the image. Does not own removing one: the lab's plugin wants ``keepLocally``.
"""

from collections.abc import Iterator
from typing import ClassVar

from lab.plugins.base import PluginError
from lab.plugins.docker.engine import Daemon
from lab.plugins.tables import Call, Input, Resource, Values


class RemoteImage(Resource):
    """Pulled only if the engine does not have it."""

    inputs: ClassVar = {
        "name": Input(required=True, replaces=True),
        "keepLocally": Input(bool),
        "triggers": Input(dict, replaces=True),
    }
    outputs: ClassVar = {"imageId": False, "repoDigest": False}

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        if inputs.get("keepLocally") is not True:
            yield "keepLocally", "must be true: the lab's plugin does not remove images"

    async def create(self, call: Call) -> tuple[str, Values]:
        name = call.inputs["name"]
        engine = self._daemon.engine
        found = await engine.find(f"/images/{name}/json")
        if found is None:
            await engine.pull(name)
            found = await engine.find(f"/images/{name}/json")
        if found is None:
            raise PluginError(f"unable to find or pull image {name}")
        outputs = {"imageId": found["Id"], "repoDigest": next(iter(found["RepoDigests"] or [""]))}
        return f"{found['Id']}{name}", outputs
