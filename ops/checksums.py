"""Finds a file's sha256 in what its publisher, or a mirror, says about it.

Owns: the forms that checksum files have. Does not own: fetching them (``ops.fetch``).
A publisher's file is a bare sum (dl.k8s.io) or lines of ``sum  name`` as sha256sum writes them, for one file or many.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

_BARE = re.compile(r"(?P<sum>[0-9a-fA-F]{64})")
_LINE = re.compile(r"(?P<sum>[0-9a-fA-F]{64})[ \t]+\*?(?P<name>\S+)")


def find(text: str, file_name: str) -> str | None:
    """The file's sha256 in lower case; None where the text does not hold exactly one for it."""
    found = set(_sums(text, file_name))
    return found.pop() if len(found) == 1 else None


def _sums(text: str, file_name: str) -> Iterator[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and (bare := _BARE.fullmatch(lines[0])):
        yield bare["sum"].lower()
    for line in lines:
        match = _LINE.fullmatch(line)
        if match and PurePosixPath(match["name"]).name == file_name:
            yield match["sum"].lower()
