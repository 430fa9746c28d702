"""How the ends of certificates are drawn."""

from datetime import timedelta

import pytest

from components import certificates
from ops import health
from ops.health import Certificate
from ops.report import ends
from ops.report.markup import State
from tests.ops.readings import NOW


def certificate(days: float, path: str = "/etc/kubernetes/pki/etcd/server.crt", host: str = "emei") -> Certificate:
    return Certificate(host, path, NOW + timedelta(days=days))


def test_what_an_up_renews_is_what_the_page_calls_near() -> None:
    assert timedelta(hours=certificates.RENEWAL_HOURS) == ends.RENEWED


@pytest.mark.parametrize(
    ("days", "state", "left"),
    [
        (-2.5, State.WRONG, "ended 2 days ago"),
        (1.5, State.WRONG, "1 day left"),
        (health.SOON.days - 0.1, State.WRONG, "13 days left"),
        (health.SOON.days, State.SOON, "14 days left"),
        (29.9, State.SOON, "29 days left"),
        (30, State.WELL, "30 days left"),
    ],
)
def test_a_bar_is_marked_as_status_marks_the_certificate(days: float, state: State, left: str) -> None:
    (bar,) = ends.timeline(ends.days([certificate(days)], NOW)).bars
    assert (bar.state, bar.note) == (state, left)


def test_certificates_that_end_on_one_day_share_a_bar_and_the_first_day_is_first() -> None:
    found = ends.days([certificate(300), certificate(9), certificate(9, host="wudang")], NOW)
    bars = ends.timeline(found).bars
    assert [bar.label for bar in bars] == ["2026-12-04", "2027-09-21"]
    assert bars[0].details == "etcd/server.crt on emei, wudang"


def test_a_near_day_has_more_room_than_a_far_one_and_the_last_bar_ends_within_the_axis() -> None:
    shown = ends.timeline(ends.days([certificate(days) for days in (7, 14, 3650)], NOW))
    week, fortnight, decade = (bar.end for bar in shown.bars)
    assert week > fortnight - week > 0
    assert 0.9 < decade < 1
    assert [tick.name for tick in shown.ticks][-1] == "10 years"


def test_of_many_days_the_first_are_drawn_and_the_others_are_counted() -> None:
    shown = ends.timeline(ends.days([certificate(40 + number) for number in range(20)], NOW))
    assert len(shown.bars) == ends.BARS
    assert shown.description.endswith(f"{20 - ends.BARS} later days are in the table.")
