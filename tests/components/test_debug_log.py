"""``pulumi up --debug`` shows no secret output: the SDK's own debug messages hold them in clear."""

import inspect
from typing import Any

import pulumi
import pytest
from pulumi.runtime.resource import register_resource_outputs

from components.debug_log import PROPERTIES, without_outputs


def test_a_debug_message_ends_before_the_properties_and_is_else_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, Any]] = []
    monkeypatch.setattr(pulumi.log, "debug", lambda msg, resource=None: said.append((msg, resource)))
    without_outputs()
    pulumi.log.debug('resource registration successful: urn=urn:x, props=fields { key: "kubeconfig" }')
    pulumi.log.debug("registering resource: ty=t", resource=None)
    assert said == [("resource registration successful: urn=urn:x", None), ("registering resource: ty=t", None)]


def test_the_sdk_still_writes_outputs_into_its_messages() -> None:
    """If not, components/debug_log.py has nothing left to do and goes, with this file."""
    messages = inspect.getsource(register_resource_outputs)
    assert messages.count(f"{PROPERTIES}{{serialized_props}}") == messages.count("serialized_props}") == 2
