"""Stands between a plugin and the API server and makes trouble: listens late, turns requests away, or hangs up.

Does not own: the API server (``control_plane``). Only what the contract tests need is relayed: no watches.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.plugins.kubernetes.control_plane import Api, Authority, Pair

PASSED_ON = ("Content-Type", "Accept")


@contextmanager
def later(api: Api, port: int, seconds: float) -> Iterator[str]:
    """An address at which the API server answers only after a while."""
    listener, ended = socket.socket(), threading.Event()
    listener.bind(("127.0.0.1", port))
    target = httpx.URL(api.server)

    def serve() -> None:
        time.sleep(seconds)
        listener.listen()
        while not ended.is_set():
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection((target.host, int(target.port or 0)))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        ended.set()
        listener.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass  # either side has gone; so does the other
    finally:
        target.close()


@dataclass
class Front:
    """What stands before the API server: where it is, whom it trusts, and how often it turned somebody away."""

    server: str
    authority: bytes
    client: Pair
    turned_away: int = 0


@contextmanager
def busy(api: Api, method: str, times: int, hangs_up: bool = False) -> Iterator[Front]:
    """An API server that answers the first ``times`` requests of ``method`` with 429 and Retry-After, or hangs up."""
    authority = Authority("front")
    front = Front("", authority.pem, authority.issue("admin"))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command == method and front.turned_away < times:
                front.turned_away += 1
                self.close_connection = hangs_up
                if not hangs_up:
                    self.answer(429, b"{}", {"Retry-After": "1"})
                return
            headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
            passed: httpx.Response = api.client.request(self.command, self.path, content=body, headers=headers)
            self.answer(passed.status_code, passed.content, {"Content-Type": passed.headers["Content-Type"]})

        def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """The tests look at what comes of it, not at its log."""

        do_GET = do_POST = do_PATCH = do_DELETE = relay

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = _tls(authority).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    front.server = f"https://127.0.0.1:{server.server_address[1]}"
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()


def _tls(authority: Authority) -> ssl.SSLContext:
    pair, context = authority.issue("front-server", server=True), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "front.pem"
        path.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(path)
    return context
