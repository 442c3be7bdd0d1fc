"""A coordinator may die between any two words that it writes: the next one goes on, with nothing lost or done twice."""

import asyncio
from collections import Counter

import pytest
from fake_farm import Coordinator, Farm
from fake_hands import Answer, for_ever
from mortal import Fate, play
from sqlalchemy import Connection

from framemill.farm.orders import Encoded, ExtraOrder, GroupOrder, Order, Result
from framemill.jobs.model import Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import CancelAsked, ChunkState, DeliveryState, InputState, JobState

FILM = b"[0,10)[10,20)[20,30)[30,40)"


def group(order: Order) -> int | None:
    return order.group if isinstance(order, GroupOrder) else None


def nth(number: int) -> Fate:
    """Death at the nth write, before anything of it is there to stay."""
    seen = [0]

    def fate(conn: Connection | None) -> bool:
        seen[0] += conn is not None
        return seen[0] == number

    return fate


def test_a_coordinator_may_die_at_every_write(farm: Farm) -> None:
    """From the first to the last. What runs on the workers goes on, and is joined by the next one."""
    farm.submit("counted", input_state=InputState.WAITING, inputs=["/counted.mp4"])

    async def count() -> int:
        writes: int
        async with farm.running() as coordinator:
            await coordinator.jobs.ended("counted")
            writes = coordinator.database.writes
        return writes

    writes = play(count())
    assert writes > 15
    for number in range(1, writes + 1):
        name = f"death {number}"
        farm.submit(name, input_state=InputState.WAITING, inputs=[f"/{name}.mp4"])
        farm.hands.orders.clear()
        job = farm.run_through(nth(number), name)
        assert (job.state, job.warnings) == (JobState.COMPLETED, ()), name
        assert (farm.folder / f"{name}.mp4").read_bytes() == FILM, name
        assert {row.state for row in farm.chunks_of(name)} == {ChunkState.COMMITTED}, name
        assert sorted(farm.hands.groups) == [0, 1, 2, 3], name
        assert sorted(farm.hands.extras) == [("sound", 0), ("text", 0)], name
        assert len(farm.hands.joins) == 1, name
        assert [row.state for row in farm.deliveries_of(name)] == [DeliveryState.COMPLETED], name
        assert not (farm.work / name).exists(), name


def test_a_cancellation_survives_a_death_at_every_write(farm: Farm) -> None:
    async def cancel(name: str, fate: Fate | None = None) -> int:
        """Cancelled amid the encode; with its fate, the coordinator dies on the way to the end."""
        farm.hands.workers.clear()
        farm.hire()
        first = farm.coordinator()
        await first.start()
        await farm.until(lambda: farm.states_of(name)[ChunkState.COMMITTED] == 1)
        before = first.database.writes
        first.database.fate = fate or first.database.fate
        farm.wish(CancelAsked(), name)
        await first.jobs.wake([name])
        if fate is None:
            await first.jobs.ended(name)
            return first.database.writes - before
        await first.died()
        second = farm.coordinator()
        await second.start()
        await second.jobs.ended(name)
        assert farm.hands.under_way == 0
        await second.close()
        return 0

    farm.hands.answer = stuck({1, 2, 3})
    farm.submit("counted")
    writes = play(cancel("counted"))
    assert writes >= 2
    for number in range(1, writes + 1):
        name = f"death {number}"
        farm.submit(name, inputs=[f"/{name}.mp4"])
        play(cancel(name, nth(number)))
        assert farm.job_of(name).state is JobState.CANCELLED
        assert farm.states_of(name) == {ChunkState.COMMITTED: 1, ChunkState.WAITING: 3}


def stuck(groups: set[int]) -> Answer:
    """Those never end."""

    async def answer(order: Order) -> Result | None:
        return await for_ever(order) if group(order) in groups else None

    return answer


@pytest.mark.parametrize("tired", [1, 3])
def test_what_runs_is_joined_and_not_begun_again(farm: Farm, tired: int) -> None:
    """However often they die, while each chunk takes its time."""
    farm.submit()
    farm.hands.seconds = lambda _: 20.0

    async def scene() -> Job:
        farm.hire()
        for _ in range(tired):
            coordinator = farm.coordinator()
            await coordinator.start()
            await asyncio.sleep(5)
            coordinator.kill()
            await asyncio.sleep(1)
        last = farm.coordinator()
        await last.start()
        job = await last.jobs.ended("j")
        await last.close()
        return job

    assert play(scene()).state is JobState.COMPLETED
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert farm.target.read_bytes() == FILM


def test_what_was_done_while_nobody_listened_is_not_done_again(farm: Farm) -> None:
    farm.submit(run={"reuse": "off"})

    async def scene() -> Job:
        farm.hire()
        first = farm.coordinator()
        await first.start()
        await farm.until(lambda: len(farm.hands.groups) == 4)
        first.kill()
        await asyncio.sleep(5)
        assert farm.hands.under_way == 0
        second = farm.coordinator()
        await second.start()
        job = await second.jobs.ended("j")
        await second.close()
        return job

    assert play(scene()).state is JobState.COMPLETED
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]


def test_a_worker_that_died_with_the_coordinator_costs_what_it_had(farm: Farm) -> None:
    farm.submit()
    farm.hands.seconds = lambda order: 1.0 if group(order) in {0, 1} else 30.0

    async def scene() -> Job:
        farm.hire()
        first = farm.coordinator()
        await first.start()
        await farm.until(lambda: farm.states[ChunkState.COMMITTED] == 2)
        first.kill()
        farm.hands.workers["worker-m1"].die()
        second = farm.coordinator()
        await second.start()
        job = await second.jobs.ended("j")
        await second.close()
        return job

    assert play(scene()).state is JobState.COMPLETED
    assert Counter(farm.hands.groups) == {0: 1, 1: 1, 2: 2, 3: 2}


def test_a_worker_that_does_not_come_back_is_waited_for_no_longer_than_that(farm: Farm) -> None:
    farm.machines = {"m1": 2, "m2": 2}
    farm.submit()
    farm.hands.seconds = lambda _: 4.0

    async def scene() -> float:
        farm.hire()
        first = farm.coordinator()
        await first.start()
        await asyncio.sleep(2)
        first.kill()
        for name in ("worker-m1", "stitcher-m1"):
            farm.hands.workers[name].stays_dead = True
            farm.hands.workers[name].die()
        second = farm.coordinator()
        began = asyncio.get_running_loop().time()
        await second.start()
        await second.jobs.ended("j")
        await second.close()
        return asyncio.get_running_loop().time() - began

    assert play(scene()) < 20
    assert farm.job.state is JobState.COMPLETED
    assert max(Counter(farm.hands.groups).values()) == 2


# Two at once


def test_the_older_of_two_coordinators_changes_nothing_and_ends(farm: Farm) -> None:
    """It was only stopped for a while, and does not know that another one was started."""
    farm.submit()
    farm.hands.seconds = lambda _: 3.0

    async def scene() -> tuple[Coordinator, Coordinator]:
        farm.hire()
        older, younger = farm.coordinator(), farm.coordinator()
        await older.start()
        await farm.until(lambda: farm.states[ChunkState.LEASED] == 4)
        await younger.start()
        await asyncio.wait_for(older.jobs.stale.wait(), 10)
        await younger.jobs.ended("j")
        assert not younger.jobs.stale.is_set()
        written = older.database.writes
        await asyncio.sleep(60)
        assert older.database.writes == written
        return older, younger

    play(scene())
    assert farm.job.state is JobState.COMPLETED
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert farm.target.read_bytes() == FILM


def test_one_that_has_nothing_to_write_notices_too(farm: Farm) -> None:
    async def scene() -> None:
        farm.hire()
        older, younger = farm.coordinator(), farm.coordinator()
        await older.start()
        await younger.start()
        await asyncio.wait_for(older.jobs.stale.wait(), 10)
        farm.submit()
        await older.jobs.wake(["j"])
        await asyncio.sleep(1)
        assert older.jobs.driven == []
        await younger.jobs.ended("j")

    play(scene())
    assert farm.job.state is JobState.COMPLETED


def test_the_younger_one_s_work_is_not_stopped_by_the_older(farm: Farm) -> None:
    farm.submit()
    farm.hands.seconds = lambda _: 60.0

    async def scene() -> None:
        farm.hire()
        older, younger = farm.coordinator(), farm.coordinator()
        await older.start()
        await farm.until(lambda: len(farm.hands.groups) == 4)
        await younger.start()
        await older.jobs.stale.wait()
        await older.close()
        await asyncio.sleep(10)
        assert farm.hands.under_way == 4
        await younger.jobs.ended("j")

    play(scene())
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]


def test_one_that_ends_in_peace_leaves_what_runs_to_the_next(farm: Farm) -> None:
    farm.submit()
    farm.hands.seconds = lambda _: 10.0

    async def scene() -> None:
        farm.hire()
        first = farm.coordinator()
        await first.start()
        await asyncio.sleep(5)
        await first.close()
        assert farm.hands.under_way == 4
        second = farm.coordinator()
        await second.start()
        await second.jobs.ended("j")

    play(scene())
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert farm.job.state is JobState.COMPLETED


# What was known


def test_what_failed_before_counts_for_the_next_one(farm: Farm) -> None:
    """Else a chunk that cannot be encoded would be tried for ever, where coordinators come and go."""
    farm.submit()
    tries: list[int] = []

    async def answer(order: Order) -> Result | None:
        if group(order) == 2:
            tries.append(2)
            return Encoded(reason=Reason.FFMPEG_FAILED, message="why")
        return None

    async def scene() -> Job:
        farm.hire()
        farm.hands.answer = answer
        first = farm.coordinator()
        await first.start()
        await farm.until(lambda: len(farm.chunks) == 4 and bool(farm.chunks[2].failures))
        first.kill()
        second = farm.coordinator()
        await second.start()
        job = await second.jobs.ended("j")
        await second.close()
        return job

    job = play(scene())
    assert (job.state, job.reason, len(tries)) == (JobState.FAILED, Reason.FFMPEG_FAILED, 2)
    assert farm.chunks[2].state is ChunkState.QUARANTINED


def test_sound_that_was_left_out_before_is_left_out_with_one_warning(farm: Farm) -> None:
    farm.submit(run={"on_damage": "keep"})

    async def answer(order: Order) -> Result | None:
        sound = isinstance(order, ExtraOrder) and order.kind == "sound"
        return Encoded(reason=Reason.FFMPEG_FAILED, message="no packets") if sound else None

    farm.hands.answer = answer
    job = farm.run_through(farm.leaving(JobState.ENCODING))
    assert job.state is JobState.COMPLETED
    assert len(job.warnings) == 1


def test_all_jobs_are_taken_up_whatever_they_were_at(farm: Farm) -> None:
    farm.limits = farm.limits.model_copy(update={"active_jobs": 2})
    for number in range(5):
        farm.submit(f"j{number}", inputs=[f"/{number}.mp4"])
    farm.submit("held", start="held", input_state=InputState.WAITING)

    async def scene() -> None:
        farm.hire()
        first = farm.coordinator()
        await first.start()
        await farm.until(lambda: farm.states_of("j0")[ChunkState.COMMITTED] > 0)
        first.kill()
        second = farm.coordinator()
        await second.start()
        for number in range(5):
            assert (await second.jobs.ended(f"j{number}")).state is JobState.COMPLETED
        await second.close()

    play(scene())
    assert farm.job_of("held").state is JobState.HELD
    assert farm.inputs_of("held")[0].state is InputState.READY


def test_nothing(farm: Farm) -> None:
    """A farm without jobs, and a coordinator that has nothing to do."""

    async def scene() -> None:
        async with farm.running() as coordinator:
            await asyncio.sleep(60)
            assert coordinator.troubles == []
            assert coordinator.database.writes == 1  # the epoch

    play(scene())
