"""What one host more costs: a first ``up`` of preparation for 10, 20 and 40 hosts, on which it costs nothing.

The hosts are SSH servers on the loopback interface that take every script and say that all is well, so that what is
measured is the engine, the program (bench/crowd) and the plugin; a host's own work is its own, and stack ``dev`` does
none meanwhile.
"""

import asyncio
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncssh
import yaml

from lab import engine
from tests.lab.program import DEV
from tests.lab.quiet import dev_frozen

PROGRAM = Path(__file__).parent / "crowd"
SIZES = (10, 20, 40)
MASTERS = 3
STACK = "crowd"
GLANCE = 0.2


class Crowd:
    """``size`` hosts, served by a thread of their own, and the settings of a stack of them."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        (folder / "id_ed25519").write_bytes(user.export_private_key("openssh"))
        self._authorized = asyncssh.import_authorized_keys(user.export_public_key("openssh").decode())
        self._ports: list[int] = []
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(size)), daemon=True).start()
        if not self._ready.wait(30):
            raise RuntimeError("bench: the hosts of the crowd do not listen")

    def settings(self) -> dict[str, Any]:
        """Dev's, with these hosts in place of its own: three masters, and workers."""
        key = self._host.export_public_key("openssh").decode().split()[:2]
        lines = [f"[127.0.0.1]:{port} {' '.join(key)}\n" for port in self._ports]
        (self._folder / "known_hosts").write_text("".join(lines))
        hosts = {
            f"host{number}": {
                "address": f"192.0.2.{number + 1}",
                "roles": [*(["master"] if number < MASTERS else ["worker"]), *(["lb"] if number == 0 else [])],
                "ssh": {"host": "127.0.0.1", "port": port},
            }
            for number, port in enumerate(self._ports)
        }
        sections = {name: value for name, value in DEV.settings().items() if not name.startswith("harbor")}
        release = sections["release"] | {"lock": str(Path(sections["release"]["lock"]).resolve())}
        return sections | {
            "hosts": hosts,
            "ssh": {"user": "root", "knownHosts": "known_hosts", "privateKeyFile": "id_ed25519"},
            "loadBalancer": {"address": "192.0.2.1", "port": 7443, "vip": None, "extraSans": []},
            "release": release,
        }

    async def _serve(self, size: int) -> None:
        options: dict[str, Any] = {"server_host_keys": [self._host], "authorized_client_keys": self._authorized}
        options |= {"process_factory": _content, "encoding": None, "config": None}
        servers = [await asyncssh.listen("127.0.0.1", 0, **options) for _ in range(size)]
        self._ports = [server.get_port() for server in servers]
        self._ready.set()
        await asyncio.gather(*(server.wait_closed() for server in servers))


async def _content(process: asyncssh.SSHServerProcess[bytes]) -> None:
    await process.stdin.read()
    process.exit(0)


def measure() -> dict[str, Any]:
    """Seconds and the largest resident memory by number of hosts, and the slope of the seconds."""
    with dev_frozen():
        runs = {size: _first_up(size) for size in SIZES}
    slope, _ = statistics.linear_regression([*runs], [run["seconds"] for run in runs.values()])
    return {
        "added_host_seconds": slope,
        "crowds": {str(size): run for size, run in runs.items()},
        "crowd_seconds": {str(size): round(run["seconds"], 1) for size, run in runs.items()},
        "crowd_engine_mb": runs[SIZES[-1]]["engine_mb"],
        "crowd_program_mb": runs[SIZES[-1]]["program_mb"],
    }


def _first_up(size: int) -> dict[str, float]:
    with _project(size) as folder:
        command = [str(engine.program()), "up", "--yes", "--skip-preview", "--stack", STACK]
        environment = engine.environment() | {"PYTHONPATH": str(PROGRAM.parents[1])}
        started = time.monotonic()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
            peaks = _peaks(process)
        if process.returncode != 0:
            raise RuntimeError(f"bench: {size} hosts: {(folder / 'log').read_text()[-4000:]}")
        return {"seconds": time.monotonic() - started, **peaks}


@contextmanager
def _project(size: int) -> Iterator[Path]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "__main__.py").write_text((PROGRAM / "__main__.py").read_text())
        runtime = {"name": "python", "options": {"virtualenv": str(engine.VENV)}}
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "evenkeel", "runtime": runtime}))
        _pulumi(folder, ["stack", "rm", STACK, "--yes", "--force"], check=False)  # what a killed run has left
        _pulumi(folder, ["stack", "init", STACK])
        file = folder / f"Pulumi.{STACK}.yaml"
        config = {f"evenkeel:{name}": value for name, value in Crowd(folder, size).settings().items()}
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "config": config}))
        try:
            yield folder
        finally:
            _pulumi(folder, ["stack", "rm", STACK, "--yes", "--force"])


def _pulumi(folder: Path, words: list[str], check: bool = True) -> None:
    command = [str(engine.program()), *words]
    subprocess.run(command, cwd=folder, env=engine.environment(), capture_output=True, check=check)


def _peaks(process: "subprocess.Popen[bytes]") -> Mapping[str, float]:
    """The most memory that the engine had, and the program, until the engine ended."""
    peaks = {"engine_mb": 0.0, "program_mb": 0.0}
    while process.poll() is None:
        peaks["engine_mb"] = max(peaks["engine_mb"], _resident_mb(process.pid))
        for pid in _programs():
            peaks["program_mb"] = max(peaks["program_mb"], _resident_mb(pid))
        time.sleep(GLANCE)
    return peaks


def _programs() -> Iterator[int]:
    """The processes that run a Pulumi program: the SDK's exec script tells them from all else."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"pulumi-language-python-exec" in path.read_bytes():
                yield int(path.parent.name)
        except OSError:
            continue


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
