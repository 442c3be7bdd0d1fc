"""Farms of processes of their own, which are stopped, killed and started again: minutes, so apart from the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from service_farm import Service


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder takes a farm that stays."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.service)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A farm for the tests of one module."""
    made = Service(tmp_path_factory.mktemp("farm"))
    made.up()
    yield made
    made.close()
    made.down("--now")
