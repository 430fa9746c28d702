"""The running program's configuration, as the engine hands it over.

Owns how it is read from the engine. Does not own what it may say (``settings``).
"""

import json
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret

import settings
from settings import Stack
from settings.draft import TEXTS


def stack(config: pulumi.Config, root: Path | None = None) -> Stack:
    """The stack that the program belongs to. Paths are relative to ``root``, else to the project's folder."""
    prefix = config.full_key("")
    names = [name.removeprefix(prefix) for name in {**get_config_env(), **CONFIG.get()} if name.startswith(prefix)]
    values = {name: _decoded(name, config.get(name)) for name in names}
    return settings.parse(values, root, {name for name in names if is_config_secret(config.full_key(name))})


def _decoded(name: str, text: str | None) -> object:
    """The engine hands every value over as text: objects as JSON, plain values as they are."""
    if text is None or name in TEXTS:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
