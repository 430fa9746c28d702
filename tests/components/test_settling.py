"""What the program waits for once it has said everything."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pulumi
import pytest

from components.settling import settled


async def _no_release() -> str:
    raise RuntimeError("a host failed")


async def _waited(value: Coroutine[Any, Any, str] | str) -> None:
    await settled(pulumi.Output.from_input(value))()


async def _late(told: list[str]) -> str:
    await asyncio.sleep(0.01)
    told.append("done")
    return "release"


def test_the_program_waits_for_its_last_output() -> None:
    told: list[str] = []
    asyncio.run(_waited(_late(told)))
    assert told == ["done"]


def test_what_failed_is_not_told_twice(caplog: pytest.LogCaptureFixture) -> None:
    """The SDK tells it with the resource's name; an exception from here would be a traceback of the program's."""
    asyncio.run(_waited(_no_release()))
    assert not caplog.records
