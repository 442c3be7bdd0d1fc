"""What every test shares."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

# Framemill has to come before Ray: it switches off Ray's `uv run` hook, which Ray reads when it is imported.
import framemill  # noqa: F401

if TYPE_CHECKING:
    from framemill.store.database import Database

# Times are noisy: no example fails for being slow, as the first one is that imports something.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# What is imported stays to the end. Looking through it for garbage, time and again, took a sixth of the tests' time.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage from now on, and only among what the tests make."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def database(tmp_path: Path) -> "Iterator[Database]":
    """A new store on SQLite."""
    from made_store import made_store  # noqa: PLC0415 - most tests need none

    made = made_store(tmp_path / "farm.db")
    yield made
    made.close()
