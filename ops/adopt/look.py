"""Asks a host what it is: files and answers, exactly as the host has them.

Owns the way there and the form of the lines that look.sh prints. Does not own what they mean (``ops.adopt.cluster``).
"""

import base64
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from render import openssh
from settings import Ssh

SCRIPT = Path(__file__).with_name("look.sh")
SECONDS = 180


class LookError(Exception):
    """The host can't be read: cause and remedy."""


@dataclass(frozen=True)
class Answer:
    """What a question was answered; ``status`` is 0 where that is an answer and not an error's text."""

    status: int
    text: str


@dataclass(frozen=True)
class Look:
    """A host as it was read: files by path, answers by the names that look.sh gives its questions."""

    files: Mapping[str, str]
    answers: Mapping[str, Answer]


def at(ssh: Ssh) -> Look:
    """Reads the host over one connection."""
    done = run(ssh, SCRIPT.read_text())
    if done.returncode != 0:
        said = (done.stderr.strip() or f"ssh ended with {done.returncode}").splitlines()[-1]
        remedy = "see that this user is let in with this key and is root or may sudo without a password"
        raise LookError(f"{ssh.user}@{ssh.host}: cannot be read ({said}); {remedy}")
    return read(done.stdout)


def run(ssh: Ssh, script: str) -> "subprocess.CompletedProcess[str]":
    """Runs shell lines as root on the host; they travel on standard input. Without a key's file an SSH agent has it."""
    words = ["sh", "-s"] if ssh.user == "root" else ["sudo", "-n", "sh", "-s"]
    identity = str(Path(ssh.private_key_file).expanduser()) if ssh.private_key_file else None
    command = openssh.command(ssh, identity, words)
    try:
        # A host's greeting may be of any encoding.
        return subprocess.run(
            command, input=script, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise LookError(f"{ssh.host}: is not reached: ssh is not on PATH here; install OpenSSH's client") from error
    except subprocess.TimeoutExpired as error:
        raise LookError(f"{ssh.host}: has not answered after {SECONDS} s; see what that host does") from error


def read(printed: str) -> Look:
    """The lines of look.sh."""
    files: dict[str, str] = {}
    answers: dict[str, Answer] = {}
    for line in printed.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "file":
            path, _, text = rest.partition(" ")
            files[path] = _decoded(text)
        elif kind == "answer":
            name, status, text = rest.split(" ", 2)
            answers[name] = Answer(int(status), _decoded(text))
    return Look(files, answers)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")
