"""A bare host and a mirror for tests of the preflight: a folder as its root, stubs for what looks at the machine.

The stubs answer for a healthy host; a test changes one. Shell, text tools and curl are the real ones, and so is the
HTTP between curl and the mirror, which listens on loopback.
"""

import http.server
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

from render import preparation
from render.files import wrap
from settings import Stack

SCRIPTS_FOLDER = Path(__file__).resolve().parents[2] / "scripts"
SCRIPTS = {path.name: path.read_text() for path in SCRIPTS_FOLDER.glob("*.sh")}
REAL = [
    *("awk", "cat", "curl", "cut", "date", "env", "find", "flock", "grep", "gzip", "head", "mkdir", "mv", "openssl"),
    *("paste", "rm", "sed", "sh", "sha256sum", "sleep", "sort", "tail", "tar", "timeout", "tr"),
]
PRESENT = ["cmp", "conntrack", "iptables", "keepalived", "mount", "xargs"]
STUBS = {
    "id": "echo 0",
    "uname": 'case $1 in -m) echo x86_64 ;; -r) echo 6.1.0 ;; *) echo "$EVENKEEL_HOST" ;; esac',
    "nproc": "echo 4",
    "df": "printf 'Filesystem 1024-blocks Used Available\\n/dev/vda 99999999 1 50000000\\n'",
    "stat": "echo cgroup2fs",
    "modprobe": "exit 1",
    "getent": "exit 0",
    "ip": "printf '1: lo inet 127.0.0.1/8 scope host\\n2: eth0 inet %s/24 scope global\\n' \"$ADDRESS_OF_HOST\"",
    "ss": "exit 0",
    "systemctl": "case $* in is-active*) exit 3 ;; esac",
    "nginx": "echo 'configure arguments: --with-stream=dynamic --modules-path=/usr/lib/nginx/modules' >&2",
}
FILES = {
    "proc/1/comm": "systemd\n",
    "proc/meminfo": "MemTotal:        4000000 kB\n",
    "etc/resolv.conf": "nameserver 192.0.2.53\n",
    "proc/swaps": "Filename Type Size Used Priority\n",
    "proc/cgroups": "#subsys_name hierarchy num_cgroups enabled\ncpu 1 1 1\nmemory 2 1 1\npids 3 1 1\n",
    "proc/filesystems": "nodev\tproc\nnodev\toverlay\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
    "proc/sys/net/bridge/bridge-nf-call-iptables": "1\n",
    "sys/module/vxlan/parameters/udp_port": "0\n",
    "run/systemd/system/marker": "",
    "sys/class/net/eth0/address": "02:42:0a:4d:00:0b\n",
    "usr/lib/nginx/modules/ngx_stream_module.so": "",
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
}


@dataclass
class Mirror:
    """An HTTP server with files by path; whatever lies under /v2/ is there unless it is in ``missing``."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    ahead: float = 0.0
    served: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    mirror: Mirror

    def do_HEAD(self) -> None:
        known = self.path in self.mirror.files or self.path.startswith("/v2/")
        self._answer(200 if known and self.path not in self.mirror.missing else 404, b"")

    def do_GET(self) -> None:
        content = self.mirror.files.get(self.path)
        if content is None:
            self._answer(404, b"no such file")
            return
        self.mirror.served.append(self.path)
        asked = self.headers.get("Range")
        if asked is None:
            self._answer(200, content)
            return
        self.mirror.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").split("-")[0])
        self._answer(206 if start < len(content) else 416, content[start:], f"bytes {start}-{len(content) - 1}/*")

    def _answer(self, status: int, body: bytes, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time.time() + self.mirror.ahead, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def mirror() -> Iterator[Mirror]:
    """A mirror that runs until the end of the block."""
    state = Mirror()
    handler = type("Handler", (_Handler,), {"mirror": state})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield state
        server.shutdown()


class BareHost:
    """A host that nothing was done to yet."""

    def __init__(self, root: Path) -> None:
        self.root = root / "root"
        self.bin = root / "bin"
        self.bin.mkdir(parents=True)
        for path, text in FILES.items():
            self.file(path, text)
        for name in REAL:
            self.real(name)
        for name in PRESENT:
            self.stub(name, "exit 0")
        for name, text in STUBS.items():
            self.stub(name, text)

    @property
    def cache(self) -> Path:
        """Where downloads lie."""
        return self.root / "var/cache/evenkeel"

    @property
    def state(self) -> Path:
        """Where a host that was prepared keeps its state."""
        return self.root / "var/lib/evenkeel"

    def file(self, path: str, text: str) -> None:
        """Writes a file of the host."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def real(self, name: str) -> None:
        """Gives the host this machine's own command."""
        found = shutil.which(name)
        assert found, f"{name} is missing on this machine"
        self.remove(name)
        (self.bin / name).symlink_to(found)

    def stub(self, name: str, text: str) -> None:
        """Makes a command of the host do ``text``."""
        self.remove(name)
        (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.bin / name).chmod(0o755)

    def remove(self, name: str) -> None:
        """Takes a command away."""
        (self.bin / name).unlink(missing_ok=True)

    def preflight(self, stack: Stack, name: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Runs the preflight as host ``name`` of the stack; ``changed`` replaces variables."""
        with self.start(stack, name, **changed) as process:
            stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(self, stack: Stack, name: str, **changed: str) -> "subprocess.Popen[str]":
        """The same, without waiting for its end."""
        variables = preparation.preflight_variables(stack, stack.hosts[name]) | changed
        text = wrap(preparation.preflight_text(variables, SCRIPTS))
        environment = {
            "PATH": str(self.bin),
            "EVENKEEL_ROOT": str(self.root),
            "EVENKEEL_STATE": str(self.state),
            "EVENKEEL_CACHE": str(self.cache),
            "ADDRESS_OF_HOST": stack.hosts[name].address,
            "LC_ALL": "C",
            "no_proxy": os.environ.get("no_proxy", "127.0.0.1"),
        }
        with tempfile.TemporaryFile("w+") as standard_input:
            standard_input.write(text)
            standard_input.seek(0)
            return subprocess.Popen(
                [str(self.bin / "sh"), "-s", "--", "first"],
                stdin=standard_input,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                text=True,
            )
