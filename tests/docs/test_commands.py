"""Whether the commands that the documentation names are there, by the names and options that it gives them.

That they do what a page says is seen where they run: on the lab's hosts (tests/lab) and by themselves (tests/ops).
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from lab.paths import CLONE
from ops.__main__ import app
from settings import NAMESPACE
from settings.draft import KEYS
from settings.secret_keys import SECRETS

PAGES = sorted(
    [*CLONE.glob("*.md"), *CLONE.glob("docs/*.md"), *CLONE.glob(".github/*.md"), *CLONE.glob("Pulumi.*.yaml")]
)
COMMAND = re.compile(r"(?:^ {4}|`)((?:\.venv/bin/)?(?:python -m|make|pulumi) [^`\n]+)", re.MULTILINE)


def said(start: str) -> list[tuple[str, str]]:
    """The words that follow ``start`` in the commands of all pages, with each page's name; comments are left out."""
    return [
        (str(page.relative_to(CLONE)), words.removeprefix(start).strip())
        for page in PAGES
        for words in _commands(page)
        if words.startswith(start)
    ]


def _commands(page: Path) -> Iterator[str]:
    for found in COMMAND.findall(page.read_text()):
        for part in re.split(r" && | \| ", found.split(" #")[0]):
            yield part.strip().removeprefix(".venv/bin/")


@pytest.mark.parametrize(("page", "words"), said("python -m ops "))
def test_a_command_of_ops_takes_what_a_page_gives_it(page: str, words: str) -> None:
    name, *arguments = shlex.split(re.split(r" >", words)[0])
    (command,) = [one for one in app.registered_commands if one.name == name]
    alone = typer.Typer(add_completion=False)
    assert command.callback
    alone.command()(command.callback)
    if arguments:  # without any it is only named
        typer.main.get_command(alone).make_context(name, arguments)


@pytest.mark.parametrize(("page", "words"), said("make "))
def test_a_target_of_make_is_one(page: str, words: str) -> None:
    targets = re.findall(r"^([a-z]+):", (CLONE / "Makefile").read_text(), re.MULTILINE)
    assert words.split()[0] in targets


@pytest.mark.parametrize(("page", "words"), said("pulumi config set "))
def test_a_key_that_a_page_sets_is_a_setting_and_a_secret_where_it_says_so(page: str, words: str) -> None:
    keys = set(re.findall(rf"{NAMESPACE}:(\w+)", words)) - {"KEY"}
    assert keys <= set(KEYS)
    assert {"--secret" in words} >= {key in SECRETS for key in keys}


@pytest.mark.parametrize(("page", "words"), said("pulumi stack output "))
def test_an_output_that_a_page_reads_is_one(page: str, words: str) -> None:
    exported = re.findall(r'pulumi\.export\("(\w+)"', (CLONE / "__main__.py").read_text())
    name = words.split()[0]
    assert name.startswith("--") or name in exported
