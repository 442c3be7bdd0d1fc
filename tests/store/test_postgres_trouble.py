"""What only a server can do to its clients: lose them, refuse them, and have them wait for each other."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from servers.postgres import Server
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from store.cutting import Wire, wire
from unit.store.conftest import at_once

from framemill.errors import FarmError
from framemill.store.batches import MOST_CONFLICTS
from framemill.store.database import Database
from framemill.store.epochs import current_epoch, take_epoch
from framemill.store.writer import Writer


def gather(writer: Writer, *changes: Callable[[Connection], Any]) -> list[Any]:
    """What came of changes that were asked for at the same time."""
    try:
        return asyncio.run(at_once(writer, *changes))
    finally:
        writer.close()


class Failing:
    """Takes the epoch, and fails with what the server says, so many times."""

    def __init__(self, statement: str, times: int = 1) -> None:
        self.statement = statement
        self.times = times
        self.made = 0

    def __call__(self, conn: Connection) -> int:
        self.made += 1
        taken = take_epoch(conn)
        if self.made <= self.times:
            conn.execute(text(self.statement))
        return taken


def raising(code: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"


LOSE_ME = "SELECT pg_terminate_backend(pg_backend_pid())"


def test_a_connection_lost_in_the_middle_loses_and_doubles_nothing(database: Database) -> None:
    told: list[BaseException | None] = []
    lost = Failing(LOSE_ME)
    writer = Writer(database, patient=True, on_trouble=told.append, retry_seconds=0.01)
    assert gather(writer, take_epoch, lost, take_epoch) == [1, 2, 3]
    assert lost.made == 2
    assert [isinstance(trouble, DBAPIError) for trouble in told] == [True, False]


@pytest.mark.parametrize("code", ["53100", "53300", "57P01", "58030", "25006"])
def test_the_patient_one_waits_for_the_server(database: Database, code: str) -> None:
    """No room, no connection left, going down, a broken disk, a standby."""
    told: list[BaseException | None] = []
    writer = Writer(database, patient=True, on_trouble=told.append, retry_seconds=0.01)
    assert gather(writer, Failing(raising(code), times=2), take_epoch) == [1, 2]
    assert [trouble is None for trouble in told] == [False, True]


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03"])
def test_what_was_in_somebodys_way_is_made_again(database: Database, code: str) -> None:
    told: list[BaseException | None] = []
    failing = Failing(raising(code), times=MOST_CONFLICTS)
    assert gather(Writer(database, on_trouble=told.append), take_epoch, failing, take_epoch) == [1, 2, 3]
    assert told == []


def test_what_is_always_in_the_way_is_given_up(database: Database) -> None:
    failing = Failing(raising("40001"), times=1000)
    answers = gather(Writer(database, patient=True), take_epoch, failing)
    assert [type(answer) for answer in answers] == [type(answers[0])] * 2
    assert isinstance(answers[0], DBAPIError)
    assert failing.made == MOST_CONFLICTS + 1
    with database.reading() as conn:
        assert current_epoch(conn) == 0


@pytest.fixture
def cuttable(postgres: Server) -> Iterator[Wire]:
    with tempfile.TemporaryDirectory(prefix="fm-", dir="/tmp") as folder, wire(Path(folder), postgres.folder) as made:
        yield made


@pytest.fixture
def mine(postgres: Server, database_name: str, database: Database, cuttable: Wire) -> Iterator[Database]:
    """The same database, reached over a wire that can be cut."""
    with closing(Database(postgres.url(database_name, host=cuttable.folder))) as reached:
        with reached.writing() as conn:  # a new connection commits its settings first
            current_epoch(conn)
        yield reached


def test_a_commit_without_an_answer_is_not_made_twice(database: Database, mine: Database, cuttable: Wire) -> None:
    cuttable.cut = "after"
    assert gather(Writer(mine), take_epoch, take_epoch) == [1, 2]
    assert cuttable.cut is None
    with database.reading() as conn:
        assert current_epoch(conn) == 2


def test_a_commit_that_never_arrived_is_made_again(database: Database, mine: Database, cuttable: Wire) -> None:
    """As long as the server waits for it, nobody can know."""
    told: list[BaseException | None] = []

    def hear(trouble: BaseException | None) -> None:
        told.append(trouble)
        cuttable.hang_up()

    cuttable.cut = "before"
    writer = Writer(mine, patient=True, on_trouble=hear, retry_seconds=0.01)
    assert gather(writer, take_epoch, take_epoch) == [1, 2]
    assert [trouble is None for trouble in told] == [False, True]
    with database.reading() as conn:
        assert current_epoch(conn) == 2


def test_the_impatient_one_learns_that_nobody_knows(mine: Database, cuttable: Wire) -> None:
    cuttable.cut = "before"
    (answer,) = gather(Writer(mine), take_epoch)
    assert isinstance(answer, DBAPIError)
    cuttable.hang_up()
    with mine.writing() as conn:
        assert take_epoch(conn) == 1


def test_nobody_holds_a_lock_for_ever(database: Database) -> None:
    for transaction in (database.writing, database.reading):
        with transaction() as conn:
            for setting in ("idle_in_transaction_session_timeout", "lock_timeout"):
                assert conn.execute(text(f"SHOW {setting}")).scalar_one() == "1min"


def test_a_server_that_is_not_there_is_named(postgres: Server) -> None:
    with pytest.raises(FarmError, match=r'database "nobodys" does not exist; .*FRAMEMILL_DATABASE_URL'):
        Database(postgres.url("nobodys")).create()
    with pytest.raises(FarmError, match="cannot be opened"):
        Database(postgres.url("farm", host=Path("/nowhere"))).create()
