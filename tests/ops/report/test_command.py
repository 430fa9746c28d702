"""The command: what it writes, where, and how it ends."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops import stacks, status
from ops.__main__ import commands
from ops.health import Report
from ops.report import command, engine
from settings import Stack
from tests.ops.report import sample


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack that is well, with nobody who could be asked, in a working folder of its own."""
    of = sample.stack(tmp_path)
    answers(monkeypatch, sample.found(of, sample.well()))
    monkeypatch.setattr(stacks, "read", lambda _: of)
    monkeypatch.setattr(engine, "roll", lambda *_: sample.roll())
    monkeypatch.chdir(tmp_path)
    return of


def answers(monkeypatch: pytest.MonkeyPatch, found: Report) -> None:
    monkeypatch.setattr(status, "ask", lambda *_: found)


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(commands(), ["report", "--stack", "sample", *words])
    return done.exit_code, done.output


def test_one_file_is_written_and_named(stack: Stack, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    assert run() == (0, "sample.html\n")
    assert set(tmp_path.iterdir()) - before == {tmp_path / "sample.html"}
    assert "All is well" in (tmp_path / "sample.html").read_text()


def test_it_is_written_where_one_wants_it_and_over_an_earlier_one(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "pages" / "of night.html"
    path.parent.mkdir()
    path.write_text("an earlier one")
    assert run("--output", str(path))[0] == 0
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert list(path.parent.iterdir()) == [path]


def test_others_may_read_the_page_as_far_as_the_users_umask_lets_them(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        command.write(tmp_path / "page.html", "text")
    finally:
        os.umask(umask)
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o640


def test_it_ends_as_status_does_when_something_is_not_well(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, sample.found(stack, sample.troubled()))
    code, output = run()
    assert code == 1
    assert "emei: the apiserver is not ready\n" in output
    assert "not well" in Path("sample.html").read_text()


def test_a_file_that_cannot_be_written_is_an_error_with_its_cause(stack: Stack, tmp_path: Path) -> None:
    code, output = run("--output", str(tmp_path / "nowhere" / "page.html"))
    assert code == 1
    assert f"{tmp_path}/nowhere/page.html: cannot be written (No such file or directory); choose another" in output


def test_an_organization_before_the_stacks_name_is_no_folder(stack: Stack) -> None:
    """Pulumi's own service takes `acme/sample`, and whoever said so was asked for a folder once all was read."""
    done = CliRunner().invoke(commands(), ["report", "--stack", "acme/sample"])
    assert (done.exit_code, done.output) == (0, "sample.html\n")


def test_without_the_engines_state_there_is_a_page_all_the_same(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def roll(*_: object) -> None:
        raise engine.EngineError("pulumi stack export: the backend is away")

    monkeypatch.setattr(engine, "roll", roll)
    assert run()[0] == 0
    assert "the backend is away" in Path("sample.html").read_text()
