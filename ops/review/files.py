"""What would be written on hosts: files and programs, as the lines that differ. Does not own who restarts for it."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ops.review.preview import SECRET, UNKNOWN, Preview, Step
from render.files import File, staged_parts

COMMAND = "command:remote:Command"
MOST_LINES = 20
DIGITS = 12
NEW, GONE = "new", "gone"
_ARTIFACTS = re.compile(r"^ARTIFACTS='([^']*)'$", re.MULTILINE)
_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class Change:
    """One file, or program, that differs on a host. ``part`` is what it is staged with; ``lines`` are a diff's.

    A file that comes or goes as a whole has one line that says so: ``NEW`` or ``GONE``.
    """

    path: str
    part: str
    lines: tuple[str, ...]


def changes(step: Step) -> list[Change]:
    """What a command would write, or no longer write, where that can be seen."""
    if step.op == "delete" or unseen(step):
        return []
    old, new = (str(inputs.get("stdin") or "") for inputs in (step.old, step.new))
    return [*_file_changes(old, new), *_program_changes(old, new)]


def unseen(step: Step) -> bool:
    """Whether what a command writes is secret, or only an ``up`` will tell."""
    return bool({SECRET, UNKNOWN} & {step.old.get("stdin"), step.new.get("stdin")})


def versions(step: Step, program: str) -> set[str]:
    """The versions of a program that a command would find and bring; one where it stays, none where it has none."""
    texts = [str(inputs.get("stdin") or "") for inputs in (step.old, step.new)]
    return {one.version for text in texts for (_, name, _), one in _programs(text).items() if name == program}


def by_hosts(preview: Preview) -> dict[Change, list[str]]:
    """Each change with the hosts that it is the same on."""
    found: dict[Change, list[str]] = {}
    for step in preview.of_type(COMMAND):
        host = preview.host_of(step)
        for change in changes(step) if host else ():
            found.setdefault(change, []).append(str(host))
    return found


def _file_changes(old: str, new: str) -> Iterator[Change]:
    before, after = _by_place(old), _by_place(new)
    for part, path in sorted(before.keys() | after.keys()):
        if lines := tuple(_difference(before.get((part, path)), after.get((part, path)))):
            yield Change(path, part, lines)


def _by_place(text: str) -> dict[tuple[str, str], File]:
    return {(part, file.path): file for part, files in staged_parts(text).items() for file in files}


def _difference(old: File | None, new: File | None) -> Iterator[str]:
    if old is None or new is None:
        yield NEW if new else GONE
        return
    if (old.mode, old.owner) != (new.mode, new.owner):
        yield from (f"-mode {old.mode} {old.owner}", f"+mode {new.mode} {new.owner}")
    yield from line_difference(old.content, new.content)


def line_difference(old: str, new: str) -> list[str]:
    """The lines that differ, at most so many that a reader gets through, with digests as long as a reader compares."""
    compared = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    lines = [short(line) for line in list(compared)[2:] if not line.startswith("@@")]
    rest = len(lines) - MOST_LINES
    return lines if rest <= 0 else [*lines[:MOST_LINES], f"  ... and {rest} lines more"]


def short(text: str) -> str:
    """The text with its digests cut short."""
    return _SHA256.sub(lambda found: f"{found[0][:DIGITS]}…", text)


def _program_changes(old: str, new: str) -> Iterator[Change]:
    """Programs by version and checksum; the table's group says in whose restart they are put to work."""
    before, after = _programs(old), _programs(new)
    for program in sorted(before.keys() | after.keys()):
        was, will = (side[program].told() if program in side else None for side in (before, after))
        if was != will:
            group, name, machine = program
            yield Change(f"program {name} ({machine}): {was or NEW} → {will or GONE}", f"{group}.artifacts", ())


@dataclass(frozen=True)
class _Program:
    version: str
    sha256: str

    def told(self) -> str:
        return f"{self.version} ({short(self.sha256)})"


def _programs(text: str) -> dict[tuple[str, str, str], _Program]:
    """By group, name and machine, as scripts/prepare.sh has the table."""
    rows = [line.split() for table in _ARTIFACTS.findall(text) for line in table.splitlines()]
    return {(group, name, machine): _Program(version, sha256) for group, machine, version, name, sha256, *_ in rows}
