"""The same store on PostgreSQL: each test has a database of its own in a server of the tests' own.

The tests themselves are those of `tests/unit/store`; only what they are given differs.
"""

from collections.abc import Callable, Iterator

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

from servers.postgres import Server  # noqa: E402
from unit.store.conftest import database, make_chunks, make_job, now, stored  # noqa: E402

from framemill.store.database import Database  # noqa: E402

__all__ = ["database", "make_chunks", "make_job", "now", "stored"]


@pytest.fixture
def database_name(request: pytest.FixtureRequest, postgres: Server) -> Iterator[str]:
    wants_tables = "database" in request.fixturenames
    name = postgres.new_database(request.getfixturevalue("tables") if wants_tables else "template0")
    yield name
    postgres.drop(name)


@pytest.fixture
def empty(postgres: Server, database_name: str) -> Iterator[Database]:
    place = Database(postgres.url(database_name))
    yield place
    place.close()


@pytest.fixture
def break_database(postgres: Server, database_name: str) -> Callable[[], Callable[[], None]]:
    def take_away() -> Callable[[], None]:
        postgres.close_door(database_name)
        return lambda: postgres.open_door(database_name)

    return take_away
