"""What the documentation tells people to write, for tests that do as it says."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def block(page: str, language: str) -> str:
    """The one block in that language of a page of docs/."""
    found = re.findall(rf"^```{language}\n(.*?)^```", (DOCS / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"docs/{page}.md has {len(found)} blocks of {language}"
    return str(found[0])
