"""Fetches files over HTTP for other commands, and says plainly why one cannot be had.

Owns: timeouts, retries, the proxy and the authorities of this machine, and where a redirect may lead. Does not own:
what is fetched or what it means.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

import httpx

TIMEOUT_SECONDS = 20.0
CONNECT_RETRIES = 2
CONNECTIONS = 8


class FetchError(Exception):
    """Something could not be had: what, why, and the remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")


class AbsentError(FetchError):
    """Whoever was asked answered, and does not have it."""


class BrokenError(FetchError):
    """Nobody answered, or an answer broke off: another try may end better."""


class Fetcher:
    """An HTTP client that goes only where it was sent.

    From publishers it follows redirects (they serve from elsewhere), though never from https to http. From a mirror it
    follows none: with a mirror nothing is fetched from anywhere else.
    """

    def __init__(self, mirrored: bool, transport: httpx.BaseTransport | None = None) -> None:
        self.mirrored = mirrored
        try:
            # Of its own transports alone the client has some that go by a proxy of the environment.
            self._client = httpx.Client(
                follow_redirects=not mirrored,
                timeout=TIMEOUT_SECONDS,
                transport=transport,
                verify=_trusted(),
                event_hooks={"response": [_never_to_plain_http]},
                limits=httpx.Limits(max_connections=CONNECTIONS),
            )
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            what = f"the proxy that this machine's environment names cannot be used ({error})"
            raise FetchError(what, "set HTTPS_PROXY and HTTP_PROXY to one of http://, and unset ALL_PROXY") from error

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """The whole answer, whatever its status but a redirect that must not be followed."""
        with _told(url):
            response = self._get(url, dict(headers or {}))
        _stays(url, response)
        return response

    def _get(self, url: str, headers: dict[str, str], retries: int = CONNECT_RETRIES) -> httpx.Response:
        try:
            return self._client.get(url, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if not retries:
                raise
            return self._get(url, headers, retries - 1)

    @contextmanager
    def stream(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """The same, its content still to be read, for what is too large to be held."""
        with _told(url), self._client.stream("GET", url, headers=dict(headers)) as response:
            _stays(url, response)
            yield response

    def text(self, url: str, absent: str) -> str:
        """The text at an address; ``absent`` is the remedy where there is none."""
        response = self.get(url)
        if response.status_code == httpx.codes.NOT_FOUND:
            raise FetchError(f"{url}: is not there (HTTP 404)", absent)
        if not response.is_success:
            raise FetchError(f"{url}: answered HTTP {response.status_code}", "try again later, or ask who runs it")
        return response.text


def _trusted() -> ssl.SSLContext:
    """The public authorities, and those of this machine: a company's mirror has a certificate of the company's own."""
    try:
        context = httpx.create_ssl_context()
    except OSError as error:
        what = f"the authorities that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read ({error.strerror or error})"
        raise FetchError(what, "name a file of certificates as PEM, or unset it") from error
    context.load_default_certs()
    return context


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        remedy = "check the address and that this machine reaches it, or name a mirror that it reaches"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            remedy = "let this machine trust the authority that vouches for it, or name its file in SSL_CERT_FILE"
        raise BrokenError(f"{url}: cannot be fetched ({error or type(error).__name__})", remedy) from error


def _stays(url: str, response: httpx.Response) -> None:
    if response.is_redirect:
        target = response.headers.get("location", "nowhere")
        remedy = "let the mirror serve it itself: with a mirror nothing is fetched from anywhere else"
        raise FetchError(f"{url}: leads away, to {target}", remedy)


def _never_to_plain_http(response: httpx.Response) -> None:
    if not response.has_redirect_location or response.url.scheme != "https":
        return
    target = response.url.join(response.headers["location"])
    if target.scheme != "https":
        raise httpx.RequestError(f"it leads to {target}, which is not https", request=response.request)
