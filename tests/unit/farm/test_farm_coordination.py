"""What a farm does with its jobs, from a wish in the store to their end."""

import asyncio
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fake_farm import Coordinator, Farm
from fake_hands import Answer, for_ever, nothing
from mortal import play
from sqlalchemy import event, update

from framemill.farm.coordination import LOOK_SECONDS
from framemill.farm.intact import chunk_blob
from framemill.farm.orders import (
    Encoded,
    ExtraOrder,
    GroupOrder,
    IngestOrder,
    Order,
    PlanOrder,
    Result,
    SourceRead,
    Stitched,
    StitchOrder,
)
from framemill.jobs.model import Job, Limits
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings
from framemill.jobs.states import CancelAsked, ChunkState, InputState, JobState, StartAsked
from framemill.jobs.usage import Usage
from framemill.policy import admission
from framemill.policy.callbacks import PREPARED
from framemill.services.jobs import Jobs
from framemill.store import doors
from framemill.store.schema import chunks

LONG_AGO = 1_000_000_000
FILM = b"[0,10)[10,20)[20,30)[30,40)"


def group(order: Order) -> int | None:
    return order.group if isinstance(order, GroupOrder) else None


def stuck(kind: type[Order]) -> Answer:
    """Orders of that kind never end."""

    async def answer(order: Order) -> Result | None:
        return await for_ever(order) if isinstance(order, kind) else None

    return answer


def jobs_of(farm: Farm) -> Jobs:
    """The front door, which tells the coordinator nothing."""
    return Jobs(farm.database, lambda _: None)


def told_prepared(farm: Farm) -> list[list[str]]:
    """Of which inputs it was told that they are all that the job has, and here."""
    return [event.data["inputs"] for event in jobs_of(farm).events("j") if event.kind == PREPARED]


async def ended(coordinator: Coordinator, *names: str) -> list[Job]:
    return [await coordinator.jobs.ended(name) for name in names]


# Wishes


def test_what_nobody_has_told_is_found_within_seconds(farm: Farm) -> None:
    async def scene() -> float:
        async with farm.running() as coordinator:
            await asyncio.sleep(7.3)
            farm.submit()
            began = asyncio.get_running_loop().time()
            await farm.until(lambda: farm.job.state is not JobState.QUEUED)
            found = asyncio.get_running_loop().time() - began
            await ended(coordinator, "j")
            return found

    assert play(scene()) <= LOOK_SECONDS + 1


def test_what_was_told_is_begun_at_once(farm: Farm) -> None:
    async def scene() -> None:
        async with farm.running() as coordinator:
            await asyncio.sleep(7.3)
            farm.submit()
            await coordinator.jobs.wake(["j"])
            await asyncio.sleep(0.1)
            assert farm.job.state is JobState.ENCODING
            await coordinator.jobs.wake(["j", "no such job"])
            await ended(coordinator, "j")

    play(scene())


def test_what_was_seen_is_not_looked_at_again(farm: Farm) -> None:
    """Else every look would read all that ever happened."""
    farm.submit()

    async def scene() -> None:
        async with farm.running() as coordinator:
            await ended(coordinator, "j")
            await asyncio.sleep(2 * LOOK_SECONDS)
            assert coordinator.jobs._changed()[1] == []
            farm.submit("k")
            assert coordinator.jobs._changed()[1] == ["k"]

    play(scene())


def test_any_number_of_jobs_may_have_changed(farm: Farm) -> None:
    farm.submit("12345")

    async def scene() -> None:
        async with farm.running() as coordinator:
            await coordinator.jobs.wake([str(number) for number in range(40_000)])
            await ended(coordinator, "12345")

    play(scene())


def test_everybody_who_waits_for_a_job_is_told(farm: Farm) -> None:
    farm.submit()

    async def scene() -> None:
        async with farm.running() as coordinator:
            waiting = [asyncio.ensure_future(coordinator.jobs.ended("j")) for _ in range(3)]
            await asyncio.sleep(1.5)
            waiting[0].cancel()
            jobs = await asyncio.gather(*waiting[1:])
            assert {job.state for job in jobs} == {JobState.COMPLETED}
            assert (await coordinator.jobs.ended("j")).state is JobState.COMPLETED
            assert coordinator.jobs._ends == {}

    play(scene())


def test_how_far_a_job_is(farm: Farm) -> None:
    farm.machines = {"m1": 2}
    farm.submit(outputs=2)
    farm.hands.seconds = lambda _: 8.0

    shares: list[Any] = []

    async def scene() -> list[tuple[str, int, int]]:
        seen = []
        async with farm.running() as coordinator:
            for _ in range(5):
                told = await coordinator.jobs.progress("j")
                seen.append((told["state"], told["frames"], told["frames_planned"]))
                shares.append(told["share"])
                await asyncio.sleep(4.5)
            await ended(coordinator, "j")
            told = await coordinator.jobs.progress("j")
            nothing = {"state": "", "frames": 0, "frames_planned": 0, "share": None}
            assert await coordinator.jobs.progress("no such job") == nothing
            assert shares[0] is None
            assert shares[1:] == sorted(shares[1:])
            assert 0 < shares[1] < shares[2] < shares[3] <= shares[4] == told["share"] == 1.0
            return [*seen, (told["state"], told["frames"], told["frames_planned"])]

    assert play(scene()) == [
        ("queued", 0, 0),
        ("encoding", 20, 80),  # reported 4 s after it began: the halves of two groups, for two outputs
        ("encoding", 40, 80),
        ("encoding", 55, 80),
        ("completed", 80, 80),
        ("completed", 80, 80),
    ]


def test_frames_that_were_told_do_not_go_away_with_their_worker(farm: Farm) -> None:
    farm.machines = {"m1": 2}
    farm.submit()
    farm.hands.seconds = lambda _: 8.0

    async def scene() -> list[int]:
        async with farm.running() as coordinator:
            await asyncio.sleep(4.5)
            told = [(await coordinator.jobs.progress("j"))["frames"]]
            farm.hands.workers["worker-m1"].die()
            for _ in range(4):
                await asyncio.sleep(1.0)
                told.append((await coordinator.jobs.progress_of(["j"]))["j"]["frames"])
            return told

    told = play(scene())
    assert told[0] > 0
    assert told == sorted(told)


# Cancelled


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (JobState.INGESTING, IngestOrder),
        (JobState.PLANNING, PlanOrder),
        (JobState.ENCODING, GroupOrder),
        (JobState.ENCODING, ExtraOrder),
        (JobState.STITCHING, StitchOrder),
    ],
)
def test_a_job_is_cancelled_wherever_it_is(farm: Farm, state: JobState, kind: type[Order]) -> None:
    farm.submit(input_state=InputState.WAITING)
    farm.hands.answer = stuck(kind)

    async def scene() -> float:
        async with farm.running() as coordinator:
            await farm.until(lambda: farm.hands.under_way > 0 and bool(farm.hands.of(kind)))
            assert farm.job.state is state
            jobs_of(farm).cancelled("j")
            began = asyncio.get_running_loop().time()
            await coordinator.jobs.wake(["j"])
            (job,) = await ended(coordinator, "j")
            assert (job.state, job.reason) == (JobState.CANCELLED, Reason.CANCELLED_BY_CLIENT)
            assert farm.hands.under_way == 0
            assert coordinator.jobs.dispatcher.dispatch.running == 0
            return asyncio.get_running_loop().time() - began

    assert play(scene()) < 0.5
    assert ChunkState.LEASED not in farm.states
    assert not farm.target.exists()
    assert not (farm.work / "j").exists()


@pytest.mark.parametrize("start", ["auto", "held"])
def test_a_job_that_has_not_begun_is_cancelled(farm: Farm, start: str) -> None:
    farm.pause()
    farm.submit(start=start)

    async def scene() -> None:
        async with farm.running() as coordinator:
            await asyncio.sleep(1)
            jobs_of(farm).cancelled("j")
            await coordinator.jobs.wake(["j"])
            (job,) = await ended(coordinator, "j")
            assert job.state is JobState.CANCELLED
            assert coordinator.jobs.queued == 0

    play(scene())
    assert farm.hands.plans == []


def test_a_held_job_whose_inputs_are_on_their_way_is_cancelled(farm: Farm) -> None:
    farm.submit(start="held", input_state=InputState.WAITING)
    farm.hands.answer = stuck(IngestOrder)

    async def scene() -> None:
        async with farm.running() as coordinator:
            await farm.until(lambda: farm.hands.under_way == 1)
            jobs_of(farm).cancelled("j")
            await coordinator.jobs.wake(["j"])
            (job,) = await ended(coordinator, "j")
            assert (job.state, farm.hands.under_way) == (JobState.CANCELLED, 0)

    play(scene())


def test_to_cancel_again_and_again_does_no_harm(farm: Farm) -> None:
    farm.submit()
    farm.hands.answer = stuck(GroupOrder)

    async def scene() -> None:
        async with farm.running() as coordinator:
            await farm.until(lambda: farm.hands.under_way == 4)
            jobs_of(farm).cancelled("j")
            for _ in range(5):
                await coordinator.jobs.wake(["j"])
                await asyncio.sleep(0)
            await ended(coordinator, "j")

    play(scene())
    assert farm.job.state is JobState.CANCELLED


def test_what_is_cancelled_while_it_is_admitted_is_not_begun(farm: Farm) -> None:
    async def scene() -> None:
        async with farm.running() as coordinator:
            farm.submit()
            farm.submit("k")
            waking = asyncio.ensure_future(coordinator.jobs.wake(["j", "k"]))
            await asyncio.sleep(0)
            farm.wish(CancelAsked())
            await waking
            await coordinator.jobs.wake(["j"])
            assert [job.state for job in await ended(coordinator, "j", "k")] == [
                JobState.CANCELLED,
                JobState.COMPLETED,
            ]
            assert coordinator.jobs._room.running == 0

    play(scene())


# Held


def test_the_inputs_of_a_held_job_are_fetched_while_its_owner_thinks(farm: Farm) -> None:
    farm.submit(start="held", input_state=InputState.WAITING, inputs=["/1.mp4", "/2.mp4"])

    async def scene() -> None:
        async with farm.running() as coordinator:
            await asyncio.sleep(60)
            assert [source.state for source in farm.inputs_of()] == [InputState.READY] * 2
            assert (farm.job.state, coordinator.jobs.driven) == (JobState.HELD, [])
            assert len(farm.hands.of(IngestOrder)) == 2
            told = [event for event in jobs_of(farm).events("j") if event.kind == PREPARED]
            assert [one.data["inputs"] for one in told] == [sorted(source.id for source in farm.inputs_of())]
            jobs_of(farm).started("j")
            await coordinator.jobs.wake(["j"])
            (job,) = await ended(coordinator, "j")
            assert job.state is JobState.COMPLETED

    play(scene())
    assert len(farm.hands.of(IngestOrder)) == 2


def test_a_held_job_whose_inputs_were_read_is_left_alone(farm: Farm) -> None:
    farm.submit(start="held")
    farm.submit("k", start="held", input_state=InputState.WAITING, inputs=["/k"])

    async def scene() -> None:
        async with farm.running() as coordinator:
            assert coordinator.jobs.driven == ["j", "k"]  # of `j` nobody has said yet that all is here
            await asyncio.sleep(60)
            for names in (["j"], ["j", "k"]):
                await coordinator.jobs.wake(names)
                assert coordinator.jobs.driven == []

    play(scene())


def test_that_all_inputs_are_here_is_told_by_whoever_takes_over(farm: Farm) -> None:
    """The coordinator dies when they are read, and before it has said so."""
    farm.submit(start="held", input_state=InputState.WAITING)

    async def scene() -> None:
        farm.hire()
        first = farm.coordinator()
        first.database.fate = lambda conn: conn is None and farm.inputs_of()[0].state is InputState.READY
        await first.start()
        await first.died()
        assert told_prepared(farm) == []
        async with farm.running() as second:
            await asyncio.sleep(60)
            assert second.jobs.driven == []
        async with farm.running():
            await asyncio.sleep(60)

    play(scene())
    assert told_prepared(farm) == [["j-i0"]]


def test_that_all_inputs_are_here_is_told_when_the_one_that_was_not_is_removed(farm: Farm) -> None:
    farm.submit(start="held", on_input_error="keep", inputs=["/1.mp4", "/2.mp4"])
    farm.replace_input(farm.inputs_of()[1].model_copy(update={"state": InputState.FAILED}))

    async def scene() -> None:
        async with farm.running() as coordinator:
            await asyncio.sleep(60)
            jobs_of(farm).part_removed("j", "inputs", "j-i1")
            await coordinator.jobs.wake(["j"])
            await asyncio.sleep(60)

    play(scene())
    assert told_prepared(farm)[-1] == ["j-i0"]


def test_of_a_job_that_was_started_meanwhile_it_is_not_told_that_its_inputs_are_here(farm: Farm) -> None:
    async def scene() -> None:
        async with farm.running() as coordinator:
            farm.submit(start="held")
            store = coordinator.jobs._store("j")
            job, inputs, _ = await store.load()
            jobs_of(farm).started("j")
            await store.note_prepared(job, inputs)

    play(scene())
    assert told_prepared(farm) == []


def test_many_who_wake_the_coordinator_at_once_share_a_look(farm: Farm) -> None:
    farm.pause()
    names = [f"{number:03}" for number in range(100)]

    async def scene() -> None:
        async with farm.running() as coordinator:
            for name in names:
                farm.submit(name, inputs=[f"/{name}"])
            looks: list[None] = []
            event.listen(farm.database._read, "begin", lambda _: looks.append(None))
            async with coordinator.jobs._looking:
                waking = [asyncio.ensure_future(coordinator.jobs.wake([name])) for name in names]
                await asyncio.sleep(0.1)
            await asyncio.gather(*waking)
            assert coordinator.jobs.queued == 100
            assert len(looks) == 1

    play(scene())


@pytest.mark.parametrize("told", [True, False])
def test_jobs_that_were_removed_before_anybody_looked_stand_in_nobody_s_way(farm: Farm, told: bool) -> None:
    """Hundreds of them: a farm admits only so many at a time."""
    farm.pause()
    doomed = [f"{number:03}" for number in range(300)]
    for name in doomed:
        farm.submit(name, inputs=[f"/{name}"])

    async def scene() -> None:
        async with farm.running() as coordinator:
            assert coordinator.jobs.queued == 300
            for name in doomed:
                farm.wish(CancelAsked(), name)
                with farm.database.writing() as conn:
                    assert doors.remove_job(conn, name, farm.job_of(name).version)
            farm.submit("j")
            farm.pause(False)
            await coordinator.jobs.wake([*doomed, "j"] if told else ["j"])
            begun = asyncio.get_running_loop().time()
            await ended(coordinator, "j")
            assert asyncio.get_running_loop().time() - begun < 5

    play(scene())


def test_a_held_job_that_is_started_while_its_inputs_are_fetched_begins_when_they_are_here(farm: Farm) -> None:
    farm.submit(start="held", input_state=InputState.WAITING)

    async def answer(order: Order) -> Result | None:
        if isinstance(order, IngestOrder):
            await asyncio.sleep(30)
        return None

    async def scene() -> None:
        farm.hands.answer = answer
        async with farm.running() as coordinator:
            await asyncio.sleep(1)
            farm.wish(StartAsked())
            await coordinator.jobs.wake(["j"])
            await asyncio.sleep(20)
            assert farm.job.state is JobState.QUEUED
            await ended(coordinator, "j")

    play(scene())
    assert farm.job.state is JobState.COMPLETED
    assert len(farm.hands.of(IngestOrder)) == 1


def test_an_input_that_cannot_be_read_fails_a_held_job(farm: Farm) -> None:
    farm.submit(start="held", input_state=InputState.WAITING)

    async def answer(order: Order) -> Result | None:
        return SourceRead(reason=Reason.SOURCE_MISSING, message="There is no such file.")

    farm.hands.answer = answer
    assert (farm.run().state, farm.job.reason) == (JobState.FAILED, Reason.SOURCE_MISSING)


def test_an_input_that_failed_is_no_failure_of_a_later_attempt(farm: Farm) -> None:
    """1. The input of a held job is on its way.  2. The job is cancelled and tried again, and nobody tells.
    3. The input fails: that failed the attempt which has not begun."""
    farm.submit(start="held", input_state=InputState.WAITING)

    async def answer(order: Order) -> Result | None:
        if isinstance(order, IngestOrder) and len(farm.hands.orders) == 1:
            jobs_of(farm).cancelled("j")
            jobs_of(farm).retried("j")
            return SourceRead(reason=Reason.SOURCE_MISSING, message="There is no such file.")
        return None

    async def scene() -> None:
        farm.hands.answer = answer
        async with farm.running() as coordinator:
            await farm.until(lambda: farm.job.attempt == 2)
            await asyncio.sleep(0.1)
            assert farm.job.state is not JobState.FAILED
            (job,) = await ended(coordinator, "j")
            assert (job.attempt, farm.hands.under_way) == (2, 0)

    play(scene())


# Who goes first


def begun(farm: Farm) -> list[str]:
    """Jobs in the order in which they were planned."""
    return [order.title_key.removeprefix("titles/").partition("-")[0] for order in farm.hands.plans]


def one_at_a_time(farm: Farm, **fields: int) -> None:
    farm.limits = admission.Limits.model_validate({"active_jobs": 1, **fields})


def test_jobs_begin_by_priority_deadline_and_age(farm: Farm) -> None:
    one_at_a_time(farm)
    soon = datetime.now(UTC) + timedelta(minutes=5)
    farm.submit("1", inputs=["/1"])
    farm.submit("2", inputs=["/2"], priority=-1)
    farm.submit("3", inputs=["/3"])
    farm.submit("4", inputs=["/4"], deadline=soon)
    farm.submit("5", inputs=["/5"], priority=2)

    async def scene() -> None:
        async with farm.running() as coordinator:
            await ended(coordinator, *"12345")

    play(scene())
    assert begun(farm) == ["5", "4", "1", "3", "2"]


def test_another_priority_counts_for_a_job_that_waits(farm: Farm) -> None:
    one_at_a_time(farm)
    for name in "123":
        farm.submit(name, inputs=[f"/{name}"])

    async def scene() -> None:
        async with farm.running() as coordinator:
            await asyncio.sleep(0.5)
            farm.edit("3", priority=1)
            await coordinator.jobs.wake(["3"])
            await ended(coordinator, *"123")

    play(scene())
    assert begun(farm) == ["1", "3", "2"]


def test_another_priority_counts_for_the_chunks_of_a_job(farm: Farm) -> None:
    farm.machines = {"m1": 1}
    farm.submit("1", inputs=["/1"])
    farm.submit("2", inputs=["/2"])

    async def scene() -> None:
        async with farm.running() as coordinator:
            await farm.until(lambda: len(farm.hands.groups) == 2)
            farm.edit("2", priority=1)
            await coordinator.jobs.wake(["2"])
            await ended(coordinator, "2")
            assert len(farm.hands.groups) < 8
            await ended(coordinator, "1")

    play(scene())
    order = [order.title_key[7] for order in farm.hands.of(GroupOrder)]
    assert "".join(order) in {"11222211", "12222111"}


def test_an_account_has_no_more_jobs_at_once_than_it_may(farm: Farm) -> None:
    farm.limits = admission.Limits(jobs_per_account=2)
    for number in range(4):
        farm.submit(f"a{number}", inputs=[f"/a{number}"])
    farm.submit("b", account="b", inputs=["/b"])
    most: list[int] = []

    async def answer(order: Order) -> Result | None:
        most.append(sum(farm.state_of(f"a{n}") in {JobState.ENCODING, JobState.PLANNING} for n in range(4)))
        return None

    async def scene() -> None:
        farm.hands.answer = answer
        async with farm.running() as coordinator:
            await asyncio.sleep(0.5)
            assert sorted(coordinator.jobs.driven) == ["a0", "a1", "b"]
            assert coordinator.jobs.queued == 2
            await ended(coordinator, *(f"a{number}" for number in range(4)), "b")

    play(scene())
    assert max(most) == 2


def test_accounts_share_the_slots(farm: Farm) -> None:
    farm.machines = {"m1": 2}
    for name, account in (("1", "many"), ("2", "many"), ("3", "many"), ("4", "few")):
        farm.submit(name, account=account, inputs=[f"/{name}"])

    async def scene() -> None:
        async with farm.running() as coordinator:
            await farm.until(lambda: len(farm.hands.groups) == 8)
            await ended(coordinator, *"1234")

    play(scene())
    first = Counter(order.title_key[7] == "4" for order in farm.hands.of(GroupOrder)[:8])
    assert first[True] in {3, 4}


# Limits


def test_a_job_that_takes_longer_than_it_may_is_failed(farm: Farm) -> None:
    farm.submit(limits=Limits(max_process_seconds=30))
    farm.hands.answer = stuck(GroupOrder)

    async def scene() -> None:
        async with farm.running() as coordinator:
            (job,) = await ended(coordinator, "j")
            assert (job.state, job.reason) == (JobState.FAILED, Reason.TIMED_OUT)
            assert 30 <= asyncio.get_running_loop().time() < 32
            assert farm.hands.under_way == 0

    play(scene())
    assert farm.states == {ChunkState.WAITING: 4}
    assert not (farm.work / "j").exists()


def test_time_that_a_job_waited_is_not_counted(farm: Farm) -> None:
    one_at_a_time(farm)
    farm.submit("1", inputs=["/1"])
    farm.submit("2", inputs=["/2"], limits=Limits(max_process_seconds=30))
    farm.hands.seconds = lambda _: 25.0

    async def scene() -> None:
        async with farm.running() as coordinator:
            await ended(coordinator, "1", "2")
            assert asyncio.get_running_loop().time() >= 50

    play(scene())
    assert farm.job_of("2").state is JobState.COMPLETED


def test_a_cancellation_is_not_cut_off_by_a_limit(farm: Farm) -> None:
    """1. A job is cancelled, and what runs takes long to die.  2. Its time is up.  3. It was cut off every second."""
    farm.submit(limits=Limits(max_process_seconds=5))

    async def answer(order: Order) -> Result | None:
        if group(order) is not None:
            try:
                await for_ever(order)
            finally:
                await asyncio.sleep(8)
        return None

    async def scene() -> None:
        farm.hands.answer = answer
        async with farm.running() as coordinator:
            await asyncio.sleep(4)
            farm.wish(CancelAsked())
            await coordinator.jobs.wake(["j"])
            (job,) = await ended(coordinator, "j")
            assert job.state is JobState.CANCELLED
            assert asyncio.get_running_loop().time() == pytest.approx(12, abs=0.5)

    play(scene())


def spending(farm: Farm, on_output_error: str, cap: int) -> Job:
    """Three outputs, of which the second is done first and the first last."""
    names = ["a.mp4", "b.mp4", "c.mp4"]
    targets = [str(farm.folder / name) for name in names]
    farm.submit(targets=targets, on_output_error=on_output_error, limits=Limits(max_spend=cap))

    async def answer(order: Order) -> Result | None:
        if isinstance(order, StitchOrder):
            await asyncio.sleep({"0": 3, "1": 1, "2": 2}[order.title_key[-6]])
        return None

    farm.hands.answer = answer
    return farm.run()


def price(farm: Farm) -> int:
    charged = [output.charged for output in farm.outputs_of()]
    return max(amount for amount in charged if amount is not None)


def test_what_is_done_first_is_charged_first_and_what_exceeds_the_cap_is_given_up(farm: Farm) -> None:
    farm.submit("priced")
    farm.run("priced")
    (each,) = (output.charged for output in farm.outputs_of("priced"))
    assert each is not None
    job = spending(farm, "keep", 2 * each)
    assert (job.state, job.spent) == (JobState.COMPLETED, 2 * each)
    assert [(output.charged, output.reason) for output in farm.outputs_of()] == [
        (None, Reason.SPEND_CAP_REACHED),
        (each, None),
        (each, None),
    ]
    assert [(farm.folder / name).exists() for name in ("a.mp4", "b.mp4", "c.mp4")] == [False, True, True]


def test_what_is_encoded_last_is_charged_last_whichever_is_joined_first(farm: Farm) -> None:
    farm.submit("priced")
    farm.run("priced")
    (each,) = (output.charged for output in farm.outputs_of("priced"))
    assert each is not None
    targets = [str(farm.folder / name) for name in ("a.mp4", "b.mp4", "c.mp4")]
    farm.submit(targets=targets, on_output_error="keep", limits=Limits(max_spend=2 * each))

    async def answer(order: Order) -> Result | None:
        if isinstance(order, StitchOrder):  # the second was encoded last, and is joined first
            later = datetime.now(UTC) + timedelta(seconds=5)
            with farm.database.writing() as conn:
                conn.execute(update(chunks).where(chunks.c.output_id == "j-o1").values(committed_at=later))
            await asyncio.sleep(1 if order.title_key[-6] == "1" else 2)
        return None

    farm.hands.answer = answer
    assert farm.run().state is JobState.COMPLETED
    assert [output.charged for output in farm.outputs_of()] == [each, None, each]


def test_a_job_that_keeps_nothing_fails_when_its_cap_is_reached(farm: Farm) -> None:
    job = spending(farm, "fail", 0)
    assert (job.state, job.reason, job.spent) == (JobState.FAILED, Reason.SPEND_CAP_REACHED, 0)
    assert not (farm.folder / "b.mp4").exists()
    assert farm.hands.of(GroupOrder) == []  # what they cost was known before


def test_what_was_charged_is_not_charged_again(farm: Farm) -> None:
    farm.submit(limits=Limits(max_spend=1000))
    spent = farm.run_through(farm.leaving(JobState.PACKAGING)).spent
    assert 0 < spent == price(farm)


# What one bad part does


def failing_output(farm: Farm, on_output_error: str) -> Job:
    """The second of two outputs cannot be joined."""
    farm.submit(outputs=2, on_output_error=on_output_error)

    async def answer(order: Order) -> Result | None:
        if isinstance(order, StitchOrder) and order.name.endswith("mkv"):
            return Stitched(reason=Reason.NO_DECODER, message="why")
        return None

    farm.hands.answer = answer
    return farm.run()


def test_an_output_that_cannot_be_made_fails_the_job(farm: Farm) -> None:
    job = failing_output(farm, "fail")
    assert (job.state, job.reason, job.message) == (JobState.FAILED, Reason.NO_DECODER, "why")
    assert not farm.target.exists()


def test_or_the_job_goes_on_without_it(farm: Farm) -> None:
    job = failing_output(farm, "keep")
    assert job.state is JobState.COMPLETED
    assert [(warned.about, warned.about_id, warned.reason) for warned in job.warnings] == [
        ("output", "j-o1", Reason.NO_DECODER)
    ]
    assert farm.target.read_bytes() == FILM
    assert [output.reason for output in farm.outputs_of()] == [None, Reason.NO_DECODER]
    assert [row.output_id for row in farm.deliveries] == ["j-o0"]
    assert job.report is not None
    assert len(job.report["outputs"]) == 1
    assert not (farm.work / "j").exists()


def test_the_last_output_fails_the_job_all_the_same(farm: Farm) -> None:
    farm.submit(outputs=2, on_output_error="keep")

    async def answer(order: Order) -> Result | None:
        return Stitched(reason=Reason.NO_DECODER, message="why") if isinstance(order, StitchOrder) else None

    farm.hands.answer = answer
    assert farm.run().state is JobState.FAILED


def test_an_output_that_was_given_up_takes_nothing_from_the_others(farm: Farm) -> None:
    """1. Two outputs share their chunks.  2. The sound of one cannot be had, and it is given up.
    3. Its chunks were dropped, and with them the other's."""
    farm.submit(outputs=2, on_output_error="keep")

    async def answer(order: Order) -> Result | None:
        if isinstance(order, ExtraOrder) and order.kind == "sound" and order.title_key.endswith("-1.json"):
            return Encoded(reason=Reason.NO_DECODER, message="no such codec")
        return None

    farm.hands.answer = answer
    job = farm.run()
    assert (job.state, [warned.about_id for warned in job.warnings]) == (JobState.COMPLETED, ["j-o1"])
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert farm.target.read_bytes() == FILM


@pytest.mark.parametrize(("on_input_error", "state"), [("fail", JobState.FAILED), ("keep", JobState.COMPLETED)])
def test_an_input_that_cannot_be_read_fails_the_job_or_is_left_out(
    farm: Farm, on_input_error: str, state: JobState
) -> None:
    farm.submit(input_state=InputState.WAITING, inputs=["/bad.mp4", "/good.mp4"], on_input_error=on_input_error)

    async def answer(order: Order) -> Result | None:
        if isinstance(order, IngestOrder) and "bad" in order.uri:
            return SourceRead(reason=Reason.SOURCE_ENCRYPTED, message="It takes a key.")
        return None

    farm.hands.answer = answer
    job = farm.run()
    assert job.state is state
    assert [source.state for source in farm.inputs_of()] == [InputState.FAILED, InputState.READY]
    if state is JobState.COMPLETED:
        assert [warned.message for warned in job.warnings] == ["/bad.mp4 is left out: It takes a key."]
    else:
        assert (job.reason, job.message) == (Reason.SOURCE_ENCRYPTED, "It takes a key.")


def test_without_any_input_the_job_fails(farm: Farm) -> None:
    farm.submit(input_state=InputState.WAITING, inputs=["/1", "/2"], on_input_error="keep")

    async def answer(order: Order) -> Result | None:
        return SourceRead(reason=Reason.SOURCE_MISSING, message="There is no such file.")

    farm.hands.answer = answer
    assert farm.run().reason is Reason.SOURCE_MISSING


# Shared, and used again


def test_two_equal_jobs_share_one_encode(farm: Farm) -> None:
    farm.submit("1")
    farm.submit("2")

    async def scene() -> None:
        async with farm.running() as coordinator:
            assert [job.state for job in await ended(coordinator, "1", "2")] == [JobState.COMPLETED] * 2

    play(scene())
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert len(farm.hands.extras) == 2
    assert farm.states_of("1") == farm.states_of("2") == {ChunkState.COMMITTED: 4}
    used = [farm.job_of(name).usage.get("encode", Usage()).seconds for name in "12"]
    assert sorted(used) == [0.0, 2.0]


def test_jobs_that_are_alike_in_part_share_that_part(farm: Farm) -> None:
    """Whatever the rank of a chunk is in each of them."""
    farm.submit("1", outputs=2)
    farm.submit("2", targets=[str(farm.folder / "2.mkv")], settings=OutputSettings(container="mkv"))

    async def scene() -> None:
        async with farm.running() as coordinator:
            await ended(coordinator, "1", "2")

    play(scene())
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert farm.states_of("1") == {ChunkState.COMMITTED: 8}
    assert farm.states_of("2") == {ChunkState.COMMITTED: 4}
    assert (farm.folder / "2.mkv").read_bytes() == FILM


def test_one_of_two_jobs_that_share_may_be_cancelled(farm: Farm) -> None:
    farm.submit("1")
    farm.submit("2")
    farm.hands.seconds = lambda _: 10.0

    async def scene() -> None:
        async with farm.running() as coordinator:
            await asyncio.sleep(5)
            farm.wish(CancelAsked(), "1")
            await coordinator.jobs.wake(["1"])
            await ended(coordinator, "1")
            assert farm.hands.under_way == 4
            await ended(coordinator, "2")

    play(scene())
    assert (farm.job_of("1").state, farm.job_of("2").state) == (JobState.CANCELLED, JobState.COMPLETED)
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert farm.states_of("1") == {ChunkState.WAITING: 4}
    assert farm.job_of("2").usage["encode"].seconds == 2.0


def test_a_later_job_uses_what_is_there(farm: Farm) -> None:
    farm.submit("1")
    farm.run("1")
    files = [path for path in farm.blobs.root.glob("*/*") if path.is_file()]
    for path in files:
        os.utime(path, (LONG_AGO, LONG_AGO))
    farm.submit("2")
    job = farm.run("2")
    assert all(path.stat().st_mtime > LONG_AGO for path in files)
    assert (job.state, sorted(farm.hands.groups)) == (JobState.COMPLETED, [0, 1, 2, 3])
    assert farm.states_of("2") == {ChunkState.COMMITTED: 4}
    assert len(farm.hands.extras) == 2
    assert "encode" not in job.usage


def test_a_later_job_trusts_no_damaged_bytes(farm: Farm) -> None:
    farm.submit("1")
    farm.run("1")
    damaged, gone = (farm.blobs.path(chunk_blob(row.key)) for row in farm.chunks_of("1")[1:3])
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    gone.unlink()
    farm.hands.orders.clear()
    farm.submit("2")
    assert farm.run("2").state is JobState.COMPLETED
    assert sorted(farm.hands.groups) == [1, 2]
    assert (farm.folder / "2.mp4").read_bytes() == FILM


def test_a_job_may_ask_to_have_everything_encoded_anew(farm: Farm) -> None:
    farm.submit("1")
    farm.run("1")
    farm.submit("2", run={"reuse": "off"})
    assert farm.run("2").state is JobState.COMPLETED
    assert sorted(farm.hands.groups) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_jobs_that_encode_anew_do_so_each_for_itself(farm: Farm) -> None:
    for name in "12":
        farm.submit(name, run={"reuse": "off"})

    async def scene() -> None:
        async with farm.running() as coordinator:
            await ended(coordinator, "1", "2")

    play(scene())
    assert sorted(farm.hands.groups) == [0, 0, 1, 1, 2, 2, 3, 3]


# Again


def test_a_retry_is_a_new_attempt_that_uses_what_is_there(farm: Farm) -> None:
    farm.submit()

    async def answer(order: Order) -> Result | None:
        return Encoded(reason=Reason.NO_DECODER, message="why") if group(order) == 3 else None

    farm.hands.answer = answer
    farm.hands.seconds = lambda order: 1.0
    assert farm.run().state is JobState.FAILED
    farm.hands.answer = nothing
    done = [row.number for row in farm.chunks if farm.blobs.has(chunk_blob(row.key))]
    farm.hands.orders.clear()
    jobs_of(farm).retried("j")
    job = farm.run()
    assert (job.state, job.attempt, job.reason, job.message) == (JobState.COMPLETED, 2, None, None)
    assert sorted(farm.hands.groups) == sorted({0, 1, 2, 3} - set(done))
    assert farm.states_of("j", 2) == {ChunkState.COMMITTED: 4}
    assert farm.target.read_bytes() == FILM


def test_the_old_output_stays_until_the_new_one_is_verified(farm: Farm) -> None:
    farm.submit()
    farm.run()
    farm.target.write_bytes(b"as it was")
    jobs_of(farm).retried("j")
    farm.hands.finished = [Stitched(reason=Reason.VERIFICATION_FAILED, message="why")] * 2
    assert farm.run().state is JobState.FAILED
    assert farm.target.read_bytes() == b"as it was"
    jobs_of(farm).retried("j")
    assert (farm.run().state, farm.job.attempt) == (JobState.COMPLETED, 3)
    assert farm.target.read_bytes() == FILM
    assert not (farm.work / "j").exists()


def test_outputs_that_stay_here_stay_until_the_new_ones_are_verified(farm: Farm) -> None:
    farm.submit(targets=[None])
    farm.run()
    old = farm.work / "j" / "1" / "j-o0" / "output.mp4"
    jobs_of(farm).retried("j")
    farm.hands.finished = [Stitched(reason=Reason.VERIFICATION_FAILED, message="why")] * 2
    farm.run()
    assert old.read_bytes() == FILM
    jobs_of(farm).retried("j")
    farm.run()
    assert sorted(path.name for path in (farm.work / "j").iterdir()) == ["3"]
    assert (farm.work / "j" / "3" / "j-o0" / "output.mp4").read_bytes() == FILM


def test_a_new_attempt_reads_what_its_owner_may_have_mended(farm: Farm) -> None:
    farm.submit(input_state=InputState.WAITING)
    farm.run()
    jobs_of(farm).retried("j")
    assert farm.run().state is JobState.COMPLETED
    assert len(farm.hands.of(IngestOrder)) == 2
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]


def test_an_output_that_was_given_up_is_tried_by_a_new_attempt(farm: Farm) -> None:
    failing_output(farm, "keep")
    farm.hands.answer = nothing
    jobs_of(farm).retried("j")
    job = farm.run()
    assert (job.state, job.warnings) == (JobState.COMPLETED, ())
    assert (farm.folder / "out-1.mkv").read_bytes() == FILM


def test_a_job_that_was_cancelled_may_be_tried_again_at_once(farm: Farm) -> None:
    farm.submit()
    farm.hands.answer = stuck(GroupOrder)

    async def scene() -> None:
        async with farm.running() as coordinator:
            await farm.until(lambda: farm.hands.under_way == 4)
            farm.wish(CancelAsked())
            await coordinator.jobs.wake(["j"])
            await farm.until(lambda: farm.job.state is JobState.CANCELLED)
            farm.hands.answer = nothing
            jobs_of(farm).retried("j")
            await coordinator.jobs.wake(["j"])
            (job,) = await ended(coordinator, "j")
            assert (job.state, job.attempt) == (JobState.COMPLETED, 2)

    play(scene())


# The operator


def test_a_paused_farm_begins_nothing_and_goes_on(farm: Farm) -> None:
    farm.submit()
    farm.machines = {"m1": 2}

    async def scene() -> None:
        async with farm.running() as coordinator:
            await farm.until(lambda: len(farm.hands.groups) == 2)
            farm.pause()
            farm.submit("k", inputs=["/k"])
            await coordinator.jobs.wake(["k"])
            await asyncio.sleep(120)
            assert farm.states == {ChunkState.COMMITTED: 2, ChunkState.WAITING: 2}
            assert farm.job_of("k").state is JobState.QUEUED
            assert farm.hands.under_way == 0
            farm.pause(False)
            await coordinator.jobs.wake([])
            assert [job.state for job in await ended(coordinator, "j", "k")] == [JobState.COMPLETED] * 2

    play(scene())


def test_a_farm_that_was_paused_is_paused_for_the_next_coordinator(farm: Farm) -> None:
    farm.submit()
    farm.pause()

    async def scene() -> None:
        async with farm.running():
            await asyncio.sleep(60)
            assert farm.job.state is JobState.QUEUED

    play(scene())


def test_a_job_of_a_paused_farm_may_be_cancelled(farm: Farm) -> None:
    farm.submit()
    farm.hands.answer = stuck(GroupOrder)

    async def scene() -> None:
        async with farm.running() as coordinator:
            await farm.until(lambda: farm.hands.under_way == 4)
            farm.pause()
            await coordinator.jobs.wake([])
            farm.wish(CancelAsked())
            await coordinator.jobs.wake(["j"])
            await ended(coordinator, "j")

    play(scene())
    assert farm.job.state is JobState.CANCELLED


def test_a_farm_in_trouble_begins_no_job(farm: Farm) -> None:
    farm.submit()

    async def scene() -> None:
        async with farm.running() as coordinator:
            await farm.until(lambda: len(farm.hands.groups) == 4)
            coordinator.jobs.in_trouble("disk")
            farm.submit("k", inputs=["/k"])
            await coordinator.jobs.wake(["k"])
            await ended(coordinator, "j")
            assert farm.job_of("k").state is JobState.QUEUED
            coordinator.jobs.in_trouble("")
            await ended(coordinator, "k")

    play(scene())
