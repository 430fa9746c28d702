"""A folder with the program and stacks of its own, as a user's clone is one, for the real engine to run.

The program's packages are links to this clone's; releases are copies, so that a test can have releases of its own.
Does not own what answers in the place of hosts (``tests.hostless.plugins``).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.plugins.install import install
from releases.store import read_release, release_digest
from settings.secret_keys import SECRETS
from tests.hostless import plugins
from tests.settings import samples

LINKED = ("Pulumi.yaml", "__main__.py", "components", "ops", "policy", "render", "scripts", "settings")
TIMEOUT_SECONDS = 600  # an `up` of a whole stack on a machine that does other things too
Json = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """The folder, and the environment in which ``pulumi`` and ``python -m ops`` run there."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def stack(self, name: str, values: Mapping[str, Any]) -> None:
        """Makes or changes a stack's file; what is secret in the samples is encrypted, as a user would do it."""
        path = self.folder / f"Pulumi.{name}.yaml"
        if not path.exists():
            path.write_text("config: {}\n")
            self.pulumi("stack", "init", name)
        content = yaml.safe_load(path.read_text())
        kept = {
            key: value
            for key, value in content.get("config", {}).items()
            if isinstance(value, dict) and "secure" in value
        }
        plain = {f"evenkeel:{key}": value for key, value in values.items() if key not in SECRETS}
        path.write_text(yaml.safe_dump(content | {"config": plain | kept}, sort_keys=False))
        for key, value in values.items():
            if key in SECRETS and f"evenkeel:{key}" not in kept:
                self.pulumi("config", "set", "--secret", f"evenkeel:{key}", value, "--stack", name)

    def pulumi(self, *arguments: str, fails: bool = False, **environment: str) -> str:
        """What one run of the engine said on standard output; it must succeed, or fail."""
        return self._run(["pulumi", "--non-interactive", "--color=never", *arguments], fails, environment)[0]

    def up(self, stack: str, *arguments: str, fails: bool = False, **environment: str) -> str:
        """``pulumi up`` without its preview."""
        words = ["up", "--yes", "--skip-preview", "--suppress-outputs", "--stack", stack, *arguments]
        return self.pulumi(*words, fails=fails, **environment)

    def preview(self, stack: str, *arguments: str, fails: bool = False) -> str:
        """A preview as the engine's JSON."""
        return self.pulumi("preview", "--json", "--stack", stack, *arguments, fails=fails)

    def ops(self, *arguments: str, fails: bool = False) -> tuple[str, str]:
        """What ``python -m ops`` said, on standard output and on standard error."""
        return self._run([sys.executable, "-m", "ops", *arguments], fails, {})

    def types(self, line: str, more: str = "", *, code: int = 0, stdin: str = "") -> str:
        """All that a line of a page says, typed here with ``more`` behind it; it must end with ``code``."""
        path = f"{self.folder / '.venv' / 'bin'}:{self.environment['PATH']}"
        done = self._ended(["sh", "-c", f"{line} {more}"], {"PATH": path}, stdin)
        assert done.returncode == code, f"{line}: {_said(done)}"
        return done.stdout + done.stderr

    def _run(self, command: list[str], fails: bool, environment: Mapping[str, str]) -> tuple[str, str]:
        done = self._ended(command, environment)
        assert bool(done.returncode) == fails, f"{command}: {_said(done)}"
        return done.stdout, done.stderr

    def _ended(
        self, command: list[str], environment: Mapping[str, str], stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )


def _said(done: "subprocess.CompletedProcess[str]") -> str:
    return f"{done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"


def lock(folder: Path, release: str) -> None:
    """Locks a release of the site with checksums that are none: the same for what has the same address."""
    file = read_release(release, folder / "releases")
    content = samples.lock() | {
        "release": release,
        "release_sha256": release_digest(release, folder / "releases"),
        "artifacts": {name: {"amd64": samples.sha256(file.artifact(name, "amd64").url)} for name in file.artifacts},
        "images": {name: f"sha256:{samples.sha256(str(file.image(name)))}" for name in file.images},
    }
    (folder / "releases" / f"{release}.lock.yaml").write_text(yaml.safe_dump(content))


@pytest.fixture(scope="session")
def hostless(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that finds the engine, and plugins that ask nobody.

    The engine writes the state once, at the end: writing it whole for each step is most of what such an `up` costs, and
    nobody ends one in its midst here.
    """
    home = tmp_path_factory.mktemp("hostless")
    install(home, home / "bin", Path(sys.executable))
    plugins.install(home, Path(sys.executable))
    own = {
        "PULUMI_HOME": str(home),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
        "PULUMI_CONFIG_PASSPHRASE": "hostless",
        "PULUMI_EXPERIMENTAL": "true",
        "PULUMI_SKIP_CHECKPOINTS": "true",
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
    }
    return {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")} | own


def make(folder: Path, environment: Mapping[str, str]) -> Site:
    """A site with the files that the samples' stacks name."""
    clone = plugins.CLONE
    (folder / "state").mkdir(parents=True)
    (folder / ".venv").symlink_to(sys.prefix)
    for name in LINKED:
        (folder / name).symlink_to(clone / name)
    shutil.copytree(clone / "releases", folder / "releases", ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted((folder / "releases").glob("*.yaml")):
        if not path.name.endswith(".lock.yaml"):
            lock(folder, path.stem)
    samples.write_files(folder)
    backend = {"PULUMI_BACKEND_URL": f"file://{folder / 'state'}?metadata=skip"}
    return Site(folder, {**environment, **backend})


def load(preview: str) -> Json:
    """The engine's JSON, whatever was printed before it."""
    content: Json = json.loads(preview[preview.index("{\n") :])
    return content
