"""Jobs of accounts that are counted: what is set aside, charged, given back, whoever is killed meanwhile."""

import asyncio
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from fake_farm import Farm
from mortal import play
from sqlalchemy import func, select, update

from framemill.farm.orders import (
    Delivered,
    DeliverOrder,
    GroupOrder,
    IngestOrder,
    Order,
    Result,
    SourceRead,
    StitchOrder,
)
from framemill.jobs.accounts import Account, Quotas
from framemill.jobs.metering import PixelClass, Tariff
from framemill.jobs.model import Limits, Target
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings
from framemill.jobs.states import ChunkState, DeliveryState, InputState, JobState
from framemill.store import ledger
from framemill.store.account_tables import ledger as entries
from framemill.store.accounts import ensure_account, load_account, save_account
from framemill.store.jobs import save_output
from framemill.store.schema import chunks
from framemill.store.usage import used_on

DONE = DeliveryState.COMPLETED
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


def submit_unlike(farm: Farm, outputs: int, **fields: Any) -> None:
    """A job whose outputs have no chunk in common."""
    farm.submit(outputs=outputs, run={"reuse": "off"}, **fields)
    with farm.database.writing() as conn:
        for number, output in enumerate(farm.outputs_of()):
            save_output(conn, output.model_copy(update={"settings": OutputSettings(container="mkv", crf=20 + number)}))


def test_what_cannot_be_paid_beside_what_is_encoded_is_ended_at_once(farm: Farm) -> None:
    """The first of three outputs would never be done."""
    farm.machines = {"m1": 12}
    each = price(farm)

    async def answer(order: Order) -> Result | None:
        if isinstance(order, GroupOrder) and order.title_key.endswith("-0.json"):
            await asyncio.Event().wait()
        return None

    farm.hands.answer = answer
    submit_unlike(farm, 3, on_output_error="keep", limits=Limits(max_spend=2 * each))
    job = farm.run()
    assert (job.state, job.spent) == (JobState.COMPLETED, 2 * each)
    assert [output.reason for output in farm.outputs_of()] == [Reason.SPEND_CAP_REACHED, None, None]
    assert [one.reason for one in job.warnings] == [Reason.SPEND_CAP_REACHED]


def test_what_costs_more_than_the_job_may_spend_is_not_begun(farm: Farm) -> None:
    each = price(farm)
    before = len(farm.hands.of(GroupOrder))
    submit_unlike(farm, 2, on_output_error="keep", limits=Limits(max_spend=each - 1))
    job = farm.run()
    assert (job.state, job.reason, job.spent) == (JobState.FAILED, Reason.SPEND_CAP_REACHED, 0)
    assert len(farm.hands.of(GroupOrder)) == before


@pytest.mark.parametrize("state", WORKING)
def test_whoever_takes_over_ends_nothing_that_was_paid(farm: Farm, state: JobState) -> None:
    each = price(farm)
    submit_unlike(farm, 3, on_output_error="keep", limits=Limits(max_spend=2 * each))
    job = farm.run_through(farm.leaving(state))
    assert (job.state, job.spent) == (JobState.COMPLETED, 2 * each)
    assert sorted(str(output.reason) for output in farm.outputs_of()) == ["None", "None", "spend_cap_reached"]


def test_what_was_encoded_before_is_reckoned_in_the_order_in_which_it_is_charged(farm: Farm) -> None:
    """1. The chunks of two outputs are there already. 2. The second one was encoded first, and is paid; the first one
    does not fit beside it, and the third one does."""
    farm.machines = {"m1": 12}
    factors = {"h265": Fraction(9, 4), "h264": Fraction(15, 8)}
    tariff = Tariff(classes=(PixelClass("any", None, 1000),), codec_factors=factors)  # 61 and 51 for these films
    settings = [OutputSettings(container="mkv", video_codec=codec) for codec in ("h265", "h264")]
    settings.append(settings[1].model_copy(update={"crf": 30}))

    def asked(name: str, **fields: Any) -> None:
        farm.submit(name, on_output_error="keep", **fields)
        for output, own in zip(farm.outputs_of(name), settings, strict=False):
            farm.replace_output(output.model_copy(update={"settings": own}))

    asked("before", account="another", outputs=2)
    farm.run("before")
    asked("j", outputs=3, tariff=tariff, limits=Limits(max_spend=110))

    def both_there(conn: object) -> bool:
        there = Counter(row.output_id for row in farm.chunks if row.state is ChunkState.COMMITTED)
        return conn is None and there == {"j-o0": 4, "j-o1": 4}

    async def scene() -> None:
        farm.hire()
        first = farm.coordinator()
        first.database.fate = both_there
        await first.start()
        await first.died()
        with farm.database.writing() as conn:
            later = update(chunks).where(chunks.c.output_id == "j-o0")
            conn.execute(later.values(committed_at=datetime.now(UTC) + timedelta(seconds=1)))
        async with farm.running() as second:
            await second.jobs.ended("j")

    play(scene())
    assert (farm.job.state, farm.job.spent) == (JobState.COMPLETED, 102)
    assert [output.reason for output in farm.outputs_of()] == [Reason.SPEND_CAP_REACHED, None, None]


def test_what_is_not_encoded_in_time_is_left_out_where_the_job_keeps_what_is_good(farm: Farm) -> None:
    farm.machines = {"m1": 12}

    async def answer(order: Order) -> Result | None:
        if isinstance(order, GroupOrder) and order.title_key.endswith("-0.json"):
            await asyncio.Event().wait()
        return None

    farm.hands.answer = answer
    submit_unlike(farm, 3, on_output_error="keep", limits=Limits(max_process_seconds=30))
    job = farm.run()
    assert job.state is JobState.COMPLETED
    assert [output.reason for output in farm.outputs_of()] == [Reason.TIMED_OUT, None, None]
    assert farm.hands.under_way == 0


def test_where_nothing_is_encoded_in_time_the_job_fails(farm: Farm) -> None:
    async def answer(order: Order) -> Result | None:
        if isinstance(order, GroupOrder):
            await asyncio.Event().wait()
        return None

    farm.hands.answer = answer
    submit_unlike(farm, 2, on_output_error="keep", limits=Limits(max_process_seconds=30))
    job = farm.run()
    assert (job.state, job.reason, job.spent) == (JobState.FAILED, Reason.TIMED_OUT, 0)


def test_what_is_encoded_in_time_is_joined_however_long_that_takes(farm: Farm) -> None:
    async def answer(order: Order) -> Result | None:
        if isinstance(order, StitchOrder):
            await asyncio.sleep(100)
        return None

    farm.hands.answer = answer
    submit_unlike(farm, 2, on_output_error="keep", limits=Limits(max_process_seconds=30))
    assert farm.run().state is JobState.COMPLETED


@pytest.mark.parametrize("more", [{}, {"on_output_error": "keep"}])
@pytest.mark.parametrize("also", [False, True])
def test_what_lies_whole_at_one_of_its_targets_is_paid(farm: Farm, more: dict[str, Any], also: bool) -> None:
    """Its other target takes nothing. `also`: beside an output that is delivered."""
    each = price(farm)
    give(farm, 10 * each)
    good, bad = Target(uri="s3://bucket/film.mp4"), Target(uri="ftp://host/film.mp4")

    async def answer(order: Order) -> Result | None:
        if not isinstance(order, DeliverOrder) or order.way.uri != bad.uri:
            return None
        await farm.until(lambda: any(one.state is DONE for one in farm.deliveries if one.target == 0))
        return Delivered(reason=Reason.TARGET_REFUSED, message="No.")

    farm.hands.answer = answer
    farm.submit(targets=[None, None] if also else [None], settings=OutputSettings(), **more)
    first, *_ = farm.outputs_of()
    farm.replace_output(first.model_copy(update={"targets": (good, bad), "stays": False}))
    job = farm.run()
    completes = also and bool(more)
    assert job.state is (JobState.COMPLETED if completes else JobState.FAILED)
    paid = 2 * each if completes else each
    assert (job.spent, account(farm).balance, account(farm).reserved) == (paid, 10 * each - paid, 0)
    assert [output.charged for output in farm.outputs_of()] == [each, each if completes else None][: 1 + also]
    assert job.ended_at is not None
    with farm.database.reading() as conn:
        assert used_on(conn, "a", job.ended_at.date().isoformat(), "credits") == paid


def test_half_a_package_at_a_target_is_not_paid(farm: Farm) -> None:
    each = price(farm)
    give(farm, 10 * each)

    async def answer(order: Order) -> Result | None:
        last = isinstance(order, DeliverOrder) and order.files[0].path == "master.m3u8"
        return Delivered(reason=Reason.TARGET_REFUSED, message="No.") if last else None

    farm.hands.answer = answer
    farm.submit(targets=["s3://bucket/hls/"], settings=OutputSettings(container="package"))
    job = farm.run()
    assert (job.state, job.spent, account(farm).balance) == (JobState.FAILED, 0, 10 * each)


def test_what_could_not_be_delivered_is_not_paid(farm: Farm) -> None:
    each = price(farm)
    give(farm, 10 * each)
    place = farm.folder / "place"

    async def answer(order: Order) -> Result | None:
        if isinstance(order, StitchOrder) and not place.is_file():  # since it was looked whether it can be written to
            shutil.rmtree(place, ignore_errors=True)
            place.write_bytes(b"in the way")
        return None

    farm.hands.answer = answer
    targets = [str(place / "out.mp4"), str(farm.folder / "out.mp4")]
    farm.submit(targets=targets, on_output_error="keep", settings=OutputSettings())
    job = farm.run()
    assert (job.state, job.spent) == (JobState.COMPLETED, each)
    assert [(output.charged, output.reason is None) for output in farm.outputs_of()] == [(None, False), (each, True)]
    assert (account(farm).balance, account(farm).reserved) == (9 * each, 0)
    assert kinds(farm) == ["deposit", "reserve", "charge", "charge", "refund"]
    assert job.ended_at is not None
    with farm.database.reading() as conn:
        assert used_on(conn, "a", job.ended_at.date().isoformat(), "credits") == each
