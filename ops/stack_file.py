"""A stack's file as its user wrote it: which release it pins, and that pin changed with everything else untouched.

Owns reading and editing the text. Does not own what the settings mean (``settings``), nor which release may be pinned
(``ops.promotion``).
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from settings import NAMESPACE


class StackFileError(Exception):
    """The stack's file cannot be used: which key, why, and what to do."""


def own_name(stack: str) -> str:
    """A stack's name without its organization's, which Pulumi's own service has before it, and no file has."""
    return stack.rpartition("/")[2]


def file_name(stack: str) -> str:
    """Of the file in which the engine looks for the stack's settings."""
    return f"Pulumi.{own_name(stack)}.yaml"


@dataclass(frozen=True)
class StackFile:
    """One stack's file. ``lock`` is None where the release's own lock is used."""

    stack: str
    text: str
    environment: str
    release: str
    lock: str | None

    def pinned(self, release: str) -> str:
        """The text with another release in it: its name, and its lock where the stack names one for each release."""
        found = _scalars(self.stack, self.text)
        edits = [(found["release", "name"], release)]
        if self.lock is not None:
            edits.append((found["release", "lock"], self._lock_of(release)))
        text = self.text
        for node, value in sorted(edits, key=lambda edit: -edit[0].start_mark.index):
            quote = node.style or ('"' if value[:1].isdigit() else "")
            text = f"{text[: node.start_mark.index]}{quote}{value}{quote}{text[node.end_mark.index :]}"
        return text

    def lock_path(self, release: str) -> Path | None:
        """Where the lock of a release would lie for this stack; None for the release's own."""
        return None if self.lock is None else Path(self._lock_of(release))

    def _lock_of(self, release: str) -> str:
        if self.lock is None or self.release not in self.lock:
            what = f"{self.lock}: does not have the release's name in it, so that it cannot be told for {release}"
            raise StackFileError(f"{file_name(self.stack)}: release.lock: {what}; leave it out, or name it so")
        return self.lock.replace(self.release, release)


def read(stack: str, folder: Path) -> StackFile:
    """The file of a stack in the project's folder."""
    path = folder / file_name(stack)
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise StackFileError(f"{path.name}: cannot be read ({error}); name a stack whose file is here") from error
    found = _scalars(stack, text)
    for key in (("cluster", "environment"), ("release", "name")):
        if key not in found:
            raise StackFileError(f"{path.name}: {NAMESPACE}:{'.'.join(key)}: is missing; add it")
    lock = found.get(("release", "lock"))
    environment, release = found["cluster", "environment"].value, found["release", "name"].value
    return StackFile(stack, text, environment, release, lock.value if lock else None)


def _scalars(stack: str, text: str) -> dict[tuple[str, str], yaml.ScalarNode]:
    """The values of the sections' keys, with the places where they stand."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise StackFileError(f"{file_name(stack)}: is not YAML ({' '.join(str(error).split())})") from error
    found = {}
    for section, node in _entries(_entries(root).get("config")).items():
        for key, value in _entries(node).items():
            if isinstance(value, yaml.ScalarNode):
                found[section.removeprefix(f"{NAMESPACE}:"), key] = value
    return found


def _entries(node: yaml.Node | None) -> dict[str, yaml.Node]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {key.value: value for key, value in pairs if isinstance(key, yaml.ScalarNode)}
