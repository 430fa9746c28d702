"""What somebody has changed by hand: ``ops verify`` finds it, and one ``up`` with a new word for repair mends it.

Runs on stack ``dev``. All is damaged at once, so that what is found and mended is what differs, and nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab import hosts
from tests.lab.commands import ops
from tests.lab.damage import DAMAGE, Damage
from tests.lab.program import DEV, Load

REPAIR = {"repair": "after-the-damage"}

pytestmark = [pytest.mark.lab, pytest.mark.long]


@dataclass(frozen=True)
class Mended:
    """What verify said of the damage, and after the ``up`` that mended it; what clients saw of that ``up``."""

    found: str
    left: str
    clients: dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def mended() -> Iterator[Mended]:
    DEV.up().ok()
    for damage in DAMAGE:
        hosts.run(damage.host, damage.command, check=True)
    found = " ".join(ops("verify").stdout.split())
    load = Load.start()
    try:
        DEV.up(REPAIR).ok()
    finally:
        clients = load.stop()
    left = ops("verify").stdout
    yield Mended(found, left, clients)
    DEV.up().ok()


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.said.partition(" (")[0])
def test_what_was_changed_by_hand_is_found(mended: Mended, damage: Damage) -> None:
    assert damage.finding in mended.found


def test_nothing_else_is_found(mended: Mended) -> None:
    """A swapped image is another image of the pods, and an edited certificate is no longer the one that was applied."""
    assert f" {len(DAMAGE)} differ." in mended.found, mended.found


def test_one_up_mends_all_of_it_and_no_client_of_the_api_fails(mended: Mended) -> None:
    assert mended.left.startswith("Nothing differs"), mended.left
    for kind, seen in mended.clients.items():
        assert seen["failures"] == 0, (kind, seen["errors"])
