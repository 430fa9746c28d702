"""How documents are written as YAML: in their own order, and no line folded, so that a preview shows whole values.

By libyaml, which is ten times as fast: a run of the program writes some fifty documents.
"""

from typing import Any

import yaml


def yaml_text(document: Any) -> str:
    """The document's text."""
    return yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, width=1_000_000)
