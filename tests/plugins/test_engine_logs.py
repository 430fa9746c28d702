"""The log that the engine keeps of each run by itself, with every property in it: how it is ended."""

import subprocess
from pathlib import Path

import pytest

from tests.pages import command
from tests.plugins.engine import engine, lab_only

__all__ = ["engine"]

pytestmark = [pytest.mark.built, lab_only]


def test_the_engine_goes_on_without_its_logs_where_the_readmes_line_was_typed(
    engine: dict[str, str], tmp_path: Path
) -> None:
    """No option ends them; that it may have no folder is nowhere promised, and may change with its version."""
    home = tmp_path / ".pulumi"
    environment = engine | {"HOME": str(tmp_path), "PULUMI_HOME": str(home)}
    logs = home / "logs"
    subprocess.run(["pulumi", "version"], env=environment, check=True)
    assert list(logs.iterdir())
    subprocess.run(["sh", "-euc", command("README", "rm -r ~/.pulumi/logs")], env=environment, check=True)
    subprocess.run(["pulumi", "version"], env=environment, check=True)
    assert logs.readlink() == Path("/dev/null")
