"""The Docker daemon under the lab's hosts: the machine's own where one runs, else one that the lab starts.

Owns: starting, finding and ending a daemon of its own, whose data lie apart from those of a Docker that the machine
may have. Does not own: what runs in it (``lab.hosts``).
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError
from lab.packages import SYSTEM_PATH
from lab.paths import DAEMON_DATA, DAEMON_RUN
from lab.shell import run, unmount_below

PID_FILE = DAEMON_RUN / "dockerd.pid"
LOG = DAEMON_RUN / "dockerd.log"
START_SECONDS = 60
STOP_SECONDS = 60


def answers() -> bool:
    """Whether the Docker command reaches a daemon."""
    if shutil.which("docker") is None:
        return False
    return run(["docker", "version", "--format", "{{.Server.Version}}"], check=False).returncode == 0


def has_data() -> bool:
    """Whether a daemon of the lab's own has left data, though it may have ended since."""
    return DAEMON_DATA.exists()


def ensure(say: Callable[[str], None]) -> None:
    """Returns once a daemon answers, after starting one if there is none."""
    if answers():
        return
    say(f"starting dockerd (log: {LOG})")
    _start()
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if _pid() is None or time.monotonic() > deadline:
            tail = "\n  ".join(LOG.read_text().splitlines()[-10:])
            raise LabError(f"dockerd does not answer; the end of {LOG}:\n  {tail}")
        time.sleep(0.2)


def stop() -> None:
    """Ends the daemon that a lab started, and removes everything that it kept; does nothing to another one."""
    pid = _pid()
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        _await_end(pid)
    unmount_below(DAEMON_RUN)
    unmount_below(DAEMON_DATA)
    for folder in (DAEMON_RUN, DAEMON_DATA):
        if folder.exists():
            shutil.rmtree(folder)
    if pid is not None:
        _remove_empty("/run/docker", "/run/containerd", *map(str, Path("/sys/fs/cgroup").glob("*/docker")))


def _start() -> None:
    DAEMON_RUN.mkdir(mode=0o711, exist_ok=True)
    DAEMON_DATA.mkdir(mode=0o711, exist_ok=True)
    # The lab's network needs neither address translation nor a default bridge, so that none stays behind at the end.
    (DAEMON_RUN / "docker.pid").unlink(missing_ok=True)  # of a daemon that was killed; its number may be taken by now
    command = ["dockerd", "--data-root", str(DAEMON_DATA / "docker"), "--exec-root", str(DAEMON_RUN / "exec")]
    command += ["--pidfile", str(DAEMON_RUN / "docker.pid"), "--bridge", "none", "--iptables=false", "--ip-masq=false"]
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:{SYSTEM_PATH}"}
    with LOG.open("ab") as log:
        daemon = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
        )
    PID_FILE.write_text(str(daemon.pid))


def _pid() -> int | None:
    try:
        pid = int(PID_FILE.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ValueError):
        return None
    return pid if name == "dockerd" else None


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while _alive(pid):
        if time.monotonic() > deadline:
            raise LabError(f"dockerd (process {pid}) does not end after SIGTERM; see {LOG}, end it, and run down again")
        time.sleep(0.2)


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _remove_empty(*folders: str) -> None:
    """What a daemon makes beside its own folders; another containerd of the machine may still use one of them."""
    for folder in folders:
        if Path(folder).is_dir():
            run(["find", folder, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], check=False)
