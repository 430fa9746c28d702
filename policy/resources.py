"""What policies read from resources: values that a preview knows, and the files on their way to a host.

Does not own any policy.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import yaml
from pulumi_policy.proxy import UnknownValueError

from render.files import File, staged_parts

COMMAND = "command:remote:Command"
MANIFESTS = "/etc/kubernetes/manifests/"
Fault = tuple[str, str]  # a sentence, and the URN of what it is about
Json = dict[str, Any]


class Resource(Protocol):
    """What the policy SDK tells of a resource, alone or in its stack."""

    resource_type: str
    props: Mapping[str, Any]
    urn: str
    name: str
    opts: Any


def known(values: Any, key: str | int) -> Any:
    """A value of a mapping or sequence, or None where there is none or only an ``up`` will tell."""
    try:
        return values[key]
    except (UnknownValueError, LookupError):
        return None


def missing(values: Any, key: str) -> bool:
    """Whether there is no value, not even one that only an ``up`` will tell."""
    try:
        return not values[key]
    except UnknownValueError:
        return False
    except LookupError:
        return True


def script(resource: Resource) -> str:
    """The script that a remote command runs; empty for any other resource."""
    return (known(resource.props, "stdin") or "") if resource.resource_type == COMMAND else ""


def files(resource: Resource) -> Iterator[File]:
    """The files that a remote command lays down."""
    for part in staged_parts(script(resource)).values():
        yield from part


def machine(resource: Resource) -> str | None:
    """Where a remote command runs, unless only an ``up`` will tell."""
    connection = known(resource.props, "connection") or {}
    host = known(connection, "host")
    return f"{host}:{known(connection, 'port') or 22}" if host else None


def static_pods(resources: Sequence[Resource], name: str) -> Iterator[tuple[Resource, Json]]:
    """Each manifest of one kind of static pod, with the command that brings it."""
    for resource in resources:
        for file in files(resource):
            if file.path == f"{MANIFESTS}{name}.yaml":
                yield resource, yaml.safe_load(file.content)


def flags(pod: Json) -> dict[str, str]:
    """The flags of a static pod's only container."""
    words = (word.removeprefix("--").partition("=") for word in pod["spec"]["containers"][0]["command"][1:])
    return {name: value for name, _, value in words}


def pod_specs(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every pod that a resource makes, of a workload in the cluster or of a manifest on a host: name and spec."""
    for file in files(resource):
        if file.path.startswith(MANIFESTS):
            yield file.path, yaml.safe_load(file.content)["spec"]
    if resource.resource_type.startswith("kubernetes:"):
        spec = known(resource.props, "spec") or {}
        if resource.resource_type.endswith(":CronJob"):
            spec = known(known(spec, "jobTemplate") or {}, "spec") or {}
        template = known(spec, "template") if isinstance(spec, Mapping) else None
        name = f"{resource.resource_type.rpartition(':')[2]} {(known(resource.props, 'metadata') or {}).get('name')}"
        if template:
            yield name, template["spec"]
        elif resource.resource_type.endswith(":Pod"):
            yield name, spec


def containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A pod's containers of any kind."""
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [one for kind in kinds for one in spec.get(kind) or ()]
