"""The rules of the database: who may write, and how writers and readers meet."""

import threading

import pytest
from sqlalchemy.exc import DBAPIError

from framemill.errors import StaleWrite
from framemill.store.database import Database
from framemill.store.epochs import current_epoch, require_epoch, take_epoch

WRITERS, TIMES = 4, 50


def test_writers_at_once_never_see_a_locked_database(empty: Database) -> None:
    """Each has a database of its own, as processes have; all make it, read, then write."""
    url, ready = empty.url, threading.Barrier(WRITERS)
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
    with empty.reading() as conn:
        assert current_epoch(conn) == WRITERS * TIMES


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
    with pytest.raises(DBAPIError, match=r"read-?only"), database.reading() as conn:
        take_epoch(conn)


def test_making_it_again_changes_nothing(database: Database) -> None:
    with database.writing() as conn:
        take_epoch(conn)
    database.create()
    with database.reading() as conn:
        assert current_epoch(conn) == 1


def test_an_older_epoch_is_over(database: Database) -> None:
    with database.writing() as conn:
        mine, theirs = take_epoch(conn), take_epoch(conn)
        require_epoch(conn, theirs)
        with pytest.raises(StaleWrite, match="this one ends"):
            require_epoch(conn, mine)


def test_the_second_of_two_writers_waits_for_the_first(empty: Database, database: Database) -> None:
    """From the first word: what it then reads is what the first has written."""
    other, began, seen = Database(empty.url), threading.Event(), list[int]()

    def write() -> None:
        began.set()
        with other.writing() as conn:
            seen.append(current_epoch(conn))

    thread = threading.Thread(target=write)
    with database.writing() as conn:
        thread.start()
        began.wait(10)
        thread.join(0.1)
        assert seen == []
        take_epoch(conn)
    thread.join(10)
    other.close()
    assert seen == [1]
