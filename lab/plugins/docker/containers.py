"""``docker:index/container:Container``: its inputs, which of them replace it, and its life on the engine.

Owns the words of Docker's interface for a container. Does not own the way there (``engine``).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lab.plugins.base import Level, PluginError
from lab.plugins.docker import durations
from lab.plugins.docker.engine import ApiError, Daemon, Json
from lab.plugins.tables import Call, Input, Resource, Values

MEBIBYTE = 1024 * 1024
DEFAULT_NETWORK = "bridge"
IN_PLACE = {"restart", "mustRun"}
"""What an update changes on the host."""
NOWHERE = {"destroyGraceSeconds", "healthcheck"}
"""What the official plugin takes for an update too, and changes nothing on the host for."""


class Container(Resource):
    """A running container, found by its name."""

    inputs: ClassVar = {
        "name": Input(required=True, replaces=True),
        "image": Input(required=True, replaces=True),
        "envs": Input(list, replaces=True, items=str),
        "labels": Input(list, replaces=True, items=dict),
        "user": Input(replaces=True),
        "command": Input(list, replaces=True, items=str),
        "entrypoints": Input(list, replaces=True, items=str),
        "mounts": Input(list, replaces=True, items=dict),
        "ports": Input(list, replaces=True, items=dict),
        "capabilities": Input(dict, replaces=True, fields={"adds": Input(list), "drops": Input(list)}),
        "memory": Input(int),
        "cpus": Input(replaces=True),
        "shmSize": Input(int, replaces=True),
        "logDriver": Input(replaces=True),
        "logOpts": Input(dict, replaces=True),
        "networksAdvanced": Input(list, replaces=True, items=dict),
        "restart": Input(default="no", choices=("no", "always", "on-failure", "unless-stopped")),
        "healthcheck": Input(dict),
        "destroyGraceSeconds": Input(int),
        "mustRun": Input(bool, default=True),
    }

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def create(self, call: Call) -> tuple[str, Values]:
        engine, name = self._daemon.engine, call.inputs["name"]
        try:
            made = await engine.post("/containers/create", _description(call.inputs), name=name)
        except ApiError as error:
            raise PluginError(f"Unable to create container: {error}") from error
        identity = str(made["Id"])
        try:
            await self._join(identity, call.inputs.get("networksAdvanced") or [])
            await engine.post(f"/containers/{identity}/start")
        except ApiError as error:
            await engine.delete(f"/containers/{identity}", force="true", v="true")
            raise PluginError(f"unable to start container: {error}") from error
        shown = await engine.find(f"/containers/{identity}/json")
        await call.engine.log(call.urn, f"container inspect: {shown}", Level.DEBUG)  # as the official plugin tells it
        return identity, {}

    async def _join(self, identity: str, networks: Sequence[Mapping[str, Any]]) -> None:
        """In place of the default network, and after the container was made, as the official plugin does it."""
        engine = self._daemon.engine
        if networks:
            await engine.post(f"/networks/{DEFAULT_NETWORK}/disconnect", {"Container": identity})
        for network in networks:
            endpoint = {"Aliases": network.get("aliases") or []}
            body = {"Container": identity, "EndpointConfig": endpoint}
            await engine.post(f"/networks/{network['name']}/connect", body)

    async def update(self, call: Call) -> Values:
        changed = {name for name in self.inputs if call.inputs.get(name) != call.old.get(name)}
        beyond = changed - IN_PLACE - NOWHERE
        if beyond:
            raise PluginError(f"the lab's plugin does not change {', '.join(sorted(beyond))} in place")
        engine, path = self._daemon.engine, f"/containers/{call.inputs['name']}"
        if "restart" in changed:
            await engine.post(f"{path}/update", {"RestartPolicy": {"Name": call.inputs["restart"]}})
        if "mustRun" in changed:
            await engine.post(f"{path}/start")
        return {}

    async def delete(self, call: Call) -> None:
        """Without ``destroyGraceSeconds`` it is killed at once, as by the official plugin. One that is gone is fine."""
        engine, path = self._daemon.engine, f"/containers/{call.inputs['name']}"
        if await engine.find(f"{path}/json") is None:
            return
        grace = call.inputs.get("destroyGraceSeconds")
        if grace:
            await engine.post(f"{path}/stop", t=grace)
        await engine.delete(path, force="true", v="true")

    async def running(self, identity: str) -> bool | None:
        """Whether it runs; None when there is no such container."""
        found = await self._daemon.engine.find(f"/containers/{identity}/json")
        return None if found is None else bool(found["State"]["Running"])


def _description(inputs: Values) -> Json:
    """The container as ``POST /containers/create`` takes it."""
    ports = inputs.get("ports") or []
    return {
        "Image": inputs["image"],
        "Env": inputs.get("envs") or [],
        "Labels": {label["label"]: label["value"] for label in inputs.get("labels") or []},
        "User": inputs.get("user") or "",
        "Cmd": inputs.get("command"),
        "Entrypoint": inputs.get("entrypoints"),
        "ExposedPorts": {_inside(port): {} for port in ports},
        "Healthcheck": _health(inputs["healthcheck"]) if inputs.get("healthcheck") else None,
        "HostConfig": _host_config(inputs, ports),
    }


def _host_config(inputs: Values, ports: list[Mapping[str, Any]]) -> Json:
    capabilities = inputs.get("capabilities") or {}
    config: Json = {
        "Mounts": [_mount(mount) for mount in inputs.get("mounts") or []],
        "PortBindings": {
            _inside(port): [{"HostIp": port.get("ip", "0.0.0.0"), "HostPort": str(port["external"])}] for port in ports
        },
        "CapAdd": capabilities.get("adds"),
        "CapDrop": capabilities.get("drops"),
        "NetworkMode": DEFAULT_NETWORK,
        "RestartPolicy": {"Name": inputs["restart"]},
    }
    if inputs.get("memory"):
        config["Memory"] = inputs["memory"] * MEBIBYTE
    if inputs.get("cpus"):
        config["NanoCpus"] = durations.nanocpus(inputs["cpus"])
    if inputs.get("shmSize"):
        config["ShmSize"] = inputs["shmSize"] * MEBIBYTE
    if inputs.get("logDriver"):
        config["LogConfig"] = {"Type": inputs["logDriver"], "Config": inputs.get("logOpts") or {}}
    return config


def _inside(port: Mapping[str, Any]) -> str:
    return f"{port['internal']}/{port.get('protocol', 'tcp')}"


def _mount(mount: Mapping[str, Any]) -> Json:
    unknown = {*mount} - {"type", "source", "target", "readOnly"}
    if unknown or mount["type"] != "bind":
        raise PluginError(f"mount {mount['target']}: the lab's plugin implements bind mounts of a source and a target")
    return {
        "Type": "bind",
        "Source": mount["source"],
        "Target": mount["target"],
        "ReadOnly": bool(mount.get("readOnly")),
    }


def _health(check: Mapping[str, Any]) -> Json:
    times = {"interval": "Interval", "timeout": "Timeout", "startPeriod": "StartPeriod"}
    unknown = {*check} - {*times, "tests", "retries"}
    if unknown:
        raise PluginError(f"healthcheck: the lab's plugin does not implement {', '.join(sorted(unknown))}")
    spoken = {word: durations.nanoseconds(check[name]) for name, word in times.items() if check.get(name)}
    return {"Test": check["tests"], "Retries": check.get("retries") or 0, **spoken}
