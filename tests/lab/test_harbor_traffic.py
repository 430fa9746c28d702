"""The clients by which Harbor is judged miss no failure; no hub is asked."""

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.lab import harbor_clients
from tests.lab.harbor_clients import Logins
from tests.lab.harbor_traffic import Client
from tests.waiting import eventually

ELSEWHERE = "<html>welcome</html>"  # what a proxy may say where a hub would have answered, and with a 200


@pytest.mark.parametrize("error", [httpx.ReadError("broken"), KeyError("docker-content-digest"), ValueError("no JSON")])
def test_a_client_that_gets_something_else_than_an_answer_counts_it_and_goes_on(error: Exception) -> None:
    stopped, one = threading.Event(), Client(Path(), "10.77.0.200")

    def action() -> None:
        if one.errors:
            stopped.set()
        raise error

    one.until(stopped, action)
    assert (one.done, len(one.errors)) == (0, 2)


def test_a_login_that_gets_a_page_in_place_of_a_token_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401) if request.url.path == "/v2/" else httpx.Response(200, text=ELSEWHERE)

    def client(*_: Any) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(answer), headers={"Host": "hub.dev.lab"})

    monkeypatch.setattr(harbor_clients, "client", client)
    logins = Logins(Path(), ["10.77.0.200"], who=("admin", "password"))
    eventually(lambda: len(logins.errors) > 1, 5, "two logins have failed")
    assert len(logins.stop().failed) >= 2
