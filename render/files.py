"""A file as a host shall have it, and its form inside a script.

Owns both directions: a script from files, and the files that a script lays down, for whoever reviews one. Does not own
where scripts run (``components.host``).
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

HEREDOC_END = "EVENKEEL_EOF"


@dataclass(frozen=True)
class File:
    """One file on a host: absolute path, whole text, octal mode and ``user:group``.

    A text that does not end with a newline is written without one (Harbor's secretkey needs that).
    """

    path: str
    content: str
    mode: str = "0644"
    owner: str = "root:root"

    def __post_init__(self) -> None:
        if HEREDOC_END in self.content.splitlines():
            raise ValueError(f"{self.path}: a line reads {HEREDOC_END!r}, which ends the file's text; change that line")
        if not self.path.startswith("/"):
            raise ValueError(f"{self.path}: a file's path on a host is absolute")


def heredoc(command: str, file: File) -> str:
    """The shell lines that feed ``file`` to ``command MODE OWNER PATH NEWLINE`` of scripts/lib.sh."""
    newline = "newline" if file.content.endswith("\n") else "bare"
    words = [*shlex.split(command), file.mode, file.owner, file.path, newline]
    body = file.content if file.content.endswith("\n") else file.content + "\n"
    return f"{shlex.join(words)} <<'{HEREDOC_END}'\n{body}{HEREDOC_END}\n"


def stage_script(parts: dict[str, list[File]]) -> str:
    """The shell lines that lay each part's files into the host's staging area."""
    return "".join(_stage_part(part, files) for part, files in parts.items())


def _stage_part(part: str, files: Iterable[File]) -> str:
    lines = "".join(heredoc(f"put {part}", file) for file in files)
    return f"stage_begin {part}\n{lines}stage_end {part}\n"


def wrap(body: str) -> str:
    """A script that runs wholly or, when its text was cut on the way, not at all."""
    return f'main() {{\nset -eu\numask 077\n{body.rstrip()}\n}}\nmain "$@"\n'


def staged_parts(script: str) -> dict[str, list[File]]:
    """The parts and files that a script with ``stage_script`` in it lays out."""
    parts: dict[str, list[File]] = {}
    lines = iter(script.split("\n"))
    for line in lines:
        if not (line.startswith("put ") and line.endswith(f" <<'{HEREDOC_END}'")):
            continue
        _, part, mode, owner, path, newline, _ = shlex.split(line)
        content = "\n".join(iter(lines.__next__, HEREDOC_END))
        parts.setdefault(part, []).append(File(path, content + ("\n" if newline == "newline" else ""), mode, owner))
    return parts
