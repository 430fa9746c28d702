"""The fixtures of the stand-ins' tests: servers once a run, a site once a file."""

from collections.abc import Iterator

import pytest

from lab import toolchain
from tests.lab_harbor.site import Site
from tests.lab_harbor.site import site as a_site
from tests.lab_harbor.stores import Stores
from tests.lab_harbor.stores import stores as the_stores


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """PostgreSQL and Redis."""
    with the_stores(tmp_path_factory.mktemp("stores")) as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, stores: Stores) -> Iterator[Site]:
    """What the nodes of one file's tests share."""
    toolchain.build(["harbor", "registry", "crane"])
    with a_site(tmp_path_factory.mktemp("site"), stores) as found:
        yield found
