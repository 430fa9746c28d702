"""When each apiserver was not ready, asked several times a second past the load balancers, certificate verified.

Does not own what makes one leave, nor what a load balancer thinks of it.
"""

import base64
import http.client
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

import yaml

from lab import hosts
from render.static_pods import API_PORT
from tests.lab import subject

PAUSE = 0.2
PATIENCE = 3.0  # a busy machine is slow to answer, which is not the same as being away


@dataclass(frozen=True)
class Absence:
    """From the first question that was not answered well to the first that was again, in seconds of one clock."""

    name: str
    begin: float
    end: float


@dataclass
class Readiness:
    """Watches ``names`` while its ``with`` lasts. One that is still away in the end has an absence without an end."""

    names: Sequence[str]
    absences: list[Absence] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Readiness":
        trust = _trust()
        self._threads = [threading.Thread(target=self._watch, args=(name, trust)) for name in self.names]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self.absences.sort(key=lambda absence: absence.begin)

    def turns(self) -> list[str]:
        """Who was away, in the order of leaving."""
        return list(dict.fromkeys(absence.name for absence in self.absences))

    def together(self) -> list[tuple[Absence, Absence]]:
        """Two apiservers that were away at once."""
        pairs = [(one, other) for one in self.absences for other in self.absences if one.name < other.name]
        return [(one, other) for one, other in pairs if one.begin < other.end and other.begin < one.end]

    def _watch(self, name: str, trust: ssl.SSLContext) -> None:
        away: float | None = None
        while not self._ended.is_set():
            asked = time.monotonic()
            well = ready(name, trust)
            if well and away is not None:
                self.absences.append(Absence(name, away, asked))
                away = None
            elif not well and away is None:
                away = asked
            self._ended.wait(PAUSE)
        if away is not None:
            self.absences.append(Absence(name, away, float("inf")))


def ready(name: str, trust: ssl.SSLContext | None = None) -> bool:
    """Whether the apiserver of a master says that it is ready."""
    return says_ready(hosts.ADDRESSES[name], trust or _trust(), PATIENCE)


def says_ready(address: str, trust: ssl.SSLContext, patience: float) -> bool:
    """Whether who answers at an address's API port is a ready apiserver."""
    connection = http.client.HTTPSConnection(address, API_PORT, timeout=patience, context=trust)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _trust() -> ssl.SSLContext:
    cluster = yaml.safe_load(subject.kubeconfig().read_text())["clusters"][0]["cluster"]
    return ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
