"""The provider: one engine behind SSH, and what Pulumi's engine asks of its images and containers.

Owns the connection and what a refresh finds. Does not own a resource's own life (``images``, ``containers``).
"""

import json
from urllib.parse import urlsplit

from pulumi.provider.experimental import provider as sdk

from lab.plugins.base import Engine, PluginError, own_type, unknown_inputs
from lab.plugins.docker import engine as docker
from lab.plugins.docker.containers import Container
from lab.plugins.docker.images import RemoteImage
from lab.plugins.tables import TableProvider
from lab.plugins.values import differences, plain_map, root, wrap

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"
SETTINGS = ("host", "sshOpts", "version")


class DockerProvider(TableProvider):
    """Connects at the first request to the engine, so that neither a preview nor its own start needs one."""

    def __init__(self, engine: Engine) -> None:
        self._daemon = docker.Daemon()
        self._containers = Container(self._daemon)
        super().__init__(engine, {CONTAINER: self._containers, IMAGE: RemoteImage(self._daemon)})

    async def check_config(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        failures = unknown_inputs(request.new_inputs, SETTINGS)
        host = plain_map(request.new_inputs).get("host")
        if not host or urlsplit(str(host)).scheme != "ssh":
            failures.append(sdk.CheckFailure("host", "must be ssh://user@host:port for the lab's plugin"))
        return sdk.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def diff_config(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        """Says no more than which inputs differ: the SDK's server makes "no changes" of a yes, and fails at details."""
        changed = dict(differences(plain_map(request.old_state), plain_map(request.new_inputs)))
        return sdk.DiffResponse(diffs=sorted({root(path) for path in changed}))

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        settings = plain_map(request.args)
        options = settings.get("sshOpts") or []
        self._daemon.set(str(settings["host"]), json.loads(options) if isinstance(options, str) else options)
        return await super().configure(request)

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        """The official plugin asks for the old container's end before the new one's beginning."""
        found = await super().diff(request)
        found.delete_before_replace = own_type(request.urn.split("::")[2]) == CONTAINER
        return found

    async def read(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        if own_type(request.type) != CONTAINER:
            return await super().read(request)
        if not request.inputs:
            raise PluginError(f"container {request.resource_id}: the lab's plugin can't import; create it instead")
        runs = await self._containers.running(request.resource_id)
        if runs is None:
            return sdk.ReadResponse()
        seen = {"mustRun": wrap(runs)}
        return sdk.ReadResponse(request.resource_id, request.properties | seen, request.inputs)
