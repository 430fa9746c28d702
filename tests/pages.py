"""What the documentation tells people to write and to type, for tests that do as it says.

Owns finding it in the pages. Does not own where each command is run: tests ask for it by ``command`` or ``step``, and
tests/docs/test_commands.py sees to it that some test asks for every one.
"""

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PROGRAMS = (
    *(".", "cd", "curl", "docker", "etcdctl", "etcdutl", "export", "kubectl", "make", "mkdir", "mv", "pip", "pulumi"),
    *("python", "python3", "registry", "rm", "rsync", "sh", "ssh", "ssh-keyscan", "systemctl", "useradd", "visudo"),
    *("while", "for", "/usr/local/lib/evenkeel/harbor-restore.sh"),
)
NO_NAMES: Mapping[str, str] = {}
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4,}(\S.*)$", re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
_REMARK = re.compile(r"\s+# .*$", re.MULTILINE)
# What a sentence says in order to speak of it, and not for somebody to type.
_NAMED_ONLY = re.compile(
    r"\w+|(make|docker) \w+|pulumi (up|preview|stack export|stack output kubeconfig)|python -m (ops|bench) ?\w*"
)


def text(page: str) -> str:
    """A page of docs/, or one beside it such as README."""
    path = DOCS / f"{page}.md"
    return (path if path.exists() else ROOT / f"{page}.md").read_text()


def block(page: str, language: str) -> str:
    """The one block in that language of a page."""
    found = [content for kind, content in _BLOCK.findall(text(page)) if kind == language]
    assert len(found) == 1, f"{page} has {len(found)} blocks of {language}"
    return str(found[0])


def commands(page: str) -> list[str]:
    """Every command of a page, without remarks: the lines of its blocks, and what its sentences say in full.

    A line that goes on is one command. ``.venv/bin/`` in front is left out: who runs it has that folder on PATH.
    """
    found = [content for kind, content in _BLOCK.findall(text(page)) if kind == "sh"]
    found += indented(page)
    sentences = _INDENTED.sub("", _BLOCK.sub("", text(page)))
    inline = (" ".join(said.split()) for said in _INLINE.findall(sentences))
    found += [said for said in inline if not _NAMED_ONLY.fullmatch(said)]
    return list(dict.fromkeys(one for one in found if one.split()[0] in PROGRAMS))


def indented(page: str) -> list[str]:
    """The lines of the blocks that are set off by space alone, as ``commands`` has them."""
    lines = _INDENTED.findall(_joined(_BLOCK.sub("", text(page))))
    return [_REMARK.sub("", line).removeprefix(".venv/bin/") for line in lines]


def command(page: str, start: str, names: Mapping[str, str] = NO_NAMES) -> str:
    """The one command of a page that begins so, or is just that; ``names`` stand for words of it, such as HOST."""
    every = commands(page)
    found = [one for one in every if one == start] or [one for one in every if one.startswith(start)]
    assert len(found) == 1, f"{page} has {len(found)} commands that begin with {start}: {found}"
    return _named(found[0], names)


def step(page: str, number: int, names: Mapping[str, str] = NO_NAMES) -> list[str]:
    """The blocks of a page's numbered step, each as a script."""
    return [_named(one, names) for one in re.findall(r"(?:^ {7}.*\n)+", _step(page, number), re.MULTILINE)]


def commands_of_step(page: str, number: int) -> list[str]:
    """Those of ``commands`` that the step holds."""
    return [one for one in commands(page) if one in _joined(_step(page, number))]


def _joined(lines: str) -> str:
    return re.sub(r"\\\n\s+", "", lines)


def _step(page: str, number: int) -> str:
    whole = text(page)
    start = whole.index(f"\n{number}. **")
    ends = [whole.index(mark, start) for mark in (f"\n{number + 1}. **", "\n## ") if mark in whole[start:]]
    return whole[start : min(ends)]


def _named(line: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        line = re.sub(rf"(?<![\w.-]){re.escape(name)}(?!\w)", lambda _: value, line)  # noqa: B023
    return line
