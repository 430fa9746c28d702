"""A time in which nobody led is seen, also when it is the last, and when the lease was given back meanwhile."""

from datetime import UTC, datetime

import pytest

from tests.lab.leases import longest_gap


@pytest.mark.parametrize(
    ("shown", "seconds"),
    [
        ("one 2026-11-29T07:00:00.000000Z\none 2026-11-29T07:00:02.000000Z\n", 18),
        (
            "one 2026-11-29T07:00:00.000000Z\n 2026-11-29T07:00:00.000000Z\ntwo 2026-11-29T07:00:16.500000Z\n",
            16.5,
        ),
    ],
    ids=["nobody in the end", "given back and taken late"],
)
def test_the_longest_time_without_a_leader_is_told(shown: str, seconds: float) -> None:
    assert longest_gap(shown, datetime(2026, 11, 29, 7, 0, 20, tzinfo=UTC)) == seconds
