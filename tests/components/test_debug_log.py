"""``pulumi up --debug`` shows no secret output: the SDK's own debug messages hold them in clear."""

import pulumi
import pytest

from components.debug_log import without_debug


def test_the_sdk_says_nothing_for_debugging_and_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "debug", pulumi.log.debug)
    monkeypatch.setattr(pulumi.log, "get_engine", lambda: True)
    monkeypatch.setattr(pulumi.log, "_log", lambda engine, severity, message, *place: said.append(message))
    without_debug()
    pulumi.log.debug('resource registration successful: urn=urn:x, props=fields { key: "kubeconfig" }')
    pulumi.log.warn("two masters are no better than one")
    assert said == ["two masters are no better than one"]
