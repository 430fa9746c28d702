"""The plugin under test and the API server it is tested against.

By default the lab's plugin is held to the contract. EVENKEEL_KUBERNETES_PLUGIN names the executable of another one,
such as the official pulumi-resource-kubernetes 4.32.0, which must pass unchanged.
"""

import os
import shlex
import sys
from collections.abc import Iterator

import pytest

from lab.plugins.install import CLONE
from tests.plugins.kubernetes import control_plane
from tests.plugins.kubernetes.control_plane import Api
from tests.plugins.plugin_process import Plugin, started


@pytest.fixture(scope="session")
def executable(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The plugin under test."""
    chosen = os.environ.get("EVENKEEL_KUBERNETES_PLUGIN")
    if chosen:
        return chosen
    path = tmp_path_factory.mktemp("plugin") / "pulumi-resource-kubernetes"
    path.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(CLONE))} exec {shlex.quote(sys.executable)} "
        '-P -m lab.plugins.kubernetes "$@"\n'
    )
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with control_plane.running(tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture(scope="session")
def plugin(executable: str, api: Api) -> Iterator[Plugin]:
    """The plugin with a provider as the program sets it up: ConfigMaps and Secrets change in place."""
    with started(executable, "kubernetes") as running:
        running.configure(
            {"kubeconfig": api.kubeconfig, "enableConfigMapMutable": "true", "enableSecretMutable": "true"}
        )
        yield running


@pytest.fixture(scope="session")
def defaults(executable: str, api: Api) -> Iterator[Plugin]:
    """The plugin with a provider that is given nothing but a kubeconfig."""
    with started(executable, "kubernetes") as running:
        running.configure({"kubeconfig": api.kubeconfig})
        yield running


@pytest.fixture(scope="session")
def unconfigured(executable: str) -> Iterator[Plugin]:
    with started(executable, "kubernetes") as running:
        yield running


@pytest.fixture
def config(api: Api) -> dict[str, str]:
    return {"kubeconfig": api.kubeconfig}


@pytest.fixture
def nowhere(api: Api) -> str:
    """A kubeconfig of an API server that does not listen."""
    return api.kubeconfig.replace(api.server, f"https://127.0.0.1:{control_plane.free_port()}")


@pytest.fixture
def lab_only() -> None:
    """For refusals that are the lab's own: the official plugin implements, or ignores, what is refused."""
    if os.environ.get("EVENKEEL_KUBERNETES_PLUGIN"):
        pytest.skip("a refusal of the lab's own plugin")
