"""A real PostgreSQL and a real Redis on loopback, for the time of a test run.

Owns: their start and end. Does not own: what is in them (each ``tests.lab_harbor.site`` has a database of its own).
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

PASSWORD = "of-the-tests"


@dataclass(frozen=True)
class Stores:
    """Where the two listen."""

    postgres_port: int
    redis_port: int

    def sql(self, database: str, statement: str) -> str:
        """What psql answers to one statement."""
        command = ["psql", "-h", "127.0.0.1", "-p", str(self.postgres_port), "-U", "harbor", "-d", database, "-AtX"]
        command += ["-v", "ON_ERROR_STOP=1", "-c", statement]
        environment = os.environ | {"PGPASSWORD": PASSWORD}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def redis(self, number: int, *command: str) -> str:
        """What redis-cli answers in the database of that number."""
        client = ["redis-cli", "-p", str(self.redis_port), "-n", str(number), "--raw", *command]
        return subprocess.run(client, capture_output=True, text=True, check=True).stdout.strip()


def until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Waits for a condition, or fails saying what did not come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def stores(folder: Path) -> Iterator[Stores]:
    """Both servers, their logs in ``folder``."""
    found = Stores(free_port(), free_port())
    with _postgres(folder, found.postgres_port), _redis(folder, found.redis_port):
        yield found


@contextlib.contextmanager
def _postgres(folder: Path, port: int) -> Iterator[None]:
    """It does not start as root, and could not enter pytest's folders as anybody else."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as home:
        data, password = Path(home, "data"), Path(home, "password")
        password.write_text(PASSWORD)
        if user is not None:
            shutil.chown(home, user)
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "harbor", "--auth=scram-sha-256", "--no-sync"]
        done = subprocess.run([*initdb, f"--pwfile={password}"], user=user, cwd="/", capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        server = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"]
        with _process(server, folder / "postgres.log", user) as process:
            until(lambda: listens(port) and process.poll() is None, "PostgreSQL")
            yield


@contextlib.contextmanager
def _redis(folder: Path, port: int) -> Iterator[None]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    command += ["--databases", "100"]
    with _process(command, folder / "redis.log", None):
        until(lambda: listens(port), "Redis")
        yield


@contextlib.contextmanager
def _process(command: list[str], log: Path, user: int | None) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, user=user, cwd="/")
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL waits for its clients after a SIGTERM
        process.wait(30)
