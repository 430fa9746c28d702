"""A stack's settings for a command of an operator: what ``pulumi up`` would read, secrets included; and its state.

Owns asking the ``pulumi`` on PATH for them, with the passphrase or key service that the operator has for ``up``. Does
not own what settings may be (``settings``).
"""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import settings
from settings import Stack

PREFIX = f"{settings.NAMESPACE}:"


class StackError(Exception):
    """The stack's settings could not be had; the text says why and what to do."""


def read(name: str) -> Stack:
    """The settings of stack ``name``; relative paths in them are relative to the working folder, as for ``up``."""
    command = ["pulumi", "config", "--json", "--show-secrets", "--stack", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise StackError("pulumi: is not on PATH; install it, as for `pulumi up`") from error
    if done.returncode != 0:
        raise StackError(f"stack {name}: {done.stderr.strip()}; log in to its backend as for `pulumi up`")
    try:
        return settings.parse(values(json.loads(done.stdout)))
    except settings.SettingsError as error:
        raise StackError(str(error)) from error


def exported(name: str) -> bytes:
    """The state of stack ``name`` as ``pulumi stack import`` takes it; its secrets stay encrypted."""
    done = subprocess.run(["pulumi", "stack", "export", "--stack", name], capture_output=True, check=False)
    if done.returncode != 0:
        raise StackError(f"stack {name}: {done.stderr.decode().strip()}; log in to its backend as for `pulumi up`")
    return done.stdout


def values(config: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:
    """The project's own of what ``pulumi config --json`` shows, as ``settings.parse`` takes them."""
    own = {key: entry for key, entry in config.items() if key.startswith(PREFIX)}
    return {key: entry.get("objectValue", entry.get("value")) for key, entry in own.items()}
