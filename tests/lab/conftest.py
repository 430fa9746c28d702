"""Which tests of the lab may run beside each other, and what the machine was like when one failed.

Stack ``dev`` is one, so tests that use it come one after another, in one group. A module that has spare hosts for
itself is a group of its own, for whichever worker (``make test`` has two) is free. A test whose limits are a few
seconds, or less, or that counts what a roll costs clients, is marked ``alone`` and has no part in that.

A limit that is missed where neither processor nor disk has time is another fault than the same on an idle machine, and
nobody can tell afterwards. Does not own any limit.

Silence lasts longer than any test: what must be silent for a minute is begun by one test and looked at by a later one.
"""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lab.paths import CLONE
from tests.lab import idle
from tests.lab.idle import Idle

PRESSURE = Path("/proc/pressure")  # not on every kernel
GIB = 1 << 30


@pytest.hookimpl(tryfirst=True)  # before the workers read the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts every test in the group of stack ``dev`` that names no other."""
    for item in items:
        if item.get_closest_marker("lab") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("dev"))


@pytest.fixture(scope="session")
def streams() -> Iterator[Idle]:
    """Silent since before the first test that asks for them; the tests between that one and the last leave them be."""
    with idle.following() as both:
        yield both


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds it to the report of whatever failed, a fixture too."""
    report = yield
    if report.failed:
        report.sections.append(("the machine just then", "\n".join(_machine())))
    return report


def _machine() -> Iterator[str]:
    one, five, fifteen = os.getloadavg()
    yield f"load averages of 1, 5 and 15 minutes: {one:.1f}, {five:.1f}, {fifteen:.1f} on {os.cpu_count()} processors"
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    yield f"memory available: {int(memory.split()[1]) / (1 << 20):.1f} GiB"
    yield f"disk free: {shutil.disk_usage(CLONE).free / GIB:.1f} GiB"
    for path in sorted(PRESSURE.glob("*")):
        some = path.read_text().splitlines()[0].partition(" total")[0]
        yield f"tasks that waited for {path.name}, in percent of the time: {some.removeprefix('some ')}"
