"""The workflows are well formed, hand no credentials to forks, and keep one comment with what was previewed."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import toolchain
from lab.paths import CLONE
from tests import pages

FOLDER = CLONE / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yaml"))
# A gh that keeps comments as files: what GitHub would have, and what was asked of it.
GH = """\
#!/bin/sh
set -eu
echo "$*" >>"$PLACE/asked"
case "$*" in
*--jq*) [ ! -f "$PLACE/comment" ] || echo 41 ;;
*PATCH*/issues/comments/41*|*POST*/issues/7/comments*)
    for word; do case $word in body=@*) cp "${word#body=@}" "$PLACE/comment" ;; esac; done ;;
*) exit 1 ;;
esac
"""
PULUMI = """\
#!/bin/sh
case "$*" in
"config get"*) echo production ;;
preview*--json*) cat preview.json; exit "$STATUS" ;;
up*) echo "$*" >asked ;;
preview*) echo "$*" >asked; printf 'Policies:\\n  masters-are-odd\\n\\nResources:\\n'; exit "$STATUS" ;;
esac
"""


def workflow(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / "workflows" / f"{name}.yaml").read_text())
    return content


@pytest.mark.built
def test_actionlint_has_nothing_to_say() -> None:
    command = [str(toolchain.binary("checks", "actionlint")), *map(str, WORKFLOWS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fork_gets_checks_and_no_credentials() -> None:
    """``pull_request_target`` would run a fork's own code with our secrets."""
    for path in WORKFLOWS:
        assert "pull_request_target" not in path.read_text()
    jobs = workflow("pull-request")["jobs"]
    assert jobs["concerned"]["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    with_secrets = {name for name, job in jobs.items() if "secrets" in job}
    assert with_secrets == {"preview"}
    assert jobs["preview"]["needs"] == "concerned"
    assert "secrets" not in str(jobs["check"])


def test_preview_and_up_get_every_credential_that_the_page_says_to_set_and_no_other() -> None:
    """A bucket's were told of nowhere, and handed on nowhere: no job could read a state in S3."""
    page = pages.text("review").partition("## In GitHub")[2]
    told = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", page))
    for name in ("preview", "up"):
        given = workflow(name)["jobs"][name]["env"]
        assert {*given} - {"STACK"} == told
        for secret in told - {"PULUMI_BACKEND_URL"}:
            assert given[secret] == f"${{{{ secrets.{secret} }}}}"


def test_only_the_comment_s_job_may_write() -> None:
    for path in WORKFLOWS:
        content = yaml.safe_load(path.read_text())
        assert content["permissions"] == {"contents": "read"}
        writing = {name for name, job in content["jobs"].items() if "write" in str(job.get("permissions"))}
        assert writing <= {"comment"}


def test_stacks_come_up_in_order_and_each_after_its_preview() -> None:
    jobs = workflow("merge")["jobs"]
    assert [jobs[name].get("needs") for name in ("dev", "staging", "prod")] == [None, "dev", "staging"]
    up = workflow("up")["jobs"]["up"]
    assert up["needs"] == "preview"
    assert up["environment"] == "${{ inputs.stack }}"


def test_a_file_that_moves_concerns_those_who_had_it(tmp_path: Path) -> None:
    """git tells of a move by its new place alone: where that is nobody's, no stack was previewed."""
    program(tmp_path, "python", "#!/bin/sh\ntr '\\n' ' '\n")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(tmp_path / "bin")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    (tmp_path / "render.py").write_text("Text enough to be known again.\n" * 5)
    before = [["init", "-q"], ["add", "render.py"], ["commit", "-qm", "before"]]
    after = [["checkout", "-qb", "after"], ["mv", "render.py", "test_render.py"], ["commit", "-qm", "after"]]
    for words in (*before, *after):
        subprocess.run([*git, *words], check=True)
    steps = workflow("concerned")["jobs"]["concerned"]["steps"]
    script = next(step["run"] for step in steps if step.get("id") == "stacks")
    environment = {**os.environ, "BEFORE": "HEAD~1", "GITHUB_OUTPUT": str(tmp_path / "output")}
    subprocess.run(["sh", "-euc", script], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "output").read_text().split() == ["stacks=render.py", "test_render.py"]


def run(script: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    own = os.environ | environment | {"PATH": f"{cwd / 'bin'}:{os.environ['PATH']}"}
    command = [str(FOLDER / "scripts" / script), *arguments]
    return subprocess.run(command, cwd=cwd, env=own, capture_output=True, text=True, check=False)


def program(folder: Path, name: str, text: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_the_comment_is_written_once_and_then_changed_in_place(tmp_path: Path) -> None:
    program(tmp_path, "gh", GH)
    for text in ("### dev: first", "### dev: second"):
        (tmp_path / "dev.md").write_text(f"{text}\n")
        environment = {"PLACE": str(tmp_path), "GITHUB_REPOSITORY": "ours/evenkeel"}
        done = run("comment.sh", "7", "dev.md", cwd=tmp_path, **environment)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "comment").read_text() == "<!-- evenkeel: previews -->\n### dev: second\n"
    asked = (tmp_path / "asked").read_text()
    assert (asked.count("POST"), asked.count("PATCH")) == (1, 1)


def test_a_comment_that_github_would_not_take_is_cut(tmp_path: Path) -> None:
    program(tmp_path, "gh", GH)
    (tmp_path / "dev.md").write_text("x" * 100_000)
    run("comment.sh", "7", "dev.md", cwd=tmp_path, PLACE=str(tmp_path), GITHUB_REPOSITORY="ours/evenkeel")
    assert len((tmp_path / "comment").read_text()) == 65_000


@pytest.mark.parametrize(
    ("preview", "status", "changes"),
    [
        ('{"steps": [{"op": "same", "urn": "urn:pulumi:prod::e::pulumi:pulumi:Stack::e-prod"}]}', 0, "no"),
        ('{"steps": [{"op": "create", "urn": "urn:pulumi:prod::e::tls:index/privateKey:PrivateKey::ca"}]}', 0, "yes"),
        ('{"steps": [], "diagnostics": [{"severity": "error", "message": "preview failed"}]}', 255, "yes"),
    ],
)
def test_a_preview_tells_whether_anything_changes_and_is_summarized_even_when_it_fails(
    tmp_path: Path, preview: str, status: int, changes: str
) -> None:
    program(tmp_path, "pulumi", PULUMI)
    (tmp_path / "preview.json").write_text(preview)
    for name in (".venv", "ops", "render", "releases", "settings"):
        (tmp_path / name).symlink_to(CLONE / name)
    output = tmp_path / "output"
    done = run("preview.sh", "prod", cwd=tmp_path, STATUS=str(status), GITHUB_OUTPUT=str(output))
    assert done.returncode == status, done.stderr
    assert output.read_text() == f"changes={changes}\n"
    assert "--policy-pack policy --policy-pack-config policy/production.json" in (tmp_path / "asked").read_text()
    text = (tmp_path / "prod.md").read_text()
    assert text.endswith("```\nPolicies:\n  masters-are-odd\n\n```\n")
    assert ("preview failed" in text) == (status != 0)


def test_an_up_is_under_the_policies_of_its_stack_s_environment_its_preview_too(tmp_path: Path) -> None:
    """The engine asks policies of whole stacks when all is done: only a preview is in time."""
    program(tmp_path, "pulumi", PULUMI)
    done = run("up.sh", "prod", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text()
    assert "--stack prod --policy-pack policy --policy-pack-config policy/production.json" in asked
    assert "--skip-preview" not in asked


def test_what_the_checks_need_of_the_runner_may_be_installed() -> None:
    """`make check` begins with packages, and a runner's own user is not root."""
    command = workflow("pull-request")["jobs"]["check"]["steps"][-1]["run"]
    assert command == 'sudo -E env "PATH=$PATH" make check'
