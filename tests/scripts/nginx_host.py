"""A load balancer on loopback for tests: the rendered files under another root, a real nginx and the real check.

Owns the substitution of paths and the life of both processes. The upstreams are small HTTP servers that can be ready,
not ready, hung or gone.
"""

import http.client
import http.server
import itertools
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from render import load_balancer
from render.load_balancer import Balancer, HttpCheck, Service, Upstream
from render.scripts import SCRIPTS
from tests.ports import free_port
from tests.waiting import eventually

CHECK = SCRIPTS / "upstream-check.sh"
ENVIRONMENT = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
HUNG_SECONDS = 3


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        upstream = self.server.upstream
        if self.path == "/readyz":
            upstream.checks += 1
            if upstream.hung:
                time.sleep(HUNG_SECONDS)
            self._answer(upstream.readiness, upstream.name)
        else:
            self._answer(upstream.service, upstream.name)

    def _answer(self, code: int, text: str) -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: "FakeUpstream") -> None:
        self.upstream = upstream
        super().__init__((upstream.address, upstream.port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error here."""


@dataclass
class FakeUpstream:
    """One upstream: ``readiness`` and ``service`` are its HTTP codes for /readyz and for everything else."""

    name: str
    address: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    readiness: int = 200
    service: int = 200
    hung: bool = False
    checks: int = 0
    tls: ssl.SSLContext | None = None
    _server: _Server | None = None

    def start(self) -> None:
        """Listens."""
        self._server = _Server(self)
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Listens no more: connections are refused."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class NginxHost:
    """The files of one load balancer under ``root``, and the two processes that use them."""

    def __init__(self, root: Path, upstreams: list[FakeUpstream], check: HttpCheck) -> None:
        self.root = root
        self.upstreams = upstreams
        self.check = check
        self.port, self.status_port = free_port(), free_port()
        self.state, self.run, self.conf = root / "state", root / "run", root / "nginx.conf"
        self.log = root / "check.log"
        self._check: subprocess.Popen[bytes] | None = None
        self.state.mkdir()
        self.write(upstreams)

    def write(self, upstreams: list[FakeUpstream]) -> None:
        """What staging and activation lay down: nginx.conf, the table and the modules to load."""
        service = Service(
            "apiserver",
            self.port,
            tuple(Upstream(upstream.name, upstream.address, upstream.port) for upstream in upstreams),
            check=self.check,
        )
        balancer = Balancer("127.0.0.1", self.status_port, (), (service,))
        self.conf.write_text(self._here(load_balancer.nginx_conf(balancer)))
        (self.state / "upstreams").write_text(self._here(load_balancer.table(balancer)))
        (self.state / "modules.conf").write_text(_modules())

    def _here(self, text: str) -> str:
        own = {
            load_balancer.STATE: str(self.state),
            "/run/nginx.pid": str(self.root / "nginx.pid"),
            "/var/log/nginx/error.log": str(self.root / "error.log"),
            "    access_log off;\n": "    access_log off;\n" + self._temporary_folders(),
            "worker_processes auto": "worker_processes 2",
        }
        for official, ours in own.items():
            text = text.replace(official, ours)
        return text

    def _temporary_folders(self) -> str:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return "".join(f"    {kind}_temp_path {self.root}/{kind};\n" for kind in kinds)

    def _arguments(self) -> list[str]:
        paths = (self.state / "upstreams", self.state, self.run, self.conf)
        return [*map(str, paths), f"127.0.0.1:{self.status_port}"]

    def seed(self) -> None:
        """Lists for an nginx that starts before any check ran."""
        subprocess.run([CHECK, "seed", *self._arguments()], check=True, env=ENVIRONMENT)

    def nginx(self) -> None:
        """Starts nginx."""
        subprocess.run(["nginx", "-c", str(self.conf)], check=True, env=ENVIRONMENT)

    def start_check(self) -> None:
        """What the unit does: the check in the background, its words in ``log``."""
        with self.log.open("ab") as log:
            self._check = subprocess.Popen([CHECK, "watch", *self._arguments()], stderr=log, env=ENVIRONMENT)

    def kill_check(self) -> None:
        """kill -9, and what systemd does then: the runtime folder vanishes."""
        if self._check:
            self._check.kill()
            self._check.wait()
            self._check = None
        shutil.rmtree(self.run, ignore_errors=True)

    def stop(self) -> None:
        """Ends both."""
        self.kill_check()
        pid = self.root / "nginx.pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGTERM)
            eventually(lambda: not pid.exists(), 5, "nginx ends")

    def page(self, path: str, source: str = "") -> tuple[int, str]:
        """Code and text of the status page."""
        return get(self.status_port, path, source)

    def verdicts(self) -> dict[str, str]:
        """What nginx runs with, as the status page tells it; empty while it doesn't."""
        code, text = self.page("/upstreams/apiserver")
        return dict(line.split() for line in text.splitlines()) if code == 200 else {}

    def await_verdicts(self, seconds: float, **wanted: str) -> float:
        """Waits until nginx runs with ``wanted``; returns after how many seconds it did."""
        return eventually(lambda: self.verdicts() == wanted, seconds, f"{wanted}, {self.log.read_text()}")

    def workers(self) -> set[int]:
        """The process ids of nginx's workers: others after a reload."""
        master = (self.root / "nginx.pid").read_text().strip()
        listing = subprocess.run(["ps", "-o", "pid=", "--ppid", master], capture_output=True, text=True, check=True)
        return {int(pid) for pid in listing.stdout.split()}

    def answered_by(self) -> str:
        """The name of the upstream that answers one fresh connection, or the code when it isn't 200."""
        return answered_by("127.0.0.1", self.port)


def answered_by(address: str, port: int) -> str:
    """Who answers one fresh connection, or the code when it isn't 200, or the error."""
    try:
        code, text = get(port, "/", address=address)
    except OSError as error:
        return repr(error)
    return text if code == 200 else str(code)


def get(port: int, path: str, source: str = "", address: str = "127.0.0.1") -> tuple[int, str]:
    """One request on a fresh connection."""
    connection = http.client.HTTPConnection(address, port, timeout=5, source_address=(source, 0))
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


class Load:
    """Requests on fresh connections, one after another, until stopped; each answer is kept with its time."""

    def __init__(self, address: str, port: int) -> None:
        self._target = (address, port)
        self._answers: list[tuple[float, str]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        while not self._stopped.wait(0.01):
            self._answers.append((time.monotonic(), answered_by(*self._target)))

    def stop(self, names: Iterable[str]) -> "Answers":
        """Ends the load. Answers by one of ``names`` are good ones."""
        self._stopped.set()
        self._thread.join()
        good = [when for when, who in self._answers if who in names]
        bad = [who for _, who in self._answers if who not in names]
        return Answers(len(good), bad, max((b - a for a, b in itertools.pairwise(good)), default=0.0))


@dataclass(frozen=True)
class Answers:
    """What a load got: good answers, what else it got, and the longest time without a good one."""

    good: int
    bad: list[str]
    longest_gap: float


def _modules() -> str:
    """The line that loads nginx's stream module, where it is not built in."""
    built = subprocess.run(["nginx", "-V"], capture_output=True, text=True, check=True, env=ENVIRONMENT).stderr
    folder = re.search(r"--modules-path=(\S+)", built)
    if "--with-stream=dynamic" not in built or folder is None:
        return ""
    return f"load_module {folder[1]}/ngx_stream_module.so;\n"


@contextmanager
def nginx_host(*names: str, check: HttpCheck | None = None, tls: ssl.SSLContext | None = None) -> Iterator[NginxHost]:
    """A load balancer before these upstreams, all listening; nginx runs on seeded lists, the check doesn't run yet.

    Not in pytest's own temporary folder: nginx's workers are nobody, who may not look into it.
    """
    root = Path(tempfile.mkdtemp(prefix="evenkeel-lb-"))
    root.chmod(0o755)
    upstreams = [FakeUpstream(name, tls=tls) for name in names]
    host = NginxHost(root, upstreams, check or HttpCheck(scheme="http"))
    try:
        for upstream in upstreams:
            upstream.start()
        host.seed()
        host.nginx()
        yield host
    finally:
        host.stop()
        for upstream in upstreams:
            upstream.stop()
        shutil.rmtree(root)
