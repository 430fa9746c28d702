"""Streams on which nothing is said for a minute are not over: ``kubectl logs -f`` and a watch by the virtual address.

They have been silent since the last test of ``test_failures`` asked for them, and others have run since; by itself,
this one waits for the whole minute.
"""

import re

import pytest

from tests.lab import idle
from tests.lab.idle import Idle

pytestmark = [pytest.mark.lab, pytest.mark.alone]


def test_logs_and_a_watch_that_were_silent_for_a_minute_are_not_cut(streams: Idle) -> None:
    """The original proxy_timeout of 3 s ended both, and kubectl even with exit code 0.

    Meanwhile another master was cut off and came back, which made both nginx reload twice.
    """
    streams.await_end_of_silence()
    assert streams.logs.runs()
    assert streams.watch.runs()
    idle.create_template("second")
    for stream in (streams.logs, streams.watch):
        stream.said("second", 5)
        assert stream.runs()
        assert re.search("error|EOF|reset", stream.output.read_text()) is None
