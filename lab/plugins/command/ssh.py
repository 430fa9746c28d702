"""Runs one command on a host over SSH: dialling with retries, through a bastion if there is one, and its output.

Does not own: which command runs when (``remote``). Each command dials anew, as the official plugin does.
"""

import asyncio
import codecs
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncssh

from lab.plugins.base import Engine, PluginError

FIRST_DELAY_SECONDS, DELAY_FACTOR, LAST_DELAY_SECONDS = 0.1, 1.5, 5.0
UNLIMITED = -1
# A peer that is gone is noticed after as long as the official plugin's TCP keep-alive takes.
ALIVE_SECONDS, ALIVE_TRIES = 15, 9

Settings = dict[str, Any]
Say = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Job:
    """A command, what it reads, and which of its streams are shown while it runs."""

    command: str
    stdin: str
    environment: dict[str, str]
    show_stdout: bool
    show_stderr: bool


async def run(engine: Engine, urn: str, connection: Settings, job: Job) -> dict[str, str]:
    """Dials, runs, and answers the output; a status other than 0 is an error that holds it."""

    async def say(line: str) -> None:
        await engine.log(urn, line, status=True)

    bastion = await _bastion(connection, say)
    client = None
    try:
        client = await _dial(connection, "Dial", say, tunnel=bastion)
        return await _execute(client, job, say)
    finally:
        for opened in (client, bastion):
            if opened is not None:
                opened.abort()


async def _bastion(connection: Settings, say: Say) -> asyncssh.SSHClientConnection | None:
    if not connection.get("proxy"):
        return None
    try:
        return await _dial(connection["proxy"], "Dial proxy", say)
    except PluginError as error:
        raise PluginError(f"proxy: {error}") from error


async def _dial(
    endpoint: Settings, what: str, say: Say, tunnel: asyncssh.SSHClientConnection | None = None
) -> asyncssh.SSHClientConnection:
    """Dials again after any error, authentication included, as the official plugin does."""
    limit, delay, failures = endpoint["dialErrorLimit"], FIRST_DELAY_SECONDS, 0
    options = _options(endpoint)
    while True:
        try:
            async with _identities(endpoint) as keys:
                # No keys must be None: an empty list would stand for those of the home folder.
                where = endpoint["host"], endpoint["port"]
                return await asyncssh.connect(*where, tunnel=tunnel or (), client_keys=keys or None, **options)
        except (OSError, asyncssh.Error, TimeoutError) as error:
            failures += 1
            if limit > UNLIMITED and failures > limit:
                peer = f"{endpoint['user']}@{endpoint['host']}:{endpoint['port']}"
                reason = str(error) or type(error).__name__
                raise PluginError(f"{peer}: after {failures - 1} failed attempts: {reason}") from error
        await say(f"{what} {failures}/{'inf' if limit == UNLIMITED else limit} failed: retrying")
        await asyncio.sleep(delay)
        delay = min(delay * DELAY_FACTOR, LAST_DELAY_SECONDS)


def _options(endpoint: Settings) -> Settings:
    options: Settings = {
        "username": endpoint["user"],
        "password": endpoint.get("password"),
        "agent_path": None,
        "known_hosts": None,
        "config": None,
        "connect_timeout": endpoint["perDialTimeout"] or None,
        "login_timeout": 0,
        "keepalive_interval": ALIVE_SECONDS,
        "keepalive_count_max": ALIVE_TRIES,
        "encoding": None,
    }
    if endpoint.get("hostKey"):
        try:
            key = asyncssh.import_public_key(endpoint["hostKey"])
        except asyncssh.KeyImportError as error:
            form = "it takes the form of authorized_keys: TYPE BASE64"
            raise PluginError(f"failed to parse host key {endpoint['hostKey']!r}: {error}; {form}") from error
        options |= {"known_hosts": ([key], [], []), "server_host_key_algs": [key.algorithm.decode()]}
    return options


@asynccontextmanager
async def _identities(endpoint: Settings) -> AsyncIterator[list[asyncssh.SSHKey | asyncssh.SSHKeyPair]]:
    """The private key, then those of an agent, which must stay open while they are used."""
    keys: list[asyncssh.SSHKey | asyncssh.SSHKeyPair] = []
    if endpoint.get("privateKey"):
        try:
            keys.append(asyncssh.import_private_key(endpoint["privateKey"], endpoint.get("privateKeyPassword")))
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise PluginError(f"{endpoint['host']}: connection.privateKey: {error}") from error
    path = endpoint.get("agentSocketPath") or os.environ.get("SSH_AUTH_SOCK")
    if not path:
        yield keys
        return
    try:
        agent = await asyncssh.connect_agent(path)
    except OSError as error:
        raise PluginError(f"{endpoint['host']}: SSH agent {path}: {error}") from error
    async with agent:
        yield [*keys, *await agent.get_keys()]


async def _execute(client: asyncssh.SSHClientConnection, job: Job, say: Say) -> dict[str, str]:
    process = await client.create_process(job.command, env=job.environment, encoding=None)
    both: list[bytes] = []
    try:
        stdout, stderr, _ = await asyncio.gather(
            _collect(process.stdout, both, say if job.show_stdout else None),
            _collect(process.stderr, both, say if job.show_stderr else None),
            _feed(process.stdin, job.stdin),
        )
        await process.wait_closed()
    except (OSError, asyncssh.Error) as error:
        raise PluginError(f"connection lost: {error}: running {_quoted(job.command)}:\n{_text(both)}") from error
    if process.exit_status != 0:
        raise PluginError(f"{_ending(process)}: running {_quoted(job.command)}:\n{_text(both)}")
    return {"stdout": stdout.removesuffix("\n"), "stderr": stderr.removesuffix("\n")}


async def _feed(stdin: Any, text: str) -> None:
    """A command that ends, or closes its input, before it has read everything is no error."""
    try:
        stdin.write(text.encode())
        await stdin.drain()
        stdin.write_eof()
    except (BrokenPipeError, ConnectionError):
        return


async def _collect(stream: Any, both: list[bytes], say: Say | None) -> str:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    text, rest = [], ""
    while block := await stream.read(65536):
        both.append(block)
        text.append(decode(block))
        if say:
            *lines, rest = (rest + text[-1]).split("\n")
            for line in lines:
                await say(line)
    if say and rest:
        await say(rest)
    return "".join([*text, decode(b"", True)])


def _ending(process: Any) -> str:
    if process.exit_signal:
        return f"Process exited from signal {process.exit_signal[0]}"
    if process.exit_status is None:
        return "remote command exited without exit status or exit signal"
    return f"Process exited with status {process.exit_status}"


def _quoted(command: str) -> str:
    return json.dumps(command, ensure_ascii=False)


def _text(blocks: list[bytes]) -> str:
    return b"".join(blocks).decode(errors="replace")
