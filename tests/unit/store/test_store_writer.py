"""Group commit: what is asked for at once is written at once, each for itself, and nothing is lost."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from unit.store.conftest import at_once

from framemill.errors import FarmError, StaleWrite
from framemill.store.database import Database
from framemill.store.epochs import current_epoch, take_epoch
from framemill.store.schema import foreign_ids
from framemill.store.writer import Writer


@pytest.fixture(params=["thread", "inline"])
def writer(request: pytest.FixtureRequest, database: Database) -> Iterator[Writer]:
    made = Writer(database, inline=request.param == "inline")
    yield made
    made.close()


def note(word: str) -> Callable[[Connection], str]:
    """A change that writes a word, which must not be there."""

    def change(conn: Connection) -> str:
        conn.execute(insert(foreign_ids).values(door="d", kind="k", their_id=word, our_id="o"))
        return word

    return change


def noted(database: Database) -> list[str]:
    with database.reading() as conn:
        return list(conn.execute(select(foreign_ids.c.their_id).order_by(foreign_ids.c.their_id)).scalars())


def test_a_change_is_committed_when_it_is_answered(database: Database, writer: Writer) -> None:
    async def ask() -> None:
        assert await writer.write(note("a")) == "a"
        assert noted(database) == ["a"]

    asyncio.run(ask())


def test_what_waits_goes_in_one_transaction(database: Database, writer: Writer) -> None:
    words = [f"{number:03}" for number in range(300)]

    def in_transaction(word: str) -> Callable[[Connection], object]:
        def change(conn: Connection) -> object:
            note(word)(conn)
            return conn.get_transaction()

        return change

    transactions = asyncio.run(at_once(writer, *map(in_transaction, words)))
    assert len(set(transactions)) == 1
    assert noted(database) == words


def test_changes_are_made_in_the_order_in_which_they_are_asked_for(writer: Writer) -> None:
    async def ask() -> list[int]:
        return await asyncio.gather(*(writer.write(take_epoch) for _ in range(100)))

    assert asyncio.run(ask()) == list(range(1, 101))


def test_one_that_raises_takes_back_only_itself(database: Database, writer: Writer) -> None:
    def stale(conn: Connection) -> None:
        note("never")(conn)
        raise StaleWrite("too late")

    def spent(_conn: Connection) -> None:
        next(iter(()))

    async def ask() -> list[Any]:
        asked: tuple[Callable[[Connection], Any], ...]
        asked = (note("a"), stale, note("b"), note("a"), spent, lambda conn: conn.execute(text("nonsense")), note("c"))
        return await asyncio.gather(*(writer.write(change) for change in asked), return_exceptions=True)

    kinds = [type(answer) if isinstance(answer, BaseException) else answer for answer in asyncio.run(ask())]
    assert [kinds[n] for n in (0, 1, 2, 3, 4, 6)] == ["a", StaleWrite, "b", IntegrityError, RuntimeError, "c"]
    assert isinstance(kinds[5], type) and issubclass(kinds[5], DBAPIError)  # noqa: PT018
    assert noted(database) == ["a", "b", "c"]


def test_a_change_is_made_though_its_caller_is_cancelled(database: Database, writer: Writer) -> None:
    async def ask() -> None:
        asking = [asyncio.ensure_future(writer.write(change)) for change in (note("a"), note("a"), note("b"))]
        await asyncio.sleep(0)
        for task in asking:
            task.cancel()
        assert [type(error) for error in await asyncio.gather(*asking, return_exceptions=True)] == [
            asyncio.CancelledError
        ] * 3
        # Whoever was cancelled has waited until it was done.
        assert noted(database) == ["a", "b"]

    asyncio.run(ask())


def test_the_event_loop_goes_on_while_something_is_written(database: Database) -> None:
    turns = 0

    async def ask() -> None:
        nonlocal turns
        began, end = threading.Event(), threading.Event()

        def slow(conn: Connection) -> int:
            began.set()
            end.wait(10)
            return current_epoch(conn)

        writing = asyncio.ensure_future(mine.write(slow))
        await asyncio.to_thread(began.wait, 10)
        while turns < 10:
            await asyncio.sleep(0)
            turns += 1
        assert not writing.done()
        end.set()
        assert await writing == 0

    with closing(Writer(database)) as mine:
        asyncio.run(ask())
    assert turns == 10


def test_closing_writes_what_was_asked_for(database: Database, writer: Writer) -> None:
    async def ask() -> None:
        asking = [asyncio.ensure_future(writer.write(note(word))) for word in "abc"]
        await asyncio.sleep(0)
        writer.close()
        assert noted(database) == ["a", "b", "c"]
        assert await asyncio.gather(*asking) == ["a", "b", "c"]
        with pytest.raises(FarmError, match="stopping"):
            await writer.write(note("d"))
        writer.close()

    asyncio.run(ask())


def test_two_event_loops_share_a_writer(database: Database) -> None:
    answers: list[str] = []

    def ask(word: str) -> None:
        answers.append(asyncio.run(mine.write(note(word))))

    with closing(Writer(database)) as mine:
        threads = [threading.Thread(target=ask, args=(word,)) for word in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == ["a", "b"] == noted(database)


def test_its_thread_ends_when_nothing_is_asked_for_and_another_one_begins(database: Database) -> None:
    mine = Writer(database, idle_seconds=0.01)
    for word in "abc":
        assert asyncio.run(mine.write(note(word))) == word
        assert ended(mine)
    mine.close()
    assert noted(database) == ["a", "b", "c"]


def ended(writer: Writer) -> bool:
    """Whether its thread has ended within a good while."""
    thread = writer._thread
    if thread is not None:
        thread.join(10)
    return writer._thread is None


class FakeTrouble:
    """What the farm is told, in order; can be waited for."""

    def __init__(self) -> None:
        self.told: list[BaseException | None] = []
        self._more = threading.Condition()

    def __call__(self, trouble: BaseException | None) -> None:
        with self._more:
            self.told.append(trouble)
            self._more.notify_all()

    async def grows_to(self, count: int) -> None:
        assert await asyncio.to_thread(self._grown, count)

    def _grown(self, count: int) -> bool:
        with self._more:
            return self._more.wait_for(lambda: len(self.told) >= count, timeout=60)


@pytest.mark.parametrize("inline", [False, True])
def test_the_patient_one_waits_until_the_database_is_back(
    database: Database, break_database: Callable[[], Callable[[], None]], inline: bool
) -> None:
    trouble = FakeTrouble()

    async def ask() -> None:
        await mine.write(note("a"))
        mend = break_database()
        asking = [asyncio.ensure_future(mine.write(note(word))) for word in "bc"]
        await trouble.grows_to(1)
        asking += [asyncio.ensure_future(mine.write(note(word))) for word in "de"]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in asking)
        mend()
        assert await asyncio.gather(*asking) == ["b", "c", "d", "e"]
        await trouble.grows_to(2)

    mine = Writer(database, patient=True, on_trouble=trouble, inline=inline, retry_seconds=0.05)
    asyncio.run(ask())
    mine.close()
    assert noted(database) == ["a", "b", "c", "d", "e"]
    assert [isinstance(told, DBAPIError) for told in trouble.told] == [True, False]


def test_the_impatient_one_hands_the_error_on(
    database: Database, break_database: Callable[[], Callable[[], None]]
) -> None:
    async def ask() -> None:
        mend = break_database()
        answers = await asyncio.gather(*(mine.write(note(word)) for word in "ab"), return_exceptions=True)
        assert all(isinstance(answer, DBAPIError) for answer in answers)
        mend()
        assert await mine.write(note("c")) == "c"

    with closing(Writer(database)) as mine:
        asyncio.run(ask())
    assert noted(database) == ["c"]


def test_a_listener_that_fails_stops_nothing(
    database: Database, break_database: Callable[[], Callable[[], None]]
) -> None:
    def hear(trouble: BaseException | None) -> None:
        if trouble is not None:
            mend()
        raise ZeroDivisionError

    mend = break_database()
    with closing(Writer(database, patient=True, on_trouble=hear, retry_seconds=0.01)) as mine:
        assert asyncio.run(mine.write(note("a"))) == "a"
        assert asyncio.run(mine.write(note("b"))) == "b"


@pytest.mark.parametrize("inline", [False, True])
def test_closing_gives_up_what_is_in_trouble(
    database: Database, break_database: Callable[[], Callable[[], None]], inline: bool
) -> None:
    trouble = FakeTrouble()

    async def ask() -> None:
        mend = break_database()
        asking = [asyncio.ensure_future(mine.write(note(word))) for word in "ab"]
        await trouble.grows_to(1)
        await asyncio.to_thread(mine.close) if not inline else mine.close()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(answer, DBAPIError) for answer in answers)
        mend()

    mine = Writer(database, patient=True, on_trouble=trouble, inline=inline, retry_seconds=0.05)
    asyncio.run(ask())
    assert noted(database) == []
