"""The checker itself: a schema that takes anything would make every test that uses it worthless."""

import copy
from typing import Any

import pytest

from tests.schemas import assert_valid

pytestmark = pytest.mark.built

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"ports": [{"port": 80, "targetPort": "http"}]},
}


def test_an_object_that_the_api_takes_is_valid() -> None:
    assert_valid([SERVICE])


def test_a_port_by_number_is_as_good_as_one_by_name() -> None:
    service = copy.deepcopy(SERVICE)
    service["spec"]["ports"][0]["targetPort"] = 8080
    assert_valid([service])


def _unknown_field(service: dict[str, Any]) -> None:
    service["spec"]["ports"][0]["targetport"] = 8080


def _wrong_type(service: dict[str, Any]) -> None:
    service["spec"]["ports"][0]["port"] = "80"


def _missing_field(service: dict[str, Any]) -> None:
    del service["spec"]["ports"][0]["port"]


def _wrong_version(service: dict[str, Any]) -> None:
    service["apiVersion"] = "v2"


def _unknown_kind(service: dict[str, Any]) -> None:
    service["kind"] = "Servce"


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_unknown_field, "targetport"),
        (_wrong_type, "/spec/ports/0/port"),
        (_missing_field, "missing property 'port'"),
        (_wrong_version, "could not find schema"),
        (_unknown_kind, "could not find schema"),
    ],
)
def test_a_spoilt_object_is_refused_and_the_fault_named(spoil: Any, named: str) -> None:
    service = copy.deepcopy(SERVICE)
    spoil(service)
    with pytest.raises(AssertionError, match=named):
        assert_valid([SERVICE, service])


def test_no_object_at_all_is_refused() -> None:
    with pytest.raises(AssertionError, match="no object"):
        assert_valid([])
