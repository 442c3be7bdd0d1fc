"""The same store on PostgreSQL: each test has a database of its own in a server of the tests' own.

The tests themselves are those of `tests/unit/store`; only what they are given differs.
"""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

CONTRACT = (
    "accounts",
    "chunks",
    "database",
    "events",
    "farm",
    "jobs",
    "ledger",
    "numbers",
    "queue",
    "tally",
    "versions",
    "videos",
    "writer",
)
# Their assertions shall say as much here as there.
pytest.register_assert_rewrite(*(f"unit.store.test_store_{subject}" for subject in CONTRACT))

from servers.postgres import Server, running_server  # noqa: E402
from unit.store.conftest import database, make_chunks, make_job, now, stored  # noqa: E402

from framemill.store.database import Database  # noqa: E402

__all__ = ["database", "make_chunks", "make_job", "now", "stored"]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def made(server: Server) -> str:
    """A database with all tables, to be copied: that is quicker than making them for every test."""
    name = server.new_database()
    with closing(Database(server.url(name))) as template:
        template.create()
    return name


@pytest.fixture
def database_name(request: pytest.FixtureRequest, server: Server) -> Iterator[str]:
    wants_tables = "database" in request.fixturenames
    name = server.new_database(request.getfixturevalue("made") if wants_tables else "template0")
    yield name
    server.drop(name)


@pytest.fixture
def empty(server: Server, database_name: str) -> Iterator[Database]:
    place = Database(server.url(database_name))
    yield place
    place.close()


@pytest.fixture
def break_database(server: Server, database_name: str) -> Callable[[], Callable[[], None]]:
    def take_away() -> Callable[[], None]:
        server.close_door(database_name)
        return lambda: server.open_door(database_name)

    return take_away
