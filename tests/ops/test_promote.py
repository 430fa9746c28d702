"""A release goes from stack to stack only when it is proven, one environment at a time, as one changed line."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ops import stack_file
from ops.__main__ import commands
from ops.promotion import ORDER, Promotion, Running, refusals
from ops.stack_file import StackFileError
from releases import LockFile, Versions, read_release
from releases.store import lock_digest
from settings.schema import Cluster
from tests.ops.previews import preview, turn
from tests.settings import samples

NOW = read_release("2026.10").versions
THEN = read_release("2026.11").versions
GOOD = Promotion(
    source="dev",
    target="staging",
    source_environment="development",
    target_environment="staging",
    source_release="2026.11",
    target_release="2026.10",
    running=Running("2026.11", "digest"),
    lock="digest",
    now=NOW,
    then=THEN,
)
FILE = """\
# Ours.
config:
  evenkeel:cluster: {name: staging, environment: staging} # as production, but smaller
  evenkeel:release: # promotion is a change of this name
    name: "2026.10" # see 2026.10's notes
    # lock: releases/2026.10.lock.yaml
  evenkeel:repair: "2026.10"
"""


def versions(**changed: str) -> Versions:
    return NOW.model_copy(update=changed)


def only(found: list[str]) -> str:
    assert len(found) == 1, found
    return found[0]


def test_a_proven_release_goes_one_environment_further() -> None:
    assert refusals(GOOD) == []
    assert refusals(replace(GOOD, source_environment="staging", target_environment="production")) == []


def test_environments_go_in_the_order_of_the_settings() -> None:
    assert str(Cluster.model_fields["environment"].annotation).endswith(str(list(ORDER)))


@pytest.mark.parametrize(
    ("source", "target", "remedy"),
    [
        ("development", "production", "promote it to a stack in staging"),
        ("staging", "development", "promote it to a stack in production"),
        ("development", "development", "promote it to a stack in staging"),
        ("production", "production", "there is none after production"),
        ("test", "staging", "correct cluster.environment"),
    ],
)
def test_no_environment_is_skipped(source: str, target: str, remedy: str) -> None:
    found = only(refusals(replace(GOOD, source_environment=source, target_environment=target)))
    assert found.endswith(remedy)


@pytest.mark.parametrize(
    ("running", "reason"),
    [
        (None, "dev was never up and well as a whole, as far as its outputs say; run `pulumi up --stack dev`"),
        (Running("2026.10", "digest"), "dev pins release 2026.11, and what was up and well there is 2026.10; run"),
        (
            Running("2026.11", "another"),
            "staging's lock of 2026.11 has not the same checksums as what ran in dev; lock both from the "
            "same publishers or mirror's content, and for the same architectures (python -m ops lock 2026.11)",
        ),
    ],
)
def test_what_was_not_up_and_well_in_the_stack_before_goes_nowhere(running: Running | None, reason: str) -> None:
    assert reason in only(refusals(replace(GOOD, running=running)))


def test_the_same_release_is_nothing_to_promote() -> None:
    found = only(refusals(replace(GOOD, target_release="2026.11", now=THEN)))
    assert found == "staging pins release 2026.11 already; there is nothing to promote"


def test_going_back_must_be_said() -> None:
    back = replace(GOOD, now=versions(kubernetes="1.36.4", kubelet="1.36.4"), then=NOW)
    assert "kubernetes 1.36.4 to 1.36.3, kubelet 1.36.4 to 1.36.3); say --rollback" in only(refusals(back))
    assert refusals(back, rollback=True) == []


@pytest.mark.parametrize(
    ("now", "then", "reason"),
    [
        ({"kubernetes": "1.34.2"}, {"kubernetes": "1.36.3"}, "leaves out a minor version; promote a release with"),
        ({"kubernetes": "1.36.3"}, {"kubernetes": "1.35.4"}, "does not read what a newer one has stored; restore"),
        ({"etcd": "3.7.1"}, {"etcd": "3.6.14"}, "does not read what a newer one has stored; restore the backup"),
        ({"etcd": "3.5.9"}, {"etcd": "3.7.1"}, "etcd 3.5.9 to 3.7.1: leaves out a minor version; promote"),
        ({"kubelet": "1.32.1"}, {}, "kubelet 1.32.1 is too old for kube-apiserver 1.36.3, which is there before it"),
    ],
)
def test_a_step_that_upstream_does_not_support_is_refused_even_as_a_rollback(
    now: dict[str, str], then: dict[str, str], reason: str
) -> None:
    found = refusals(replace(GOOD, now=versions(**now), then=versions(**then)), rollback=True)
    assert reason in only(found)


def test_one_minor_version_after_another_is_a_way(tmp_path: Path) -> None:
    steps = [("1.34.2", "1.35.4"), ("1.35.4", "1.36.3"), ("1.36.3", "1.36.3")]
    for now, then in steps:
        change = [{"kubernetes": version, "kubelet": version} for version in (now, then)]
        assert refusals(replace(GOOD, now=versions(**change[0]), then=versions(**change[1]))) == []


def test_from_the_oldest_release_to_the_newest_each_step_is_a_way() -> None:
    """A cluster that was taken in at an old version goes on by promotion."""
    steps = pairwise(("1.33", "1.34", "1.35", "2026.11"))
    for now, then in [[read_release(name).versions for name in step] for step in steps]:
        assert refusals(replace(GOOD, now=now, then=then)) == []


def test_a_lock_s_digest_is_of_what_it_locks_and_not_of_where_that_was_read() -> None:
    lock = samples.lock()
    mirror = {"artifacts": "https://mirror.example.com", "images": "https://registry.example.com"}
    digests = [lock_digest(LockFile.model_validate(lock | {"source": source})) for source in ("publishers", mirror)]
    changed = lock["artifacts"] | {"runc": {"amd64": "0" * 64}}
    assert digests[0] == digests[1]
    assert lock_digest(LockFile.model_validate(lock | {"artifacts": changed})) != digests[0]


def write(folder: Path, stack: str, text: str) -> Path:
    path = folder / f"Pulumi.{stack}.yaml"
    path.write_text(text)
    return path


def test_one_line_of_the_file_changes_and_every_comment_stays(tmp_path: Path) -> None:
    write(tmp_path, "staging", FILE)
    pinned = stack_file.read("staging", tmp_path).pinned("2026.11")
    assert pinned == FILE.replace('name: "2026.10" #', 'name: "2026.11" #')


def test_lines_that_end_as_on_windows_go_on_to_do_so(tmp_path: Path) -> None:
    """The commit of one changed line had all of them."""
    (tmp_path / "Pulumi.staging.yaml").write_bytes(FILE.replace("\n", "\r\n").encode())
    pinned = stack_file.read("staging", tmp_path).pinned("2026.11")
    assert pinned == FILE.replace('name: "2026.10" #', 'name: "2026.11" #').replace("\n", "\r\n")


@pytest.mark.parametrize("quote", ['"', "'", ""])
def test_a_pinned_release_is_text_however_it_was_quoted(tmp_path: Path, quote: str) -> None:
    """2026.11 without quotes is a number, which settings refuse."""
    write(tmp_path, "staging", FILE.replace('name: "2026.10"', f"name: {quote}2026.10{quote}"))
    pinned = yaml.safe_load(stack_file.read("staging", tmp_path).pinned("2026.11"))
    assert pinned["config"]["evenkeel:release"]["name"] == "2026.11"


def test_a_lock_of_the_stack_s_own_goes_with_the_name(tmp_path: Path) -> None:
    write(tmp_path, "staging", FILE.replace("# lock: releases", "lock: .lab"))
    file = stack_file.read("staging", tmp_path)
    pinned = yaml.safe_load(file.pinned("2026.11"))["config"]["evenkeel:release"]
    assert pinned == {"name": "2026.11", "lock": ".lab/2026.11.lock.yaml"}
    assert file.lock_path("2026.11") == Path(".lab/2026.11.lock.yaml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("config: {}\n", "evenkeel:cluster.environment: is missing; add it"),
        ("config: {evenkeel:cluster: {environment: staging}}\n", "evenkeel:release.name: is missing; add it"),
        ("{", "is not YAML"),
        ("- a list\n", "evenkeel:cluster.environment: is missing; add it"),
    ],
)
def test_a_file_that_pins_nothing_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    write(tmp_path, "staging", text)
    with pytest.raises(StackFileError, match=re.escape(reason)):
        stack_file.read("staging", tmp_path)


def test_a_lock_that_does_not_follow_the_name_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "staging", FILE.replace("# lock: releases/2026.10.lock.yaml", "lock: mine.yaml"))
    with pytest.raises(StackFileError, match=r"mine.yaml: does not have the release's name in it"):
        stack_file.read("staging", tmp_path).pinned("2026.11")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_is_a_stack_file_or_an_error_that_names_it(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "Pulumi.staging.yaml").write_text(text, newline="")
    with pytest.raises(StackFileError, match=r"Pulumi\.staging\.yaml: "):
        stack_file.read("staging", folder)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two stacks, and a ``pulumi`` that answers what files beside it say."""
    lock = tmp_path / "2026.11.lock.yaml"
    lock.write_text(yaml.safe_dump(samples.lock()))
    own = FILE.replace("# lock: releases/", f"lock: {tmp_path}/")
    write(tmp_path, "staging", own)
    dev = own.replace("environment: staging", "environment: development").replace("2026.10", "2026.11")
    write(tmp_path, "dev", dev)
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    digest = lock_digest(LockFile.model_validate(samples.lock()))
    (tmp_path / "output.json").write_text(json.dumps({"release": {"name": "2026.11", "lock": digest}}))
    (tmp_path / "preview.json").write_text(preview(turn("emei")))
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n'
        f'case "$2" in stack) cat {tmp_path}/output.json ;; preview) cat {tmp_path}/preview.json ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def promote(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(commands(), ["promote", *arguments])
    assert done.exit_code == status, done.output
    return done.output


def test_the_summary_is_shown_and_the_pin_written(project: Path) -> None:
    before = (project / "Pulumi.staging.yaml").read_text()
    said = promote("dev", "staging")
    assert "### staging, release 2026.10 → 2026.11" in said
    assert "Pulumi.staging.yaml pins release 2026.11; commit it, and open a pull request." in said
    changed = [
        (old, new)
        for old, new in zip(
            before.splitlines(), (project / "Pulumi.staging.yaml").read_text().splitlines(), strict=True
        )
        if old != new
    ]
    assert [new.strip().split(":")[0] for _, new in changed] == ["name", "lock"]
    assert "--config-file" in (project / "calls").read_text()


def test_stacks_may_be_named_with_their_organization(project: Path) -> None:
    """As Pulumi's own service takes them; the engine's files do not have it in their names."""
    assert "Pulumi.staging.yaml pins release 2026.11" in promote("acme/dev", "acme/staging")
    assert 'name: "2026.11"' in (project / "Pulumi.staging.yaml").read_text()
    calls = (project / "calls").read_text()
    assert "--stack acme/dev\n" in calls
    assert "--stack acme/staging --config-file" in calls


def test_with_check_nothing_is_written(project: Path) -> None:
    before = (project / "Pulumi.staging.yaml").read_text()
    assert "2026.10 → 2026.11" in promote("dev", "staging", "--check")
    assert (project / "Pulumi.staging.yaml").read_text() == before


@pytest.mark.parametrize("outputs", ["{}", '{"release": {"name": "2026.10", "lock": "a"}}'])
def test_what_is_refused_is_not_previewed_nor_written(project: Path, outputs: str) -> None:
    before = (project / "Pulumi.staging.yaml").read_text()
    (project / "output.json").write_text(outputs)
    assert "pulumi up --stack dev" in promote("dev", "staging", status=1)
    assert "preview" not in (project / "calls").read_text()
    assert (project / "Pulumi.staging.yaml").read_text() == before


def test_a_preview_that_is_none_leaves_the_file_alone(project: Path) -> None:
    before = (project / "Pulumi.staging.yaml").read_text()
    (project / "preview.json").write_text("error: no such stack")
    assert "the preview is not the engine's JSON" in promote("dev", "staging", status=1)
    assert (project / "Pulumi.staging.yaml").read_text() == before


def test_a_stack_without_a_file_is_named(project: Path) -> None:
    assert "Pulumi.prod.yaml: cannot be read" in promote("staging", "prod", status=1)
