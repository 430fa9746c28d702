"""Writes what a look has found into a stack: plain sections into its file, secrets through the engine.

What the file says already stays as it is: it is what the user wants. So a second look changes nothing.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ops.stack_file import file_name
from ops.stacks import PREFIX, StackError
from settings.fields import Tree
from settings.merge import merged


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines, such as certificates, as they are."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def path_of(stack: str) -> Path:
    """Where the engine keeps a stack's settings, beside Pulumi.yaml."""
    return Path(file_name(stack))


def sections(path: Path) -> Tree:
    """The sections that the file has already; secrets are left out."""
    config = _read(path).get("config") or {}
    own = {str(name).removeprefix(PREFIX): value for name, value in config.items() if str(name).startswith(PREFIX)}
    return {name: value for name, value in own.items() if not (isinstance(value, dict) and "secure" in value)}


def write(path: Path, found: Tree) -> bool:
    """Adds what the file does not say yet; whether that changed it."""
    document = _read(path)
    config = document.get("config") or {}
    whole = merged({f"{PREFIX}{name}": value for name, value in found.items()}, config)
    if whole == config:
        return False
    new = path.with_name(f".{path.name}.new")
    new.write_text(yaml.dump(document | {"config": whole}, Dumper=_Dumper, sort_keys=False, width=1_000_000))
    new.replace(path)
    return True


def set_secrets(stack: str, wanted: Mapping[str, str]) -> list[str]:
    """Sets those that differ from what the stack has; encrypted again, the same one would be a change of the file.

    The engine keeps a text without the newline that ends it.
    """
    has = json.loads(_pulumi(stack, "config", "--json", "--show-secrets"))
    kept = {name: has.get(f"{PREFIX}{name}", {}).get("value") for name in wanted}
    changed = [name for name, text in wanted.items() if kept[name] != text.removesuffix("\n")]
    for name in changed:
        _pulumi(stack, "config", "set", "--secret", f"{PREFIX}{name}", given=wanted[name])
    return changed


def _pulumi(stack: str, *words: str, given: str | None = None) -> str:
    command = ["pulumi", *words, "--stack", stack]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise StackError("pulumi: is not on PATH; install it, as for `pulumi up`") from error
    if done.returncode != 0:
        raise StackError(
            f"stack {stack}: {done.stderr.strip()}; log in to its backend, and `pulumi stack init {stack}`"
        )
    return done.stdout


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text()) if path.is_file() else None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StackError(f"{path}: is not YAML ({' '.join(str(error).split())}); correct it") from error
    if not isinstance(document, dict | None):
        raise StackError(f"{path}: is not a mapping; correct it, or take it away")
    return document or {}
