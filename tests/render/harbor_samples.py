"""Hubs for tests: the sample stack with Harbor in the shapes that a user may give it, and secrets named for a test."""

import copy
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from render.files import File
from render.harbor import Container, HarborSecrets, containers, plain_files, secret_files
from settings import Host, Stack, parse
from tests.settings import samples

# As a user's password may be, with all that a URL or a file could stumble over.
REDIS_PASSWORD = 'p@ss/w:rd "q'
SECRETS = HarborSecrets(**{field.name: f"<{field.name}>" for field in fields(HarborSecrets)})
S3 = {"s3": {"region": "eu-1", "bucket": "images", "endpoint": "https://s3.example.com", "accessKey": "AK"}}
SENTINELS = {"addresses": ["192.0.2.52:26379", "192.0.2.53:26379"], "sentinelMaster": "mymaster"}


def stack(root: Path, version: str = "2.15.2", **harbor: Any) -> Stack:
    """The sample with two hubs; ``harbor`` replaces keys of its section, and removes those that are None.

    ``redisPassword`` is no key of the section, but the secret beside it.
    """
    samples.write_files(root)
    values = copy.deepcopy(samples.with_harbor())
    section = values["harbor"] | {key: value for key, value in harbor.items() if key != "redisPassword"}
    values["harbor"] = {key: value for key, value in section.items() if value is not None}
    if harbor.get("redisPassword"):
        values["harborRedisPassword"] = harbor["redisPassword"]
    if "accessKey" in values["harbor"]["storage"].get("s3", {}):
        values["harborStorageSecretKey"] = "SK"
    return at(parse(values, root), version)


def at(stack: Stack, version: str) -> Stack:
    """The same stack with another Harbor."""
    file = stack.release.file
    versions = file.versions.model_copy(update={"harbor": version})
    return replace(stack, release=replace(stack.release, file=file.model_copy(update={"versions": versions})))


def bundled(root: Path, version: str = "2.15.2") -> Stack:
    """The sample with PostgreSQL and Redis on hub1."""
    return stack(root, version, store="bundled", bundledOn="hub1", database=None, redis=None)


def hub(stack: Stack, name: str = "hub1") -> Host:
    """One of the stack's hubs."""
    return stack.hubs()[name]


def plain(stack: Stack, name: str = "hub1") -> dict[str, File]:
    """A hub's plain files by path."""
    return {file.path: file for file in plain_files(stack, hub(stack, name))}


def secret(stack: Stack, name: str = "hub1", secrets: HarborSecrets = SECRETS) -> dict[str, File]:
    """A hub's secret files by path."""
    return {file.path: file for file in secret_files(stack, hub(stack, name), secrets)}


def run(stack: Stack, name: str = "hub1") -> dict[str, Container]:
    """A hub's containers by service."""
    return {container.service: container for container in containers(stack, hub(stack, name))}


def described(stack: Stack, name: str = "hub1") -> dict[str, tuple[Container, dict[str, str]]]:
    """The same in a form that can be compared: without the functions, and with what they return."""
    return {
        service: (replace(container, secret_env={}), container.secret_values(SECRETS))
        for service, container in run(stack, name).items()
    }


def environment(stack: Stack, service: str, name: str = "hub1", secrets: HarborSecrets = SECRETS) -> dict[str, str]:
    """All variables of a service, the secret ones filled in."""
    container = run(stack, name)[service]
    return {**container.env, **container.secret_values(secrets)}
