"""A server on a real port of the loopback, for commands that run as processes. Does not own what it has."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(content: Callable[[str], bytes | None]) -> Iterator[str]:
    """Its URL; ``content`` has what lies at a path, None where nothing does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = content(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: the test reads what the command says."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
