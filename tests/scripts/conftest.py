"""What several files of tests of scripts begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripts.preflight_bench import Bench, laid


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A host that a preflight finds nothing wrong with; a test changes what it is about."""
    with laid(tmp_path) as bench:
        yield bench
