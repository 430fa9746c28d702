"""Runs scripts on hosts over this machine's ``ssh``, side by side, and keeps what each host answered.

Owns the key's file, the time limit, and telling a host that was not reached from a script that failed. Does not own
ssh's options (``render.openssh``), nor what is run.
"""

import contextlib
import os
import random
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from render import openssh
from render.files import wrap
from render.scripts import privileged_shell
from settings import Host

SECONDS = 60
NOT_REACHED = 255  # ssh's own exit code
BEGUN = "evenkeel: begun"  # a script's word that the shell has read all of it
# What ssh says where an SSH server hangs up before it has said who it is, which tells nothing of why; and the seconds
# until it is asked again.
TURNED_AWAY = "kex_exchange_identification: "
HUNG_UP = re.compile(rf"{TURNED_AWAY}|Connection (closed|reset) by ")
PAUSES = (1.0, 2.0, 4.0, 8.0)


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
    return _run(host, script, seconds)


def send(host: Host, file: Path, sha256: str, path: str, seconds: float) -> Answer:
    """Puts a file of this machine at an absolute path on one host, for root alone: the whole of it, or nothing."""
    part, cause = f"{path}.part", f"evenkeel: {host.name}: {path}: did not arrive whole; see that its folder has room"
    # It ends the shell by itself: not a byte of the file may ever be read as a line of the script.
    script = f"""\
echo {BEGUN}
if cat >{shlex.quote(part)} && echo {shlex.quote(f"{sha256}  {part}")} | sha256sum --check --status; then
    mv {shlex.quote(part)} {shlex.quote(path)}
    exit
fi
rm -f {shlex.quote(part)}
echo {shlex.quote(cause)} >&2
exit 1
"""
    with file.open("rb") as data:
        return _run(host, script, seconds, data)


def _run(host: Host, script: str, seconds: float, data: IO[bytes] | None = None) -> Answer:
    text = wrap(script)
    with _identity(host) as key:
        command = openssh.command(host.ssh, key, shlex.split(privileged_shell(host)))
        try:
            done = _let_in(partial(_fed, data=data) if data else _told, command, text, seconds)
        except FileNotFoundError:
            return Answer(host.name, None, "", "is not reached: ssh is not on PATH here; install OpenSSH's client")
        except subprocess.TimeoutExpired:
            return Answer(host.name, None, "", f"has not answered after {seconds:g} s; see what that host is doing")
    said = done.stderr.strip().splitlines()
    if done.returncode == NOT_REACHED:
        cause = (_causes(said) or said or ["ssh ended"])[-1]
        return Answer(host.name, None, done.stdout, f"is not reached: {cause}; {_way_in(host)}")
    return Answer(host.name, done.returncode, done.stdout, "\n".join(said))


def _let_in(
    once: "Callable[[list[str], str, float], subprocess.CompletedProcess[str]]",
    command: list[str],
    text: str,
    seconds: float,
) -> "subprocess.CompletedProcess[str]":
    """Again where a server turned it away: sshd refuses a rush (MaxStartups), as of many hosts behind one bastion."""
    for pause in PAUSES:
        done = once(command, text, seconds)
        said = done.stderr.strip().splitlines()
        if done.returncode != NOT_REACHED or TURNED_AWAY not in done.stderr or _causes(said):
            return done
        time.sleep(pause * random.uniform(0.5, 1.5))
    return once(command, text, seconds)


def _causes(said: Iterable[str]) -> list[str]:
    """A bastion's words come first: behind it, ssh itself knows only that nobody answers."""
    return [line for line in said if not HUNG_UP.match(line)]


def _way_in(host: Host) -> str:
    """What to try by hand."""
    own, bastion = host.ssh, host.ssh.bastion
    jump = f"-J {bastion.user}@{bastion.host}:{bastion.port} " if bastion else ""
    return f"see that it runs, and that 'ssh {jump}-p {own.port} {own.user}@{own.host}' is let in"


def _told(command: list[str], text: str, seconds: float) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=seconds, check=False)
    return subprocess.CompletedProcess(command, done.returncode, _read(done.stdout), _read(done.stderr))


def _fed(command: list[str], text: str, seconds: float, data: IO[bytes]) -> "subprocess.CompletedProcess[str]":
    """Runs a command that reads a script, and the data behind it; keeps what it says on standard error."""
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        fed = pool.submit(_feed, process.stdin, process.stdout, text, data)
        try:
            process.wait(seconds)
        finally:
            process.kill()  # which does nothing to one that has ended
        fed.result()
        return subprocess.CompletedProcess(command, process.returncode, "", _read(process.stderr.read()))


def _read(said: bytes) -> str:
    """Whatever the locale here is: a host's greeting, or a file's name there, may be of any."""
    return said.decode(errors="replace").replace("\r\n", "\n")


def _feed(into: IO[bytes], said: IO[bytes], script: str, data: IO[bytes]) -> None:
    """Shells read ahead of the line that they run (dash by 8 KiB), so the data waits for the script to have begun."""
    with contextlib.suppress(BrokenPipeError), into:  # who ends before all is read says why on standard error
        into.write(script.encode())
        into.flush()
        if any(line.strip() == BEGUN.encode() for line in said):
            shutil.copyfileobj(data, into)


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
