"""Many submissions in one transaction: each is admitted as if it were alone, and none suffers for another."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from framemill.errors import BalanceTooLow, Forbidden, TooMany
from framemill.jobs.accounts import Account, Quotas
from framemill.jobs.model import Job, new_id
from framemill.services.callers import Caller
from framemill.services.idempotency import Ids
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs, Shown
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobRequest
from framemill.store import ledger
from framemill.store.accounts import SUBMITTED, add_account
from framemill.store.database import Database
from framemill.store.schema import events, inputs, jobs, outputs
from framemill.store.usage import used_on
from framemill.store.writer import Writer

NOON = datetime(2030, 5, 17, 12, tzinfo=UTC)
FILM = JobRequest(inputs=(InputRequest(uri="https://x.example/a.mov"),), outputs=(OutputRequest(target="/out/a.mp4"),))


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    with closing(Writer(database)) as made:
        yield made


@pytest.fixture
def account(database: Database) -> Callable[..., str]:
    """Make an account."""

    def make(name: str, balance: int | None = None, **fields: Any) -> str:
        with database.writing() as conn:
            add_account(conn, Account(id=name, name=name, created_at=NOON, **fields))
            if balance is not None:
                ledger.deposit(conn, name, balance, now=NOON, note="opening balance")
        return name

    return make


def jobs_of(database: Database, account: str, ids: Ids | None = None, nudged: list[str] | None = None) -> Jobs:
    heard = [] if nudged is None else nudged
    return Jobs(database, heard.extend, caller=Caller(account=account), ids=ids, clock=lambda: NOON)


def at_once(database: Database, *asked: Callable[[], Awaitable[Any]]) -> list[Any]:
    """What comes of all these, while the first of them cannot be written yet: the others gather behind it."""

    async def ask() -> list[Any]:
        with database.writing():
            tasks = [asyncio.ensure_future(one()) for one in asked]
            for _ in range(50):
                await asyncio.sleep(0.002)
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(ask())


def count(database: Database, table: Any) -> int:
    with database.reading() as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def submitted(database: Database, account: str) -> int:
    with database.reading() as conn:
        return used_on(conn, account, "2030-05-17", SUBMITTED)


def test_what_comes_at_once_is_written_once_and_everybody_told(database: Database, writer: Writer) -> None:
    nudged: list[str] = []
    door = jobs_of(database, "a", nudged=nudged)
    shown = at_once(database, *[lambda: door.joined(writer, FILM)] * 30)
    ids = [one.job.id for one in shown]
    assert len(set(ids)) == 30
    assert sorted(nudged) == sorted(ids)
    assert [count(database, table) for table in (jobs, inputs, outputs, events)] == [30] * 4
    assert submitted(database, "a") == 30


def test_one_that_is_refused_takes_nobody_along(
    database: Database, writer: Writer, account: Callable[..., str]
) -> None:
    good, bad = jobs_of(database, "good"), jobs_of(database, account("bad", state="suspended"))
    asked = [lambda: good.joined(writer, FILM)] * 20
    asked.insert(7, lambda: bad.joined(writer, FILM))
    told = at_once(database, *asked)
    assert isinstance(told.pop(7), Forbidden)
    assert all(isinstance(one, Shown) for one in told)
    assert count(database, jobs) == submitted(database, "good") == 20
    assert submitted(database, "bad") == 0


def test_a_quota_is_not_passed_by_asking_at_once(
    database: Database, writer: Writer, account: Callable[..., str]
) -> None:
    door = jobs_of(database, account("a", quotas=Quotas(jobs_per_day=3)))
    told = at_once(database, *[lambda: door.joined(writer, FILM)] * 12)
    assert sum(isinstance(one, TooMany) for one in told) == 9
    assert count(database, jobs) == submitted(database, "a") == 3


def test_who_has_no_credits_is_refused_beside_who_has(
    database: Database, writer: Writer, account: Callable[..., str]
) -> None:
    rich, poor = jobs_of(database, account("rich", 5)), jobs_of(database, account("poor", 0))
    told = at_once(database, *[lambda: rich.joined(writer, FILM), lambda: poor.joined(writer, FILM)] * 5)
    assert [type(one) for one in told] == [Shown, BalanceTooLow] * 5
    assert count(database, jobs) == 5


def test_a_batch_is_written_as_a_whole_or_not_at_all(
    database: Database, writer: Writer, account: Callable[..., str]
) -> None:
    limited, free = jobs_of(database, account("a", quotas=Quotas(jobs_per_day=4))), jobs_of(database, "b")
    told = at_once(
        database,
        lambda: limited.joined_all(writer, [FILM] * 3),
        lambda: free.joined_all(writer, [FILM] * 3),
        lambda: limited.joined_all(writer, [FILM] * 2),
        lambda: limited.joined(writer, FILM),
    )
    # Which of the account's come first is not said; all of each is there, or nothing.
    made = [sum(len(one) if isinstance(one, list) else 1 for one in told if not isinstance(one, Exception))]
    assert isinstance(told[1], list)
    assert count(database, jobs) == made[0]
    assert submitted(database, "a") == made[0] - 3 <= 4
    assert any(isinstance(one, TooMany) for one in told)


def test_twins_under_one_key_are_one_job(database: Database, writer: Writer) -> None:
    seed = new_id()
    told = at_once(database, *[lambda: jobs_of(database, "a", Ids(seed)).joined(writer, FILM)] * 6)
    assert len({one.job.id for one in told}) == 1
    assert {len(one.outputs) for one in told} == {1}
    assert [count(database, table) for table in (jobs, inputs, outputs, events)] == [1] * 4
    assert submitted(database, "a") == 1


class Killed(BaseException):
    """Whoever writes is no more."""


def test_who_dies_in_the_middle_has_answered_nobody_and_written_nothing(database: Database, writer: Writer) -> None:
    door = jobs_of(database, "a")
    made: list[Job] = []

    def die(_conn: Connection) -> None:
        raise Killed

    async def kept() -> None:
        made.append((await door.joined(writer, FILM)).job)

    asyncio.run(kept())
    told = at_once(
        database,
        lambda: writer.write(lambda conn: None),
        *[lambda: door.joined(writer, FILM)] * 5,
        lambda: writer.write(die),
    )
    answered = [one.job.id for one in told if isinstance(one, Shown)]
    with database.reading() as conn:
        assert sorted(conn.execute(select(jobs.c.id)).scalars()) == sorted([made[0].id, *answered])
    assert submitted(database, "a") == 1 + len(answered)
