"""Clients of the lab's Harbor: logins as Docker makes them, from as many addresses as there are clients.

Owns requests and the machine's own addresses on the lab's network. Does not own what has to come of them.
"""

import base64
import itertools
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx

from lab import hosts, stores
from tests.lab.program import kubectl

Account = tuple[str, str]
Trace = Callable[[str, dict[str, Any]], None]  # what happens to a connection, as httpcore tells it
ADMIN: Account = ("admin", stores.ADMIN_PASSWORD)
NAME, PROJECT = "hub.dev.lab", "library"
TOKEN = f"/service/token?service=harbor-registry&scope=repository:{PROJECT}/probe:pull"
REFUSED = 401
# Nothing came, or something else than what was asked for: a client that ended with it would count no further failure.
UNANSWERED = (httpx.HTTPError, LookupError, ValueError)
NO_COOKIES = CookieJar(DefaultCookiePolicy(allowed_domains=[]))


@cache
def robot() -> Account:
    """The account in the cluster's imagePullSecret: a robot, whose password costs Harbor a tenth of a person's."""
    secret = kubectl("get", "secret", "harbor", "--output=jsonpath={.data.\\.dockerconfigjson}")
    login_of = json.loads(base64.b64decode(secret))["auths"][NAME]
    return login_of["username"], login_of["password"]


def client(ca: Path, source: str | None = None, name: str = NAME) -> httpx.Client:
    """Verifies Harbor's certificate and keeps no cookies, as Docker; ``source`` is the address that it comes from, by
    which hubs are chosen."""
    context = ssl.create_default_context(cafile=str(ca))
    transport = httpx.HTTPTransport(verify=context, local_address=source, retries=0)
    return httpx.Client(transport=transport, timeout=10, trust_env=False, headers={"Host": name}, cookies=NO_COOKIES)


def ask(
    session: httpx.Client, address: str, path: str, method: str = "GET", trace: Trace | None = None, **options: Any
) -> httpx.Response:
    """One request to whoever has ``address``, by Harbor's own name."""
    extensions = {"sni_hostname": session.headers["Host"], **({"trace": trace} if trace else {})}
    return session.request(method, f"https://{address}{path}", extensions=extensions, **options)


def mint(session: httpx.Client, address: str, path: str = TOKEN, who: Account | None = None) -> str:
    """A token of that hub."""
    answer = ask(session, address, path, auth=who or robot())
    answer.raise_for_status()
    return str(answer.json()["token"])


def use(session: httpx.Client, address: str, token: str) -> int:
    """What a hub says to a token."""
    return ask(session, address, "/v2/", headers={"Authorization": f"Bearer {token}"}).status_code


def login(session: httpx.Client, address: str, who: Account | None = None) -> int:
    """``docker login``: a challenge, a token, its use; the code that the last of them had."""
    challenge = ask(session, address, "/v2/")
    if challenge.status_code != REFUSED:
        return challenge.status_code
    answer = ask(session, address, TOKEN, auth=who or robot())
    return use(session, address, answer.json()["token"]) if answer.is_success else answer.status_code


def alternating_logins(ca: Path, sources: Sequence[str], hubs: Sequence[str], count: int) -> list[int]:
    """What came of ``count`` logins, from every source side by side: the token of one hub is used at another, and
    through the load balancers; the higher code of these two."""

    def some(source: str) -> list[int]:
        pairs = itertools.islice(itertools.cycle(itertools.permutations(hubs, 2)), count // len(sources))
        codes = []
        with client(ca, source) as session:
            for here, there in pairs:
                token = mint(session, here)
                codes.append(max(use(session, there, token), use(session, hosts.VIP, token)))
        return codes

    with ThreadPoolExecutor(len(sources)) as pool:
        return [code for codes in pool.map(some, sources) for code in codes]


@dataclass
class Logins:
    """One client after another logs in, each on a connection of its own, until they are stopped."""

    ca: Path
    sources: Sequence[str]
    address: str = hosts.VIP
    name: str = NAME
    who: Account | None = None
    codes: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(source,), daemon=True) for source in self.sources]
        for thread in self._threads:
            thread.start()

    def _run(self, source: str) -> None:
        while not self._stopped.is_set():
            try:
                with client(self.ca, source, self.name) as session:
                    self.codes.append(login(session, self.address, self.who))
            except UNANSWERED as error:
                self.errors.append(f"{source}: {error!r}")

    def stop(self) -> "Logins":
        """Itself, once the logins under way have ended."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        return self

    @property
    def failed(self) -> list[Any]:
        """What was no success."""
        return [code for code in self.codes if code != httpx.codes.OK] + self.errors


@contextmanager
def addresses(count: int) -> Iterator[list[str]]:
    """Addresses of this machine on the lab's network, for as long as a test has clients there."""
    wanted = [f"10.77.0.{200 + number}" for number in range(count)]
    for address in wanted:
        subprocess.run(["ip", "address", "replace", f"{address}/24", "dev", hosts.NETWORK], check=True)
    try:
        yield wanted
    finally:
        for address in wanted:
            subprocess.run(["ip", "address", "delete", f"{address}/24", "dev", hosts.NETWORK], check=True)
