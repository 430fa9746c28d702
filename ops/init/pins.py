"""Reads the keys that hosts show, and pins those that a known_hosts file does not have yet.

Owns asking hosts for their keys, all at once, and writing the file. Does not own whether a key is to be trusted: who
sits there says that (``ops.init.command``). A pinned key is never replaced: a host that shows another one is a fault.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import files
from settings import known_hosts
from settings.errors import key as config_key
from settings.known_hosts import KEY_TYPES, LAST_RESORT, Entry

if TYPE_CHECKING:
    import asyncssh

SECONDS = 10


@dataclass(frozen=True)
class End:
    """Where an SSH server listens, and the key of the stack's file that says so."""

    name: str
    host: str
    port: int
    key: str


@dataclass(frozen=True)
class Login:
    """How a bastion is entered, with the key that it must show; without a file the SSH agent has the user's."""

    host: str
    port: int
    user: str
    host_key: str
    private_key_file: Path | None


@dataclass(frozen=True)
class Seen:
    """The key that a server showed, as ``type base64``; ``pinned`` when the file has it already."""

    end: End
    key: str
    fingerprint: str
    pinned: bool

    @property
    def line(self) -> str:
        """Its line of known_hosts."""
        return f"{known_hosts.name_of(self.end.host, self.end.port)} {self.key}\n"


def read(ends: Sequence[End], pinned: list[Entry], through: Login | None = None) -> tuple[list[Seen], list[str]]:
    """The keys that the servers show, and what is wrong, one line each."""
    answers = asyncio.run(_read(ends, pinned, through))
    seen = [answer for answer in answers if isinstance(answer, Seen)]
    return seen, [answer for answer in answers if isinstance(answer, str)]


def entries(path: Path) -> list[Entry]:
    """What is pinned already; nothing where there is no file yet."""
    return known_hosts.read(path) if path.exists() else []


def add(path: Path, seen: Sequence[Seen]) -> None:
    """Puts the lines that are new at the end of the file."""
    text = path.read_text(errors="surrogateescape") if path.exists() else ""
    lines = dict.fromkeys(one.line for one in seen if not one.pinned)
    if lines:
        gap = "" if not text or text.endswith("\n") else "\n"
        files.put(path, f"{text}{gap}{''.join(lines)}".encode(errors="surrogateescape"))


async def _read(ends: Sequence[End], pinned: list[Entry], through: Login | None) -> list[Seen | str]:
    import asyncssh  # not above: it takes a fifth of a second to import, and other commands do without

    if through is None:
        return await asyncio.gather(*(_ask(end, pinned, ()) for end in ends))
    try:
        bastion = await asyncio.wait_for(_enter(through), SECONDS)
    except (OSError, asyncssh.Error, ValueError, TimeoutError) as error:
        where = f"{config_key('ssh', 'bastion', 'host')}: {through.host}"
        return [f"{where}: lets nobody through ({_reason(error)}); {_way_in(through)}"]
    try:
        return await asyncio.gather(*(_ask(end, pinned, bastion) for end in ends))
    finally:
        bastion.abort()


async def _enter(login: Login) -> "asyncssh.SSHClientConnection":
    import asyncssh

    if login.private_key_file:
        return await _entered(login, [asyncssh.read_private_key(login.private_key_file)])
    agent = await asyncssh.connect_agent()
    try:
        keys = await agent.get_keys()
        if not keys:  # the library would go on to look for files
            raise ValueError("the SSH agent has no key")
        return await _entered(login, keys)
    finally:
        agent.close()


async def _entered(login: Login, keys: Sequence[Any]) -> "asyncssh.SSHClientConnection":
    import asyncssh

    key = asyncssh.import_public_key(login.host_key)
    return await asyncssh.connect(
        login.host,
        login.port,
        username=login.user,
        client_keys=keys,
        known_hosts=([key], [], []),
        server_host_key_algs=_algorithms(login.host_key.split()[0]),
        agent_path=None,
        config=None,
    )


async def _ask(end: End, pinned: list[Entry], tunnel: Any) -> Seen | str:
    import asyncssh

    known = known_hosts.find(pinned, [end.host, end.name], end.port)
    kinds = [known.split()[0]] if known else KEY_TYPES
    algorithms = [algorithm for kind in kinds for algorithm in _algorithms(kind)]
    asking = asyncssh.get_server_host_key(
        end.host, end.port, tunnel=tunnel, server_host_key_algs=algorithms, config=None
    )
    try:
        key = await asyncio.wait_for(asking, SECONDS)
    except (OSError, asyncssh.Error, TimeoutError) as error:
        remedy = "see that its sshd runs and is reached from here, or correct the address or --port"
        return f"{end.key}: {end.host}: shows no key at port {end.port} ({_reason(error)}); {remedy}"
    if key is None:
        return f"{end.key}: {end.host}: shows no key at port {end.port}; give its sshd an Ed25519 key"
    text = " ".join(key.export_public_key("openssh").decode().split()[:2])
    if known and text != known:
        remedy = "if it was set up anew, take the old line away after comparing the key with the host's own"
        return f"{end.key}: {end.host}: shows {key.get_fingerprint()}, and another key is pinned for it; {remedy}"
    return Seen(end, text, key.get_fingerprint(), known is not None)


def _algorithms(kind: str) -> list[str]:
    """The signatures that go with a kind of key."""
    return ["rsa-sha2-512", "rsa-sha2-256"] if kind == LAST_RESORT else [kind]


def _way_in(login: Login) -> str:
    key = login.private_key_file or "a key that the SSH agent has ('ssh-add -l' lists them)"
    return f"see that {login.user} is let in there with {key}, and may forward connections"


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer after {SECONDS} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
