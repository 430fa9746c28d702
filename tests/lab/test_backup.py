"""A backup of stack ``dev``, made as docs/recover.md says: what etcd's own tool and the engine say of it."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from lab import stack, toolchain
from tests.lab.commands import ops
from tests.lab.program import DEV
from tests.lab.subject import kubectl
from tests.pages import command

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one."""
    folder = tmp_path_factory.mktemp("backups")
    words = shlex.split(command("recover", "python -m ops backup", {"--stack NAME": ""}))[3:]
    done = ops(*words, "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    (made,) = (folder / DEV.stack).iterdir()
    return made


def test_its_snapshot_is_whole_and_as_new_as_the_cluster(backup: Path) -> None:
    etcdutl = [str(toolchain.binary("etcd", "etcdutl")), "snapshot", "status", "--write-out=json"]
    told = subprocess.run([*etcdutl, str(backup / "etcd.db")], capture_output=True, text=True, check=True).stdout
    now = int(json.loads(kubectl("get", "--raw=/api/v1/namespaces"))["metadata"]["resourceVersion"])
    assert json.loads(told)["totalKey"] > 100
    assert 0 <= now - json.loads(told)["revision"] < 1000


def test_its_state_is_the_stacks_with_nothing_in_clear(backup: Path) -> None:
    assert "PRIVATE KEY" not in (backup / "state.json").read_text()
    words = shlex.split(command("recover", "pulumi stack import", {"state.json": str(backup / "state.json")}))[1:]
    stack.pulumi(*words, "--stack", DEV.stack)
    assert DEV.steps() == []
