"""How tests of the lab are shared out among pytest's workers.

A file is a group: its tests share hosts that are made for it, so one worker runs them all, in their order. Files that
change stack ``dev`` say ``pytest.mark.xdist_group("dev")``: the engine lets one run at a time change a stack. Those
that bring up a cluster of their own say ``"cluster"``: two at once, beside ``dev``, starve each other on two cores.
"""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives every test of the lab a group, ahead of pytest-xdist, which reads it."""
    for item in items:
        if item.get_closest_marker("lab") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
