"""Runs scripts on hosts over this machine's ``ssh``, side by side, and keeps what each host answered.

Owns the key's file, the time limit, and telling a host that was not reached from a script that failed. Does not own
ssh's options (``render.openssh``), nor what is run.
"""

import contextlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from render import openssh
from render.files import wrap
from render.scripts import privileged_shell, sudo
from settings import Host

SECONDS = 60
NOT_REACHED = 255  # ssh's own exit code


@dataclass(frozen=True)
class Answer:
    """What a host said. ``code`` is the script's exit code, None when it was not run to its end; ``error`` says why."""

    host: str
    code: int | None
    output: str
    error: str

    @property
    def fault(self) -> str:
        """Empty when the script ended well; else the host and the cause."""
        return "" if self.code == 0 else f"{self.host}: {self.error or f'ended with {self.code}'}"

    @property
    def words(self) -> str:
        """Of one that failed: a step has said host, step, cause and remedy; what was not run to its end has not."""
        return self.error if self.code and self.error else self.fault


def ask_all(hosts: Iterable[Host], script: Callable[[Host], str], seconds: float = SECONDS) -> list[Answer]:
    """Runs each host's script as root there, all at once; the answers are in the order of the hosts."""
    asked = list(hosts)
    with ThreadPoolExecutor(max_workers=len(asked) or 1) as pool:
        return list(pool.map(lambda host: ask(host, script(host), seconds), asked))


def ask(host: Host, script: str, seconds: float = SECONDS) -> Answer:
    """Runs shell lines as root on one host. They travel on standard input."""
    return _run(host, shlex.split(privileged_shell(host)), seconds, text=wrap(script))


def send(host: Host, file: Path, path: str, seconds: float) -> Answer:
    """Writes a file of this machine to an absolute path on one host, for root alone."""
    with file.open("rb") as data:
        return _run(host, [*sudo(host), "sh", "-c", f"umask 077; exec cat >{shlex.quote(path)}"], seconds, data)


def _run(
    host: Host, words: list[str], seconds: float, data: IO[bytes] | None = None, text: str | None = None
) -> Answer:
    with _identity(host) as key:
        command = openssh.command(host.ssh, key, words)
        try:
            done = subprocess.run(
                command, stdin=data, input=text, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return Answer(host.name, None, "", f"has not answered after {seconds:g} s; see what that host is doing")
    said = done.stderr.strip().splitlines()
    if done.returncode == NOT_REACHED:
        remedy = f"see that it runs, and that 'ssh -p {host.ssh.port} {host.ssh.user}@{host.ssh.host}' is let in"
        return Answer(host.name, None, done.stdout, f"is not reached: {said[-1] if said else 'ssh ended'}; {remedy}")
    return Answer(host.name, done.returncode, done.stdout, "\n".join(said))


@contextlib.contextmanager
def _identity(host: Host) -> Iterator[str | None]:
    """The private key in a file of its own for as long as ``ssh`` needs it; None where an SSH agent has it."""
    if host.ssh.by_agent:
        yield None
        return
    descriptor, path = tempfile.mkstemp(prefix="evenkeel-")  # readable by this user only
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{host.ssh.private_key.get_secret_value().rstrip()}\n")
        yield path
    finally:
        Path(path).unlink()
