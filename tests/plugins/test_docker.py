"""The contract of pulumi-docker's containers and images, told what a hub's are told (``components.harbor_node``)."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from lab.paths import CLONE
from render.harbor import NETWORK
from tests.plugins import docker_host
from tests.plugins.docker_host import DockerHost
from tests.plugins.engine import Json, Project, blank, engine, project
from tests.ports import free_port

__all__ = ["blank", "engine", "project"]

pytestmark = pytest.mark.built

SECRET = "not-for-any-log"

PROGRAM = """
import sys
sys.path.insert(0, data["clone"])
import pulumi_docker as docker
from components.harbor_node import CONTAINER, NEVER_IN_PLACE, container_inputs
from components.registered import Registered
from render.harbor import Container, HealthCheck, LogDriver, Mount, Port

provider = docker.Provider("engine", **data["engine"])
opts = pulumi.ResourceOptions(provider=provider)
image = docker.RemoteImage("image", name=data["image"], keep_locally=True, triggers={"machine": "a"}, opts=opts)
one = Container(
    "core", "harbor-core", ("core", "harbor"), LogDriver("local", {"max-size": "10m"}),
    user="0:0",
    env={"A": "b", "C": "d"}, secret_env={"SECRET": str}, program="/entrypoint.sh",
    mounts=(Mount(data["folder"], "/out", read_only=False), Mount(data["file"], "/etc/core/environment")),
    ports=(Port(data["port"], 80, "127.0.0.1"),),
    capabilities=("CHOWN", "NET_BIND_SERVICE"),
    health=HealthCheck(("CMD", "true")),
    memory=data["memory"], cpus=0.5, shared_memory=32,
)
made = Registered(CONTAINER, "core", container_inputs(one, data["image"], data["revision"]),
    opts=pulumi.ResourceOptions(provider=provider, depends_on=image, delete_before_replace=True,
        replace_on_changes=NEVER_IN_PLACE, ignore_changes=["memorySwap"]))
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerHost]:
    with docker_host.running(tmp_path_factory.mktemp("docker")) as host:
        yield host


@pytest.fixture
def host(running: DockerHost) -> Iterator[DockerHost]:
    """Nothing on it but the network that a hub's turn makes before its containers."""
    running.docker("network", "create", NETWORK)
    yield running
    running.clear()


@pytest.fixture
def values(host: DockerHost, tmp_path: Path) -> Json:
    """What the program is given."""
    folder, file = tmp_path / "out", tmp_path / "environment"
    folder.mkdir()
    file.write_text(f"SECRET={SECRET}\n")
    paths = {"folder": str(folder), "file": str(file)}
    settings = {"memory": 64, "revision": "first", "image": host.images[0], "port": free_port()}
    return {"clone": str(CLONE), "engine": host.connection(), **paths, **settings}


def up(project: Project, values: Json, **changes: Any) -> None:
    project.program(PROGRAM)
    project.data(**values | changes)
    project.up()


def refresh(project: Project) -> None:
    done = project.run("refresh", "--yes", "--skip-preview")
    assert done.status == 0, done.text


def test_a_container_is_as_it_was_asked_for_and_another_run_changes_nothing(
    project: Project, host: DockerHost, values: Json
) -> None:
    """Core was not found by its name once: a network mode that names the same network had joined it without aliases."""
    up(project, values)
    found = host.inspect("harbor-core")
    assert {"core", "harbor"} <= set(found["NetworkSettings"]["Networks"].pop(NETWORK)["Aliases"])
    assert found["NetworkSettings"]["Networks"] == {}
    config, of_host = found["Config"], found["HostConfig"]
    assert {"A=b", "C=d"} <= set(config["Env"])
    assert config["Labels"] == {"evenkeel.revision": "first"}
    assert (config["User"], config["Healthcheck"]["Test"]) == ("0:0", ["CMD", "true"])
    assert config["Healthcheck"]["Interval"] == 30_000_000_000
    assert {(one["Destination"], one["RW"]) for one in found["Mounts"]} == {
        ("/out", True),
        ("/etc/core/environment", False),
    }
    assert of_host["PortBindings"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(values["port"])}]}
    assert of_host["CapDrop"] == ["ALL"]
    assert sorted(of_host["CapAdd"]) == ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]
    assert (of_host["Memory"], of_host["NanoCpus"], of_host["ShmSize"]) == (64 << 20, 500_000_000, 32 << 20)
    assert of_host["LogConfig"] == {"Type": "local", "Config": {"max-size": "10m"}}
    assert of_host["RestartPolicy"]["Name"] == "always"
    assert project.changes() == {}
    refresh(project)
    assert project.changes() == {}


def test_a_secret_variable_reaches_the_service_and_no_log_of_the_engine(
    project: Project, host: DockerHost, values: Json
) -> None:
    """The plugin writes all that Docker shows of a container into its log: Harbor's passwords lay there once."""
    project.program(PROGRAM)
    project.data(**values)
    said = project.up("--debug", "--logtostderr", "--logflow", "-v=8")
    found = host.inspect("harbor-core")
    assert found["Id"] in said
    assert "NetworkSettings" in said
    assert SECRET not in said + json.dumps(found)
    service = Path(f"/proc/{found['State']['Pid']}/environ")
    assert {f"SECRET={SECRET}", "A=b"} <= set(service.read_text().split("\0"))


def test_another_revision_replaces_the_container_which_has_had_time_to_end(
    project: Project, host: DockerHost, values: Json
) -> None:
    """The first one has its name and its port until it is gone."""
    up(project, values)
    before = host.inspect("harbor-core")["Id"]
    up(project, values, revision="second")
    found = host.inspect("harbor-core")
    assert found["Id"] != before
    assert found["Config"]["Labels"] == {"evenkeel.revision": "second"}
    assert host.containers() == ["harbor-core"]
    assert (Path(values["folder"]) / "ended").read_text() == "by TERM\n"


def test_another_limit_replaces_it_too(project: Project, host: DockerHost, values: Json) -> None:
    """The plugin takes it for a change in place, and makes none."""
    up(project, values)
    project.data(**values | {"memory": 96})
    assert "replace" in project.changes()["core"]
    up(project, values, memory=96)
    assert host.inspect("harbor-core")["HostConfig"]["Memory"] == 96 << 20


def test_another_image_is_pulled_and_the_one_before_stays(project: Project, host: DockerHost, values: Json) -> None:
    """The way back needs no network."""
    up(project, values)
    up(project, values, image=host.images[1])
    assert "IMAGE_VERSION=2" in host.inspect("harbor-core")["Config"]["Env"]
    project.destroy()
    assert host.containers() == []
    for image in host.images:
        host.docker("image", "inspect", image)


def test_a_container_that_is_in_the_way_is_named_in_words_that_an_error_hook_finds(
    project: Project, host: DockerHost, values: Json
) -> None:
    """``HarborNode`` removes it then: an engine that was killed between making one and noting it down leaves it."""
    host.docker("pull", host.images[0])
    host.docker("create", "--name", "harbor-core", host.images[0])
    project.program(PROGRAM)
    project.data(**values)
    assert "already in use by container" in project.failing_up()


def test_a_container_that_is_gone_is_made_anew_after_a_refresh(
    project: Project, host: DockerHost, values: Json
) -> None:
    up(project, values)
    host.docker("rm", "--force", "harbor-core")
    refresh(project)
    up(project, values)
    assert host.inspect("harbor-core")["State"]["Running"]


def test_the_first_preview_asks_no_engine(project: Project, values: Json) -> None:
    """A hub has none before it was prepared."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    values["engine"]["host"] = f"ssh://nobody@127.0.0.1:{port}"
    project.program(PROGRAM)
    project.data(**values)
    assert project.changes()["core"] == "create"


def test_a_host_that_shows_another_key_is_refused(project: Project, host: DockerHost, values: Json) -> None:
    another = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode().strip()
    values["engine"]["ssh_opts"] = host.ssh_options(another)
    project.program(PROGRAM)
    project.data(**values)
    assert "Host key verification failed" in project.failing_up()
    assert host.containers() == []
