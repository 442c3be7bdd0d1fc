"""What every test shares."""

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

# Framemill has to come before Ray: it switches off Ray's `uv run` hook, which Ray reads when it is imported.
import framemill  # noqa: F401

if TYPE_CHECKING:
    from servers.postgres import Server

    from framemill.store.database import Database

# Times are noisy: no example fails for being slow, as the first one is that imports something.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# What is imported stays to the end. Looking through it for garbage, time and again, took a sixth of the tests' time.
gc.disable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What may be asked for."""
    parser.addoption("--postgres", action="store_true", help="have the stores of the API and its doors on PostgreSQL")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage from now on, and only among what the tests make."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> "Iterator[Database]":
    """A new store: on SQLite, unless PostgreSQL was asked for."""
    if request.config.getoption("--postgres"):
        yield request.getfixturevalue("on_postgres")
        return
    from made_store import made_store  # noqa: PLC0415 - most tests need none

    made = made_store(tmp_path / "farm.db")
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Server]":
    """A PostgreSQL of the tests' own."""
    from servers.postgres import running_server  # noqa: PLC0415 - most runs need none

    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def tables(postgres: "Server") -> str:
    """A database in it with all tables, to be copied: that is quicker than making them for every test."""
    from framemill.store.database import Database  # noqa: PLC0415 - as above

    name = postgres.new_database()
    with contextlib.closing(Database(postgres.url(name))) as template:
        template.create()
    return name


@pytest.fixture
def on_postgres(postgres: "Server", tables: str, tmp_path: Path) -> "Iterator[Database]":
    """A new store in it."""
    from placed import Placed  # noqa: PLC0415 - as above

    name = postgres.new_database(tables)
    with contextlib.closing(Placed(postgres.url(name), tmp_path)) as made:
        yield made
    postgres.drop(name)
