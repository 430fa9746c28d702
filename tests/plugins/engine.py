"""A real engine with a project and state of its own: what the contract tests of the plugins drive.

The tests hold for the official plugins too. To point them there, name a PULUMI_HOME that holds those in
``EVENKEEL_OFFICIAL_HOME``; ``pulumi`` and its language host are then those of the path.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.plugins.install import install

OFFICIAL_HOME = os.environ.get("EVENKEEL_OFFICIAL_HOME")
PROJECT = f"""\
name: contract
runtime:
  name: python
  options: {{toolchain: pip, virtualenv: {sys.prefix}}}
"""
STATE_FILE = "state/.pulumi/stacks/contract/contract.json"
TIMEOUT_SECONDS = 60
Json = dict[str, Any]

lab_only = pytest.mark.skipif(
    bool(OFFICIAL_HOME), reason="the lab's plugin refuses or bears what the official one does not"
)


@dataclass(frozen=True)
class Outcome:
    """What one run of the engine said and how it ended."""

    status: int
    text: str


@dataclass(frozen=True)
class Project:
    """A program and its stack."""

    folder: Path
    environment: dict[str, str]

    def program(self, text: str) -> None:
        """Sets the program; `connection` and other plain data come in as JSON beside it."""
        (self.folder / "__main__.py").write_text(PREAMBLE + textwrap.dedent(text))

    def data(self, **values: Any) -> None:
        """Sets what the program finds in ``data``."""
        (self.folder / "data.json").write_text(json.dumps(values))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts the engine and does not wait for it."""
        command = ["pulumi", "--non-interactive", "--color=never", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True, stdout=pipe, stderr=subprocess.STDOUT
        )

    def run(self, *arguments: str) -> Outcome:
        """Runs the engine to its end."""
        process = self.start(*arguments)
        try:
            text, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Outcome(process.returncode, text)

    def up(self, *arguments: str) -> str:
        """Runs the program; it must succeed."""
        done = self.run("up", "--yes", "--skip-preview", *arguments)
        assert done.status == 0, done.text
        return done.text

    def failing_up(self, *arguments: str) -> str:
        """Runs the program; it must fail."""
        done = self.run("up", "--yes", "--skip-preview", *arguments)
        assert done.status != 0, done.text
        return done.text

    def destroy(self) -> str:
        """Removes everything; it must succeed."""
        done = self.run("destroy", "--yes", "--skip-preview")
        assert done.status == 0, done.text
        return done.text

    def steps(self) -> dict[str, Json]:
        """A preview's steps by resource name."""
        done = subprocess.run(
            ["pulumi", "--non-interactive", "preview", "--json"],
            cwd=self.folder,
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {step["urn"].split("::")[-1]: step for step in json.loads(done.stdout)["steps"]}

    def changes(self) -> dict[str, str]:
        """A preview's operations by resource name; what stays the same is left out."""
        return {name: step["op"] for name, step in self.steps().items() if step["op"] != "same"}

    def outputs(self) -> Json:
        """The stack's outputs, secrets in clear."""
        done = self.run("stack", "output", "--json", "--show-secrets")
        assert done.status == 0, done.text
        answer: Json = json.loads(done.text)
        return answer

    def resources(self) -> dict[str, Json]:
        """The state's resources by name, secrets encrypted."""
        state = json.loads((self.folder / STATE_FILE).read_text())
        found = state["checkpoint"]["latest"].get("resources", [])
        return {item["urn"].split("::")[-1]: item for item in found}

    def processes(self) -> list[int]:
        """The engines, plugins and programs that run for this project: all have its state's address around them."""
        own = f"PULUMI_BACKEND_URL={self.environment['PULUMI_BACKEND_URL']}\0".encode()
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if own in _environment(path)]

    def state_text(self) -> str:
        """All that the state's files hold."""
        return "".join(path.read_text() for path in self.folder.rglob("state/**/*.json*"))


PREAMBLE = """\
import json
import pathlib

import pulumi

data = json.loads(pathlib.Path("data.json").read_text())
"""
SECRET_MARK = "4dabf18193072939515e22adb298388d"


def is_secret(value: Any) -> bool:
    """Whether a value of the exported state is an encrypted secret."""
    return isinstance(value, dict) and SECRET_MARK in value


def _environment(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def wait_until(condition: Any, what: str, seconds: float = 15) -> None:
    """Waits for a condition, or fails by name."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"after {seconds} s still not: {what}"
        time.sleep(0.05)


def kill_engine(process: subprocess.Popen[str]) -> None:
    """Kills the engine the hard way."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_SECONDS)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that finds the engine and the plugins under test."""
    common = {"PULUMI_SKIP_UPDATE_CHECK": "1", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1"}
    if OFFICIAL_HOME:
        return os.environ | common | {"PULUMI_HOME": OFFICIAL_HOME}
    home = tmp_path_factory.mktemp("pulumi")
    install(home, home / "bin", Path(sys.executable))
    return os.environ | common | {"PULUMI_HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture(scope="session")
def blank(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose stack has nothing yet; copied, as making one takes longer than many a test."""
    folder = tmp_path_factory.mktemp("blank")
    (folder / "state").mkdir()
    (folder / "Pulumi.yaml").write_text(PROJECT)
    made = Project(folder, engine | _own(folder))
    made.data()
    done = made.run("stack", "init", "contract")
    assert done.status == 0, done.text
    return folder


@pytest.fixture
def project(engine: dict[str, str], blank: Path, tmp_path: Path) -> Iterator[Project]:
    """A fresh project with a stack and a state folder of its own; what a failed test leaves running is ended."""
    folder = tmp_path / "project"
    shutil.copytree(blank, folder)
    made = Project(folder, engine | _own(folder))
    yield made
    for process in made.processes():
        os.kill(process, signal.SIGKILL)


def _own(folder: Path) -> dict[str, str]:
    backend = f"file://{folder / 'state'}"
    return {"PULUMI_BACKEND_URL": backend, "PULUMI_CONFIG_PASSPHRASE": "contract", "PULUMI_STACK": "contract"}
