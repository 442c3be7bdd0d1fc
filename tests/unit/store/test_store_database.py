"""The rules of the database: who may write, how writers meet, what the schema is."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_mock_engine, text
from sqlalchemy.exc import OperationalError

from framemill.errors import StaleWrite, WrongUse
from framemill.store.database import Database
from framemill.store.epochs import current_epoch, require_epoch, take_epoch
from framemill.store.schema import metadata

WRITERS, TIMES = 4, 50


def test_writers_at_once_never_see_a_locked_database(tmp_path: Path) -> None:
    """Each has a database of its own, as processes have; all make it, read, then write."""
    url, ready = f"sqlite:///{tmp_path / 'data' / 'farm.db'}", threading.Barrier(WRITERS)
    failures: list[BaseException] = []

    def write() -> None:
        database = Database(url)
        try:
            ready.wait()
            database.create()
            for _ in range(TIMES):
                with database.writing() as conn:
                    current_epoch(conn)
                    take_epoch(conn)
        except BaseException as failure:  # noqa: BLE001
            failures.append(failure)
        finally:
            database.close()

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    again = Database(url)
    with again.reading() as conn:
        assert current_epoch(conn) == WRITERS * TIMES
    again.close()


def test_threads_of_one_database_take_turns(database: Database) -> None:
    taken: list[int] = []

    def write() -> None:
        for _ in range(TIMES):
            with database.writing() as conn:
                taken.append(take_epoch(conn))

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == list(range(1, WRITERS * TIMES + 1))


def test_readers_see_one_state_while_somebody_writes(database: Database) -> None:
    with database.reading() as reader:
        before = current_epoch(reader)
        with database.writing() as writer:
            take_epoch(writer)
        assert current_epoch(reader) == before
    with database.reading() as reader:
        assert current_epoch(reader) == before + 1


def test_a_failed_block_writes_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as conn:
        assert take_epoch(conn) / 0
    with database.reading() as conn:
        assert current_epoch(conn) == 0


def test_reading_cannot_write(database: Database) -> None:
    with pytest.raises(OperationalError, match="readonly"), database.reading() as conn:
        take_epoch(conn)


def test_sqlite_is_set_to_keep_what_was_committed(database: Database) -> None:
    with database.writing() as conn:
        asked = {name: conn.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")}
        assert asked | {"busy": conn.execute(text("PRAGMA busy_timeout")).scalar()} == {
            "journal_mode": "wal",
            "synchronous": 2,
            "busy": 30_000,
        }
        assert conn.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_making_it_again_changes_nothing(database: Database) -> None:
    with database.writing() as conn:
        take_epoch(conn)
    database.create()
    with database.reading() as conn:
        assert current_epoch(conn) == 1


def test_a_database_that_was_never_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="unable to open"), Database(f"sqlite:///{tmp_path}/no.db").reading():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    odd = tmp_path / "a farm? 100% #1.db"
    database = Database(URL.create("sqlite", database=str(odd)))
    database.create()
    with database.reading() as conn:
        assert current_epoch(conn) == 0
    database.close()
    assert odd.exists()


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(WrongUse, match="name a file"):
        Database("sqlite://")


def test_an_older_epoch_is_over(database: Database) -> None:
    with database.writing() as conn:
        mine, theirs = take_epoch(conn), take_epoch(conn)
        require_epoch(conn, theirs)
        with pytest.raises(StaleWrite, match="this one ends"):
            require_epoch(conn, mine)


def test_the_schema_compiles_for_postgresql() -> None:
    made: list[str] = []

    def note(ddl: Any, *_args: object, **_more: object) -> None:
        made.append(str(ddl.compile(dialect=engine.dialect)))

    engine = create_mock_engine("postgresql://", note)
    metadata.create_all(engine, checkfirst=False)
    ddl = "\n".join(made)
    for word in ("JSONB", "TIMESTAMP WITH TIME ZONE", "seq BIGSERIAL", "WHERE lease_token IS NOT NULL"):
        assert word in ddl
