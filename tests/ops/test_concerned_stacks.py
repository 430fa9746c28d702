"""A pull request previews the stacks that it concerns: none too few, and not all of them for a word in a page."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.__main__ import commands
from ops.concerned_stacks import concerned
from ops.stack_file import StackFile

STACKS = [StackFile(name, "", name, release, None) for name, release in {"dev": "2026.11", "prod": "2026.10"}.items()]


@pytest.mark.parametrize(
    ("paths", "stacks"),
    [
        (["Pulumi.prod.yaml"], ["prod"]),
        (["known_hosts.prod"], ["prod"]),
        (["releases/2026.11.lock.yaml"], ["dev"]),
        (["releases/2026.10.yaml"], ["prod"]),
        (["releases/2026.09.yaml"], []),
        (["releases/skew.py"], ["dev", "prod"]),
        (["components/host.py"], ["dev", "prod"]),
        (["scripts/lib.sh", "README.md"], ["dev", "prod"]),
        (["requirements.txt"], ["dev", "prod"]),
        (["policy/production.json"], ["dev", "prod"]),
        (["README.md", "docs/quickstart.md", "tests/test_x.py", ".github/workflows/merge.yaml", "LICENSE"], []),
        (["Pulumi.prod.yaml", "releases/2026.11.yaml"], ["dev", "prod"]),
        ([], []),
    ],
)
def test_a_changed_file_concerns_the_stacks_that_are_made_of_it(paths: list[str], stacks: list[str]) -> None:
    assert concerned(STACKS, paths) == stacks


@pytest.mark.parametrize(
    ("lock", "path", "stacks"),
    [
        ("releases/2026.11.prod.lock.yaml", "releases/2026.11.prod.lock.yaml", ["prod"]),
        ("./releases/ours-2026.11.lock.yaml", "releases/ours-2026.11.lock.yaml", ["prod"]),
        ("locks/2026.11.yaml", "locks/2026.11.yaml", ["prod"]),
        ("releases/2026.11.prod.lock.yaml", "releases/2026.11.lock.yaml", ["dev"]),
        ("releases/2026.11.prod.lock.yaml", "releases/2026.11.yaml", ["dev", "prod"]),
    ],
)
def test_a_lock_concerns_the_stacks_that_read_it(lock: str, path: str, stacks: list[str]) -> None:
    """A stack with a lock of its own doesn't read the release's, and its own may lie beside that."""
    files = [StackFile("dev", "", "dev", "2026.11", None), StackFile("prod", "", "prod", "2026.11", lock)]
    assert concerned(files, [path]) == stacks


def test_the_command_reads_paths_and_prints_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'config: {evenkeel:cluster: {environment: staging}, evenkeel:release: {name: "2026.11"}}\n'
    for name in ("dev", "prod"):
        (tmp_path / f"Pulumi.{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(commands(), ["concerned-stacks"], input="Pulumi.prod.yaml\nREADME.md\n")
    assert (done.exit_code, json.loads(done.output)) == (0, ["prod"])
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    assert CliRunner().invoke(commands(), ["concerned-stacks"], input="").exit_code == 1
