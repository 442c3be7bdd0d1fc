"""Numbers of things whose ids a door's clients could not take."""

import sqlite3

import pytest
from sqlalchemy import insert

from framemill.store.database import Database
from framemill.store.numbers import MOST, numbered, numbers_of, with_number
from framemill.store.schema import foreign_ids


def test_things_are_numbered_in_the_order_in_which_they_come(database: Database) -> None:
    with database.writing() as conn:
        assert [numbered(conn, "d", "job", one) for one in ("a", "b", "c")] == [1, 2, 3]
    with database.writing() as conn:
        assert numbered(conn, "d", "job", "b") == 2, "a thing keeps its number"
        assert numbered(conn, "d", "job", "d") == 4


def test_each_door_and_kind_counts_by_itself(database: Database) -> None:
    with database.writing() as conn:
        assert numbered(conn, "d", "job", "a") == 1
        assert numbered(conn, "e", "job", "a") == 1
        assert numbered(conn, "d", "preset", "a", first=6) == 6
        assert numbered(conn, "d", "preset", "b", first=6) == 7
        assert numbers_of(conn, "d", "preset", ["a", "b", "c"]) == {"a": 6, "b": 7}
        assert with_number(conn, "d", "preset", 7) == "b"


def test_the_tenth_follows_the_ninth(database: Database) -> None:
    with database.writing() as conn:
        assert [numbered(conn, "d", "job", f"{one}") for one in range(12)] == list(range(1, 13))


def test_numbers_of_more_things_than_a_query_takes(database: Database) -> None:
    wanted = [f"j{number}" for number in range(1, 1202)]
    with database.writing() as conn:
        conn.execute(insert(foreign_ids), [_row(number) for number in range(1, 1202)])
        own = conn.connection.dbapi_connection
        if isinstance(own, sqlite3.Connection):
            own.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 600)
        assert len(numbers_of(conn, "d", "job", wanted)) == 1201


@pytest.mark.parametrize("number", [0, -1, 2, MOST + 1, 10**30])
def test_what_nobody_has_is_nothing(database: Database, number: int) -> None:
    with database.writing() as conn:
        numbered(conn, "d", "job", "a")
        assert with_number(conn, "d", "job", 1) == "a"
        assert with_number(conn, "d", "job", number) is None


def test_what_a_transaction_took_that_came_to_nothing_is_free(database: Database) -> None:
    def lost() -> None:
        with database.writing() as conn:
            numbered(conn, "d", "job", "a")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        lost()
    with database.writing() as conn:
        assert numbered(conn, "d", "job", "b") == 1


def test_the_last_number_is_found_in_the_index(database: Database) -> None:
    """Not by reading all: there are as many as jobs that ever were."""
    if not database.is_sqlite:
        pytest.skip("a question to SQLite's planner")
    with database.writing() as conn:
        conn.execute(insert(foreign_ids), [_row(number) for number in range(1, 300)])
        plan = conn.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT their_id FROM foreign_ids WHERE door = 'd' AND kind = 'job'"
            " ORDER BY their_id DESC LIMIT 1"
        )
        told = " ".join(str(row[3]) for row in plan)
    assert "SEARCH" in told
    assert "B-TREE" not in told


def _row(number: int) -> dict[str, str]:
    return {"door": "d", "kind": "job", "their_id": f"{number:012d}", "our_id": f"j{number}"}
