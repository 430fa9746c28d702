"""The policy about secrets: they are Pulumi secrets wherever they stand, and never where a process list shows them."""

import re
from collections.abc import Iterator, Mapping, Sequence

from policy.resources import COMMAND, Resource, known
from policy.secret_text import SecretText

# A key, a kubeconfig's key, or a password that a variable is set to (and not, as scripts do, to another variable).
_SECRET = re.compile(
    r"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----|\bclient-key-data: *\S|"
    r"\b[A-Z_]*(PASSWORD|SECRET(_KEY)?)=['\"]?[^\s;$'\"]"
)
SHOWN = ("create", "update", "delete", "environment")  # others on the host, or in the log, may read these


def secrets_are_secret(resource: Resource) -> Iterator[str]:
    """No key or password is readable in state, in a preview, in a log, or in a command's own text."""
    for path, text in _texts(resource.props):
        if not isinstance(text, SecretText) and _SECRET.search(text):
            yield f"{path} holds a secret in plain text; wrap it with pulumi.Output.secret"
    if resource.resource_type == COMMAND:
        yield from _told(resource)


def _told(command: Resource) -> Iterator[str]:
    shown = [path for path, text in _texts({key: known(command.props, key) for key in SHOWN}) if _SECRET.search(text)]
    yield from (f"{path} holds a secret that others on the host can see; put it on standard input" for path in shown)
    if isinstance(known(command.props, "stdin"), SecretText) and known(command.props, "logging") != "none":
        yield "stdin is secret and what the command says is logged; set logging to none"


def _texts(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every known text within a value, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key in value:
            yield from _texts(known(value, key), f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence):
        for index in range(len(value)):
            yield from _texts(known(value, index), f"{path}[{index}]")
