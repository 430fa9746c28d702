"""What is fetched goes the ways of this machine: by its proxy, and trusting the authorities that it trusts."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.__main__ import commands
from ops.fetch import BrokenError, Fetcher, FetchError
from tests.ops.loopback import serving
from tests.settings import pem

NOWHERE = "http://publisher.invalid/sums"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_what_a_proxy_leads_to_is_fetched_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator's machine that reaches the publishers by a proxy alone could lock no release."""
    with serving(lambda path: b"the sum" if path == NOWHERE else None) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        with Fetcher(mirrored=False) as fetcher:
            assert fetcher.text(NOWHERE, "") == "the sum"


def test_what_no_proxy_names_is_asked_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(lambda path: b"direct") as server, Fetcher(mirrored=True) as fetcher:
        assert fetcher.text(f"{server}/sums", "") == "direct"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "gopher://127.0.0.1"])
def test_a_proxy_of_another_kind_is_named_with_what_to_set(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    done = CliRunner().invoke(commands(["lock"]), ["lock", "2026.11"])
    assert done.exit_code == 1
    assert "the proxy that this machine's environment names cannot be used" in done.output
    assert "unset ALL_PROXY" in done.output


@pytest.fixture
def company(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a mirror whose certificate a company's own authority has issued, and that authority's file."""
    authority = pem.issued("company")
    own = pem.issued("mirror", authority, ["localhost"])
    (tmp_path / "ca.pem").write_text(authority.text)
    (tmp_path / "mirror.pem").write_text(own.text + pem.pem(own.key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "mirror.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Sums) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://localhost:{server.server_port}/sums", tmp_path / "ca.pem"
        server.shutdown()
        thread.join()


class _Sums(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"sum")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def test_a_mirror_is_trusted_where_this_machine_trusts_it(
    company: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """curl and pulumi did, and `ops lock` called the same mirror's certificate into question."""
    url, authority = company

    def of_the_machine(context: ssl.SSLContext, _: object = None) -> None:
        context.load_verify_locations(authority)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", of_the_machine)
    with Fetcher(mirrored=True) as fetcher:
        assert fetcher.text(url, "") == "sum"


def test_a_mirror_that_nobody_vouches_for_is_told_with_the_remedy(company: tuple[str, Path]) -> None:
    with Fetcher(mirrored=True) as fetcher, pytest.raises(BrokenError, match="let this machine trust the authority"):
        fetcher.text(company[0], "")


def test_authorities_that_cannot_be_read_are_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock's own file was said to be at fault."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(FetchError, match="SSL_CERT_FILE or SSL_CERT_DIR names cannot be read"):
        Fetcher(mirrored=True)
