"""Every command of the documentation is run by a test, and names what is there.

Where: wherever a test asks for it by ``tests.pages.command`` or ``step``, which give the words as the page has them.
Here it is seen that none is left out, and that the words which pages only mention are names, options, settings and
outputs that there are.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import typer.main

from lab.paths import CLONE
from ops.__main__ import commands
from settings import NAMESPACE
from settings.draft import KEYS
from settings.secret_keys import SECRETS
from tests import pages

PAGES = sorted(
    [*CLONE.glob("*.md"), *CLONE.glob("docs/*.md"), *CLONE.glob(".github/*.md"), *CLONE.glob("Pulumi.*.yaml")]
)
COMMAND = re.compile(r"(?:^ {4}|`)((?:\.venv/bin/)?(?:python -m|make|pulumi) [^`\n]+)", re.MULTILINE)
TYPED = [
    (page, one)
    for page in ("README", "CONTRIBUTING", *sorted(path.stem for path in pages.DOCS.glob("*.md")))
    for one in pages.commands(page)
]
# What an indented line of a page begins with that nobody types: a setting, a file's line, a command's answer.
SHOWN = re.compile(r"[\w:]+: |evenkeel:release:|[-*#{] ?|from=|restrict,|-> hubs|settings -> ")
BY_MAKE_TEST = "what `make test` does, and CI calls"
ELSEWHERE = "asks for what these machines do not have"
NOT_RUN = {
    "make test": BY_MAKE_TEST,
    "make up": BY_MAKE_TEST,
    "make venv": BY_MAKE_TEST,
    "make check": BY_MAKE_TEST,
    "make long": "runs tests itself",
    "make bench": "measures, for half an hour",
    "pulumi plugin install": f"{ELSEWHERE}: the official plugins",
    "pulumi login file://...": "no address; the README's `pulumi login` is run with one",
    "rsync *": f"{ELSEWHERE}: rsync; tests copy the folder",
    "docker run -d --name mirror *": f"{ELSEWHERE}: the image registry:3; the same registry is run without Docker",
    "docker save registry:3": f"{ELSEWHERE}: the image registry:3",
    "for repository in $(crane *": f"{ELSEWHERE}: crane",
    "systemctl restart docker": "no hub is among the hosts that reach nothing but a mirror",
    "pulumi up": "stands for the one of the stack at hand",
}


def asked_for() -> set[str]:
    """The commands that tests ask for, by literal words: page and beginning, or page and step."""
    found: set[str] = set()
    for path in sorted(CLONE.glob("tests/**/*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call):
                found.update(_asked_for_by(call))
    return found


def _asked_for_by(call: ast.Call) -> list[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    match [name, *(argument.value for argument in call.args[:2] if isinstance(argument, ast.Constant))]:
        case ["command", str(page), str(start)] if page in dict(TYPED):
            return [pages.command(page, start)]
        case ["step", str(page), int(number)]:
            return pages.commands_of_step(page, number)
    return []


def test_every_command_of_a_page_is_run_by_a_test() -> None:
    """A page that nobody follows is true by luck: draining a node as it was told here was refused by kubectl."""
    run = asked_for()
    left = [(page, one) for page, one in TYPED if one not in run]
    assert [(page, one) for page, one in left if not any(fnmatchcase(one, pattern) for pattern in NOT_RUN)] == []


def test_what_is_said_not_to_be_run_is_there_and_is_not() -> None:
    run = asked_for()
    left = {one for _, one in TYPED if one not in run}
    assert [pattern for pattern in NOT_RUN if not any(fnmatchcase(one, pattern) for one in left)] == []


def test_ci_runs_make_test_and_that_does_what_the_other_targets_do() -> None:
    assert (CLONE / ".ci/run").read_text().splitlines()[-1] == "exec make test"
    recipes = dict(re.findall(r"^(\w+): ?(.*\n(?:\t.*\n)*)", (CLONE / "Makefile").read_text(), re.MULTILINE))
    before = {name: recipe.splitlines()[0].split() for name, recipe in recipes.items()}
    assert (before["test"], before["check"], before["packages"]) == (["check"], ["packages"], ["venv"])
    assert recipes["up"].splitlines()[1].removeprefix("\t@") in recipes["test"].replace("\t", "").splitlines()


def test_an_indented_line_of_a_page_is_a_command_or_clearly_none() -> None:
    """A command whose program is not in ``pages.PROGRAMS`` would be run by nobody, and missed by nobody."""
    lines = [
        (page, line)
        for page, _ in dict.fromkeys((page, None) for page, _ in TYPED)
        for line in pages.indented(page)
        if line.split()[0] not in pages.PROGRAMS
    ]
    assert [(page, line) for page, line in lines if not SHOWN.match(line)] == []


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
    (command,) = [one for one in commands().registered_commands if one.name == name]
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
