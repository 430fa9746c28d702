"""What the ops tests share: a folder that holds every file which the sample stack names."""

from pathlib import Path

import pytest

from tests.settings import samples


@pytest.fixture
def root(tmp_path: Path) -> Path:
    samples.write_files(tmp_path)
    return tmp_path
