"""One site for all tests: a process has one dashboard."""

from collections.abc import Iterator

import pytest
from site_pages import Site, served_pages


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The pages over a store of their own."""
    with served_pages(tmp_path_factory.mktemp("dashboard")) as site:
        yield site
