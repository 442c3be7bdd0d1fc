"""Jobs of accounts that are counted: what is set aside, charged, given back, whoever is killed meanwhile."""

from datetime import UTC, datetime

import pytest
from fake_farm import Farm, play
from sqlalchemy import func, select

from framemill.farm.orders import GroupOrder, IngestOrder, Order, Result, SourceRead
from framemill.jobs.accounts import Account, Quotas
from framemill.jobs.model import Limits
from framemill.jobs.reasons import Reason
from framemill.jobs.states import InputState, JobState
from framemill.store import ledger
from framemill.store.account_tables import ledger as entries
from framemill.store.accounts import ensure_account, load_account, save_account
from framemill.store.usage import used_on

NOW = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


def give(farm: Farm, balance: int) -> None:
    with farm.database.writing() as conn:
        ensure_account(conn, "a", NOW)
        ledger.deposit(conn, "a", balance, now=NOW)


def account(farm: Farm) -> Account:
    """The account, once it is seen that its entries add up to what it has."""
    with farm.database.reading() as conn:
        found = load_account(conn, "a")
        assert found is not None
        sums = select(func.sum(entries.c.amount), func.sum(entries.c.reserved)).where(entries.c.account == "a")
        assert tuple(conn.execute(sums).one()) == (found.balance, found.reserved)
    return found


def kinds(farm: Farm) -> list[str]:
    with farm.database.reading() as conn:
        return [one.kind for one in reversed(ledger.entries(conn, "a", None, 100))]


def price(farm: Farm) -> int:
    """Of one output, as it is charged to whoever is not counted."""
    farm.submit("priced", account="another")
    farm.run("priced")
    (charged,) = (output.charged for output in farm.outputs_of("priced"))
    assert charged
    return charged


def test_what_a_job_costs_is_set_aside_before_it_is_encoded(farm: Farm) -> None:
    each = price(farm)
    give(farm, 10 * each)
    seen: list[int] = []

    async def answer(order: Order) -> Result | None:
        if isinstance(order, GroupOrder):
            seen.append(account(farm).reserved)
        return None

    farm.hands.answer = answer
    farm.submit(outputs=2, run={"reuse": "off"})
    job = farm.run()
    assert (job.state, job.spent) == (JobState.COMPLETED, 2 * each)
    assert set(seen) == {2 * each}
    assert (account(farm).balance, account(farm).reserved) == (8 * each, 0)
    assert kinds(farm) == ["deposit", "reserve", "charge", "charge"]


def test_a_job_that_cannot_be_paid_is_not_encoded(farm: Farm) -> None:
    each = price(farm)
    give(farm, 2 * each - 1)
    farm.submit(outputs=2)
    job = farm.run()
    assert (job.state, job.reason, job.spent) == (JobState.FAILED, Reason.BALANCE_TOO_LOW, 0)
    assert (account(farm).balance, account(farm).reserved) == (2 * each - 1, 0)


def test_a_job_that_keeps_what_is_good_delivers_what_can_be_paid(farm: Farm) -> None:
    each = price(farm)
    give(farm, 2 * each - 1)
    farm.submit(outputs=2, on_output_error="keep")
    job = farm.run()
    assert (job.state, job.spent) == (JobState.COMPLETED, each)
    reasons = sorted(str(output.reason) for output in farm.outputs_of())
    assert reasons == ["None", "balance_too_low"]
    assert (account(farm).balance, account(farm).reserved) == (each - 1, 0)


def test_no_more_is_set_aside_than_the_job_may_spend(farm: Farm) -> None:
    each = price(farm)
    give(farm, each)
    farm.submit(outputs=2, on_output_error="keep", limits=Limits(max_spend=each))
    job = farm.run()
    assert (job.state, job.spent) == (JobState.COMPLETED, each)
    assert account(farm).balance == 0


WORKING = [JobState.PLANNING, JobState.ENCODING, JobState.STITCHING, JobState.PACKAGING, JobState.DELIVERING]


@pytest.mark.parametrize("state", WORKING)
def test_whoever_takes_over_charges_nothing_twice(farm: Farm, state: JobState) -> None:
    """Killed when the work of a state is done and before anybody knows: what is set aside and charged is so once."""
    each = price(farm)
    give(farm, 10 * each)
    farm.submit(outputs=2)
    job = farm.run_through(farm.leaving(state))
    assert (job.state, job.spent) == (JobState.COMPLETED, 2 * each)
    assert (account(farm).balance, account(farm).reserved) == (8 * each, 0)
    assert kinds(farm) == ["deposit", "reserve", "charge", "charge"]
    assert job.ended_at is not None
    with farm.database.reading() as conn:
        assert used_on(conn, "a", job.ended_at.date().isoformat(), "jobs_completed") == 1


def test_a_source_over_the_jobs_limits_is_refused(farm: Farm) -> None:
    async def answer(order: Order) -> Result | None:
        if isinstance(order, IngestOrder):
            facts = {"format": {"duration": "61.0"}}
            return SourceRead(source_key="source /in.mp4", path="/in.mp4", size=10, facts=facts)
        return None

    farm.hands.answer = answer
    farm.submit(input_state=InputState.WAITING, limits=Limits(max_input_seconds=60))
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.SOURCE_TOO_LARGE)


def test_an_accounts_own_limit_of_jobs_at_once_holds(farm: Farm) -> None:
    with farm.database.writing() as conn:
        mine = ensure_account(conn, "a", NOW)
        save_account(conn, mine.model_copy(update={"quotas": Quotas(active_jobs=1), "version": 2}), 1)
    for name in ("one", "two"):
        farm.submit(name)
    farm.submit("other", account="b")
    beside: list[set[str]] = []

    async def answer(order: Order) -> Result | None:
        if isinstance(order, GroupOrder):
            names = ("one", "two", "other")
            beside.append({name for name in names if farm.state_of(name) is JobState.ENCODING})
        return None

    async def scene() -> None:
        farm.hire()
        coordinator = farm.coordinator()
        await coordinator.start()
        for name in ("one", "two", "other"):
            assert (await coordinator.jobs.ended(name)).state is JobState.COMPLETED
        await coordinator.close()

    farm.hands.answer = answer
    play(scene())
    assert {"one", "other"} in beside or {"two", "other"} in beside
    assert not [some for some in beside if {"one", "two"} <= some]
