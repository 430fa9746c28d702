"""The documents that ``kubeadm init --dry-run`` prints: the files that it would write and the objects it would make."""

import re
from typing import Any

import yaml

_FILE = re.compile(r'^\[dryrun\] Would write file "(?P<path>[^"]+)" with content:$')
_OBJECT = "[dryrun] Attached object:"


def files(printed: str) -> dict[str, str]:
    """Each file's text by its path."""
    return {match["path"]: text for match, text in _texts(printed) if match}


def config_maps(printed: str) -> dict[str, dict[str, Any]]:
    """The ConfigMaps by name."""
    objects = [yaml.safe_load(text) for match, text in _texts(printed) if not match]
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == "ConfigMap"}


def _texts(printed: str) -> list[tuple[re.Match[str] | None, str]]:
    found: list[tuple[re.Match[str] | None, list[str]]] = []
    inside = False
    for line in printed.splitlines():
        match = _FILE.match(line)
        if match or line == _OBJECT:
            found.append((match, []))
            inside = True
        elif line.startswith("["):
            inside = False
        elif inside:
            found[-1][1].append(line)
    return [(match, "\n".join(lines).rstrip() + "\n") for match, lines in found]
