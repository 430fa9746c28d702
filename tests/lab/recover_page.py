"""The commands of docs/recover.md, read from the page itself: what it tells people to type is what the tests run.

Does not own when and where each is run: the tests do.
"""

import re
from collections.abc import Mapping

from lab.paths import CLONE

PAGE = CLONE / "docs" / "recover.md"
COMMANDS = re.compile(r"(?:^ {7}.*\n)+", re.MULTILINE)


def commands(step: int, names: Mapping[str, str]) -> list[str]:
    """The blocks of a numbered step, each as a script, with the page's capitals filled in."""
    text = PAGE.read_text()
    start = text.index(f"\n{step}. **")
    ends = [text.index(mark, start) for mark in (f"\n{step + 1}. **", "\n## Take snapshots") if mark in text[start:]]
    blocks = COMMANDS.findall(text[start : min(ends)])
    for name, value in names.items():
        blocks = [re.sub(rf"\b{name}\b", value, block) for block in blocks]
    return blocks
