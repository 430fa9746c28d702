"""Reads from a kubeconfig how to reach and authenticate to one cluster.

Does not own: connections (``cluster``). What it does not implement it refuses; TLS verification can't be turned off.
"""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lab.plugins.base import PluginError

CLUSTER_FIELDS = frozenset(("server", "certificate-authority-data", "certificate-authority", "extensions"))
USER_FIELDS = frozenset(
    ("client-certificate-data", "client-key-data", "client-certificate", "client-key", "token", "tokenFile")
)


class KubeconfigError(PluginError):
    """The kubeconfig can't be used; the text says which field, and why."""


@dataclass(frozen=True)
class Access:
    """How to reach one cluster. ``cluster`` is its entry as written: another entry may mean another cluster."""

    server: str
    namespace: str
    authority: str | None
    certificate: bytes | None
    key: bytes | None
    token: str | None
    cluster: str


def parse(text_or_path: str, context: str | None = None) -> Access:
    """The access that the current context (or ``context``) of a kubeconfig, or of a file that holds one, gives."""
    document = _load(text_or_path)
    name = context or document.get("current-context") or _fail("current-context", "is not set")
    chosen = _entry(document, "contexts", "context", name)
    cluster = _entry(document, "clusters", "cluster", chosen.get("cluster", ""))
    user = _entry(document, "users", "user", chosen.get("user", ""))
    _refuse_others(cluster, CLUSTER_FIELDS, "cluster")
    _refuse_others(user, USER_FIELDS, "user")
    authority = _content(cluster, "certificate-authority")
    return Access(
        server=str(cluster.get("server") or _fail("cluster.server", "is not set")).rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        authority=authority.decode() if authority else None,
        certificate=_content(user, "client-certificate"),
        key=_content(user, "client-key"),
        token=_token(user),
        cluster=repr(sorted(cluster.items())),
    )


def _load(text_or_path: str) -> dict[str, Any]:
    import yaml  # late: a plugin that is asked nothing about a cluster does not need it

    text = text_or_path
    if "\n" not in text and not text.lstrip().startswith("{"):
        path = Path(text).expanduser()
        if not path.is_file():
            _fail("kubeconfig", f"is neither a kubeconfig nor the path of one: {path}")
        text = path.read_text()
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # the error's own text would quote the line, which may be a key
        _fail("kubeconfig", "is not valid YAML" + (f" (line {mark.line + 1})" if mark else ""))
    return document if isinstance(document, dict) else _fail("kubeconfig", "is not a YAML mapping")


def _entry(document: dict[str, Any], section: str, key: str, name: str) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if entry.get("name") == name:
            return dict(entry.get(key) or {})
    _fail(section, f"has no entry named {name!r}")


def _refuse_others(given: dict[str, Any], known: frozenset[str], where: str) -> None:
    for field in sorted(set(given) - known):
        _fail(f"{where}.{field}", "is not implemented by the lab's plugin; use certificates or a token")


def _content(entry: dict[str, Any], field: str) -> bytes | None:
    data = entry.get(f"{field}-data")
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            _fail(f"{field}-data", "is not base64")
    path = entry.get(field)
    return Path(path).read_bytes() if path else None


def _token(user: dict[str, Any]) -> str | None:
    if user.get("tokenFile"):
        return Path(user["tokenFile"]).read_text().strip()
    return user.get("token")


def _fail(field: str, problem: str) -> NoReturn:
    raise KubeconfigError(f"kubeconfig: {field} {problem}")
