"""A hub's proxy on loopback for tests: the rendered nginx.conf under another root, and a real nginx.

Owns the substitution of paths and ports, nginx's life, and what stands in for core, registry and Docker's name server.
"""

import contextlib
import http.client
import http.server
import os
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from render.harbor import proxy
from render.harbor.layout import RUN
from tests.ports import free_port
from tests.scripts.nginx_host import ENVIRONMENT
from tests.scripts.tls_upstream import authority_and_context
from tests.waiting import eventually

IPV4 = b"\x00\x01\x00\x01"  # type A, class IN


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, Backend)
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers.items()))
        body = self.server.name.encode()
        self.send_response(self.server.code)
        self.send_header("Content-Length", str(len(body)))
        if self.server.cookie:
            self.send_header("Set-Cookie", self.server.cookie)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class Backend(http.server.ThreadingHTTPServer):
    """One of Harbor's services: answers ``code`` with its name, and keeps the paths that it was asked for, as sent."""

    daemon_threads = True

    def __init__(self, name: str, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((address, port), _Handler)
        self.name = name
        self.code = 200
        self.cookie = ""
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def at(self) -> str:
        """Where it listens."""
        return f"{self.server_address[0]!s}:{self.server_address[1]}"

    def stop(self) -> None:
        """Listens no more."""
        self.shutdown()
        self.server_close()


class _Question(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, NameServer)
        question, sender = self.request
        name, at = b"", 12
        while question[at]:
            name += question[at + 1 : at + 1 + question[at]] + b"."
            at += 1 + question[at]
        address = self.server.addresses.get(name.decode().rstrip("."))
        asked = question[12 : at + 5]
        flags, count = (b"\x81\x80", b"\x00\x01") if address else (b"\x81\x83", b"\x00\x00")
        answer = b"\xc0\x0c" + IPV4 + b"\x00\x00\x02\x58\x00\x04" + socket.inet_aton(address) if address else b""
        sender.sendto(
            question[:2] + flags + b"\x00\x01" + count + b"\x00\x00\x00\x00" + asked + answer, self.client_address
        )


class NameServer(socketserver.ThreadingUDPServer):
    """Docker's own, as far as nginx sees it: addresses that are said to be good for 10 minutes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Question)
        self.addresses: dict[str, str] = {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


@dataclass
class ProxyHost:
    """nginx with the rendered configuration, in ``root``; ``changes`` are further words to replace in it."""

    root: Path
    conf: str
    changes: dict[str, str]
    port: int = field(default_factory=free_port)
    plain_port: int = field(default_factory=free_port)

    @property
    def away(self) -> Path:
        """The file by which the hub takes its leave."""
        return self.root / "run" / "away"

    def start(self) -> None:
        """Writes the files and starts nginx."""
        (self.root / "cert").mkdir()
        (self.root / "run").mkdir()
        authority_and_context(self.root)
        own = {
            **self.changes,
            " /tmp/": f" {self.root}/",
            "events {": f"error_log {self.root}/error.log;\nevents {{",
            "/etc/nginx/cert/server.crt": f"{self.root}/pair.pem",
            "/etc/nginx/cert/server.key": f"{self.root}/pair.pem",
            "/etc/nginx/": f"{self.root}/",
            "/dev/stdout": f"{self.root}/access.log",
            RUN: f"{self.root}/run",
            f"listen {proxy.TLS_PORT} ssl": f"listen 127.0.0.1:{self.port} ssl",
            "listen 8080": f"listen 127.0.0.1:{self.plain_port}",
            "worker_processes auto": "worker_processes 1",
        }
        text = self.conf
        for official, ours in own.items():
            text = text.replace(official, ours)
        (self.root / "nginx.conf").write_text(text)
        subprocess.run(["nginx", "-c", self.root / "nginx.conf"], check=True, env=ENVIRONMENT)

    def stop(self) -> None:
        """Ends nginx."""
        eventually(self._ended, 30, "nginx ends")

    def _ended(self) -> bool:
        """Says so again each time: a master that has only just begun may not hear the first word."""
        pid = self.root / "nginx.pid"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int(pid.read_text()), signal.SIGTERM)
        return not pid.exists()

    def ask(self, path: str) -> tuple[int, str, dict[str, str]]:
        """One request over TLS, its path sent as it is: code, text and headers."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        try:
            connection.putrequest("GET", path, skip_host=True)
            connection.putheader("Host", "hub.example.com:8443")
            connection.endheaders()
            response = connection.getresponse()
            return response.status, response.read().decode(), dict(response.getheaders())
        finally:
            connection.close()


@contextmanager
def proxy_host(conf: str, changes: dict[str, str]) -> Iterator[ProxyHost]:
    """A running one. Not in pytest's own temporary folder: nginx's workers are nobody, who may not look into it."""
    root = Path(tempfile.mkdtemp(prefix="evenkeel-hub-"))
    root.chmod(0o755)
    host = ProxyHost(root, conf, changes)
    try:
        host.start()
        yield host
    finally:
        host.stop()
        shutil.rmtree(root)
