"""The plugin under test (``tests.plugins.engine`` says which that is) and the API server it is tested against."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.engine import blank, engine, project
from tests.plugins.kubernetes import control_plane
from tests.plugins.kubernetes.control_plane import Api
from tests.plugins.plugin_process import Plugin, started
from tests.ports import free_port

__all__ = ["blank", "engine", "project"]

PLUGIN = "plugins/resource-kubernetes-v4.32.0/pulumi-resource-kubernetes"


@pytest.fixture(scope="session")
def executable(engine: dict[str, str]) -> str:
    """The plugin under test."""
    return str(Path(engine["PULUMI_HOME"]) / PLUGIN)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cluster for each file: which files a process runs, and in what order, must not matter to any of them."""
    with control_plane.running(tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture(scope="module")
def plugin(executable: str, api: Api) -> Iterator[Plugin]:
    """The plugin with a provider as the program sets it up: ConfigMaps and Secrets change in place."""
    with started(executable, "kubernetes") as running:
        running.configure(
            {"kubeconfig": api.kubeconfig, "enableConfigMapMutable": "true", "enableSecretMutable": "true"}
        )
        yield running


@pytest.fixture(scope="module")
def defaults(executable: str, api: Api) -> Iterator[Plugin]:
    """The plugin with a provider that is given nothing but a kubeconfig."""
    with started(executable, "kubernetes") as running:
        running.configure({"kubeconfig": api.kubeconfig})
        yield running


@pytest.fixture(scope="module")
def unconfigured(executable: str) -> Iterator[Plugin]:
    with started(executable, "kubernetes") as running:
        yield running


@pytest.fixture
def config(api: Api) -> dict[str, str]:
    return {"kubeconfig": api.kubeconfig}


@pytest.fixture
def nowhere(api: Api) -> str:
    """A kubeconfig of an API server that does not listen."""
    return api.kubeconfig.replace(api.server, f"https://127.0.0.1:{free_port()}")
