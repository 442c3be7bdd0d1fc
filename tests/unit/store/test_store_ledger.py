"""An account's money: every change beside its entry, so that the entries always add up to it."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from framemill.errors import NotFound
from framemill.jobs.lifecycle import handle
from framemill.jobs.model import Job, Output
from framemill.jobs.reasons import Reason
from framemill.jobs.states import CancelAsked, Failed, JobState, RetryAsked, WorkStopped
from framemill.store import ledger
from framemill.store.account_tables import accounts, reservations
from framemill.store.account_tables import ledger as entries
from framemill.store.accounts import ensure_account, load_account
from framemill.store.charging import charge
from framemill.store.database import Database
from framemill.store.epochs import take_epoch
from framemill.store.jobs import add_job, load_job, save_job
from framemill.store.usage import used_between


def adds_up(conn: Connection, account: str = "a") -> tuple[int, int]:
    """Balance and reserves, as the account, its entries and its reservations all have them."""
    balance, reserved = conn.execute(
        select(func.coalesce(accounts.c.balance, 0), accounts.c.reserved).where(accounts.c.id == account)
    ).one()
    mine = select(func.coalesce(func.sum(entries.c.amount), 0), func.coalesce(func.sum(entries.c.reserved), 0))
    assert tuple(conn.execute(mine.where(entries.c.account == account)).one()) == (balance, reserved)
    held = select(func.coalesce(func.sum(reservations.c.amount), 0)).where(reservations.c.account == account)
    # Of an account that is not counted it is only noted what is set aside.
    assert conn.execute(held).scalar_one() == reserved or not ledger.counts(conn, account)
    return int(balance), int(reserved)


@pytest.fixture
def counted(database: Database, now: datetime) -> Database:
    """A store with an account that has 1000."""
    with database.writing() as conn:
        ensure_account(conn, "a", now)
        ledger.deposit(conn, "a", 1000, now=now)
    return database


def test_what_is_reserved_cannot_be_spent_by_others(counted: Database, now: datetime) -> None:
    with counted.writing() as conn:
        assert ledger.reserve(conn, "a", "j", 700, now=now)
        assert not ledger.reserve(conn, "a", "k", 301, now=now)
        assert not ledger.deduct(conn, "a", 301, reference="k", now=now)
        assert adds_up(conn) == (1000, 700)
        assert ledger.deduct(conn, "a", 300, now=now)
        assert ledger.deduct(conn, "a", 500, reference="j", now=now)
        assert adds_up(conn) == (200, 200)
        assert ledger.release(conn, "a", "j", now=now) == 200
        assert ledger.release(conn, "a", "j", now=now) == 0
        assert adds_up(conn) == (200, 0)
        assert [entry.kind for entry in ledger.entries(conn, "a", None, 10)] == [
            *("release", "deduct", "deduct", "reserve", "deposit"),
        ]


def test_more_than_was_reserved_comes_from_what_is_free(counted: Database, now: datetime) -> None:
    with counted.writing() as conn:
        ledger.reserve(conn, "a", "j", 100, now=now)
        assert ledger.can_pay(conn, "a", "j", 1000)
        assert not ledger.can_pay(conn, "a", "k", 1000)
        assert not ledger.deduct(conn, "a", 1001, reference="j", now=now)
        assert adds_up(conn) == (1000, 100)
        assert ledger.deduct(conn, "a", 1000, reference="j", now=now)
        assert adds_up(conn) == (0, 0)
        assert ledger.reserved_for(conn, "a", "j") is None


def test_a_reservation_grows_is_released_in_parts_and_expires(counted: Database, now: datetime) -> None:
    later = now + timedelta(hours=1)
    with counted.writing() as conn:
        for _ in range(2):
            ledger.reserve(conn, "a", "hand", 50, now=now, expires_at=later)
        ledger.reserve(conn, "a", "job", 7, now=now)
        assert ledger.release(conn, "a", "hand", 30, now=now) == 30
        assert adds_up(conn) == (1000, 77)
        assert ledger.expire(conn, now) == 0
        assert ledger.expire(conn, later, "another") == 0
        assert ledger.expire(conn, later) == 1
        assert adds_up(conn) == (1000, 7)


def test_an_account_that_is_not_counted_may_do_everything(database: Database, now: datetime) -> None:
    with database.writing() as conn:
        ensure_account(conn, "a", now)
        assert ledger.reserve(conn, "a", "j", 10**12, now=now)
        assert ledger.deduct(conn, "a", 10**12, reference="j", now=now)
        assert ledger.can_pay(conn, "a", "j", 10**12)
        assert ledger.entries(conn, "a", None, 10) == []
        with pytest.raises(NotFound):
            ledger.deposit(conn, "nobody", 1, now=now)


def test_whoever_is_counted_no_longer_has_nothing_set_aside(counted: Database, now: datetime) -> None:
    with counted.writing() as conn:
        ledger.reserve(conn, "a", "j", 10, now=now)
        ledger.close(conn, "a", now=now)
        assert adds_up(conn) == (0, 0)
        assert not ledger.counts(conn, "a")
        ledger.deposit(conn, "a", 5, now=now)
        assert adds_up(conn) == (5, 0)


WISHES = st.lists(
    st.tuples(
        st.sampled_from(["deposit", "deduct", "reserve", "release", "refund", "expire", "close"]),
        st.sampled_from(["j", "k", None]),
        st.integers(0, 50),
    ),
    max_size=25,
)


def test_what_is_set_aside_of_an_account_that_is_not_counted_is_noted(database: Database, now: datetime) -> None:
    with database.writing() as conn:
        ensure_account(conn, "free", now)
        assert ledger.reserve(conn, "free", "j", 500, now=now)
        assert ledger.reserve(conn, "free", "k", 40, now=now, expires_at=now)
        assert ledger.deduct(conn, "free", 100, reference="j", now=now)
        assert ledger.reserved_in_all(conn, "free") == 440
        assert ledger.expire(conn, now) == 1
        assert ledger.reserved_in_all(conn, "free") == 400
        assert ledger.entries(conn, "free", None, 10) == []
        ledger.deposit(conn, "free", 1000, now=now)  # from now on it is counted, and nothing is set aside
        assert adds_up(conn, "free") == (1000, 0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wishes=WISHES)
def test_whatever_is_wished_the_entries_add_up(
    database: Database, now: datetime, wishes: list[tuple[str, str | None, int]]
) -> None:
    with database.writing() as conn:
        conn.execute(accounts.delete().where(accounts.c.id == "a"))
        ensure_account(conn, "a", now)
        for wish, reference, amount in wishes:
            before = load_account(conn, "a")
            assert before is not None
            match wish:
                case "deposit":
                    ledger.deposit(conn, "a", amount, now=now)
                case "deduct":
                    ledger.deduct(conn, "a", amount, reference=reference, now=now)
                case "reserve":
                    ledger.reserve(conn, "a", reference or "x", amount, now=now, expires_at=now)
                case "release":
                    ledger.release(conn, "a", reference or "x", amount or None, now=now)
                case "refund":
                    ledger.refund(conn, "a", reference or "x", amount, now=now)
                case "expire":
                    ledger.expire(conn, now)
                case _:
                    ledger.close(conn, "a", now=now)
            balance, reserved = adds_up(conn)
            assert 0 <= reserved <= balance


def test_writers_beside_each_other_spend_nothing_twice(empty: Database, counted: Database, now: datetime) -> None:
    took: list[bool] = []
    ready = threading.Barrier(4)

    def spend(number: int) -> None:
        mine = Database(empty.url)
        ready.wait(10)
        for turn in range(10):
            with mine.writing() as conn:
                reference = f"{number}/{turn}"
                got = ledger.reserve(conn, "a", reference, 60, now=now)
                took.append(got and ledger.deduct(conn, "a", 60, reference=reference, now=now))
        mine.close()

    threads = [threading.Thread(target=spend, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with counted.reading() as conn:
        assert adds_up(conn) == (40, 0)
    assert took.count(True) == 16


# A job's money


@pytest.fixture
def job(counted: Database, make_job: Callable[..., Job], now: datetime) -> Job:
    """A job of the account, with two outputs, for which 300 are reserved."""
    made = make_job(id="j", state=JobState.PACKAGING, started_at=now)
    with counted.writing() as conn:
        outputs = [Output(id=f"o{number}", job_id="j", name=f"{number}.mp4") for number in (1, 2)]
        add_job(conn, made, [], outputs)
        ledger.reserve(conn, "a", "j", 300, now=now)
    return made


def moved(conn: Connection, event: Any, now: datetime) -> Job:
    found = load_job(conn, "j")
    assert found is not None
    after, _ = handle(found[0], event, now)
    save_job(conn, after, found[0].version, after.state.value, {}, now=now)
    return after


def used(conn: Connection, now: datetime) -> dict[str, int]:
    return {one.kind: one.amount for one in used_between(conn, "a", now.date(), now.date())}


@pytest.mark.usefixtures("job")
def test_an_output_is_paid_for_once_from_what_was_reserved(counted: Database, now: datetime) -> None:
    with counted.writing() as conn:
        epoch = take_epoch(conn)
        for _ in range(2):  # asked again by the next coordinator
            assert charge(conn, "j", "o1", 200, None, epoch, now) is None
        assert adds_up(conn) == (800, 100)
        assert charge(conn, "j", "o2", 901, None, epoch, now) is Reason.BALANCE_TOO_LOW
        assert charge(conn, "j", "o2", 150, 349, epoch, now) is Reason.SPEND_CAP_REACHED
        assert adds_up(conn) == (800, 100)
        assert charge(conn, "j", "o2", 150, 350, epoch, now) is None
        assert adds_up(conn) == (650, 0)


@pytest.mark.usefixtures("job")
def test_a_job_that_completes_has_paid_and_reserves_nothing_any_more(counted: Database, now: datetime) -> None:
    report = {
        "source": {"format": {"duration": "12.5"}},
        "outputs": [{"files": [{"size": 100}, {"size": 20}]}, {"files": [{"size": 3}]}],
    }
    with counted.writing() as conn:
        assert charge(conn, "j", "o1", 200, None, take_epoch(conn), now) is None
        found = load_job(conn, "j")
        assert found is not None
        done = found[0].model_copy(
            update={"state": JobState.COMPLETED, "report": report, "version": found[0].version + 1}
        )
        save_job(conn, done, found[0].version, "completed", {}, now=now)
        assert adds_up(conn) == (800, 0)
        assert used(conn, now) == {
            **{"jobs_completed": 1, "outputs": 2, "output_milliseconds": 25_000, "output_bytes": 123, "credits": 200},
            "source_milliseconds": 12_500,
        }
        edited = done.model_copy(update={"priority": 3, "version": done.version + 1})
        save_job(conn, edited, done.version, "edited", {}, now=now)
        assert used(conn, now)["jobs_completed"] == 1


@pytest.mark.parametrize("event", [Failed(Reason.INTERNAL), CancelAsked()])
@pytest.mark.usefixtures("job")
def test_a_job_that_brings_nothing_costs_nothing(counted: Database, now: datetime, event: Any) -> None:
    with counted.writing() as conn:
        epoch = take_epoch(conn)
        assert charge(conn, "j", "o1", 200, None, epoch, now) is None
        after = moved(conn, event, now)
        if after.state is JobState.CANCELLING:
            after = moved(conn, WorkStopped(), now)
        assert adds_up(conn) == (1000, 0)
        assert after.spent == 0
        assert used(conn, now) == {f"jobs_{after.state.value}": 1}
        moved(conn, RetryAsked(), now)
        assert charge(conn, "j", "o1", 200, None, epoch, now) is None
        assert adds_up(conn) == (800, 0)


def test_as_much_is_set_aside_as_there_is(counted: Database, now: datetime) -> None:
    with counted.writing() as conn:
        assert ledger.reserve_up_to(conn, "a", "j", 300, now=now) == 0
        assert ledger.reserve_up_to(conn, "a", "j", 300, now=now) == 0  # planned once more
        assert ledger.reserve_up_to(conn, "a", "j", 200, now=now) == 0
        assert adds_up(conn) == (1000, 300)
        assert ledger.reserve_up_to(conn, "a", "k", 900, now=now) == 200
        assert adds_up(conn) == (1000, 1000)
        assert ledger.reserve_up_to(conn, "nobody", "k", 900, now=now) == 0
