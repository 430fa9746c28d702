"""What somebody has changed by hand: ``ops verify`` finds it, and one ``up`` with a new word for repair mends it.

Runs on stack ``dev``. All is damaged at once, so that what is found and mended is what differs, and nothing else.
"""

import pytest

from tests.lab.damage import DAMAGE, Damage, Mended, damage_and_mend

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture(scope="module")
def mended() -> Mended:
    return damage_and_mend()


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
