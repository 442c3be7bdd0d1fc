"""Packages that grow while their job is under way: what is playable when, who is told, and that nothing is left."""

from pathlib import Path

import pytest
from fake_farm import Farm
from fake_hands import for_ever
from hypothesis import given
from hypothesis import strategies as st
from mortal import play

from framemill.farm.growing import chunks_in_row
from framemill.farm.orders import GroupOrder, Grown, GrowOrder, Order, PlanOrder, Result, StitchOrder
from framemill.jobs.model import Event, Job
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings
from framemill.jobs.states import CancelAsked, JobState
from framemill.media.growing import heard
from framemill.media.plan import Chunk
from framemill.storage.workplace import growing_folder
from framemill.store.events import events_of

#: Forty frames, a segment and a chunk every ten.
PACKAGE = OutputSettings(container="package", segment_seconds=0.4)


def submit(farm: Farm, name: str = "j") -> str:
    return farm.submit(name, targets=[None], settings=PACKAGE)


def playable(farm: Farm, name: str = "j") -> list[Event]:
    with farm.database.reading() as conn:
        return [event for event in events_of(conn, name) if event.kind == "playable"]


def grown(farm: Farm, name: str = "j", attempt: int = 1) -> int:
    """Segments that can be played early."""
    master = growing_folder(farm.work / name / str(attempt), f"{name}-o0") / "master.m3u8"
    return int(master.read_text()) if master.exists() else 0


def live(farm: Farm) -> list[Path]:
    return list(farm.work.rglob(".live-*"))


# What is ready: pure


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.data())
def test_chunks_in_a_row_begin_at_the_frame_and_have_no_gap(lengths: list[int], data: st.DataObject) -> None:
    ends = [sum(lengths[: n + 1]) for n in range(len(lengths))]
    chunks = [
        Chunk(number=n, first=end - length, end=end, why="")
        for n, (end, length) in enumerate(zip(ends, lengths))  # noqa: B905
    ]
    there = data.draw(st.sets(st.sampled_from(range(len(chunks)))))
    first = data.draw(st.integers(0, ends[-1] - 1))
    most = data.draw(st.integers(1, 4))

    found = chunks_in_row(chunks, first, lambda chunk: chunk.number in there, most)

    numbers = [chunk.number for chunk in found]
    begin = next(chunk.number for chunk in chunks if chunk.first <= first < chunk.end)
    assert numbers == list(range(begin, begin + len(found)))
    assert there.issuperset(numbers)
    after = begin + len(found)
    assert len(found) == most or after == len(chunks) or after not in there


@pytest.mark.parametrize(
    ("limits", "begins", "spans", "whole", "expected"),
    [
        ([100, 200], [], 2, False, 0),
        ([100, 200], [-20, 90], 2, False, 0),
        ([100, 200], [-20, 100], 2, False, 1),
        ([100, 200], [-20, 150, 210], 2, False, 2),
        ([100], [-20, 150, 990], 2, False, 1),  # the last span ends with the sound, and who knows when that is
        ([100], [-20, 50], 2, True, 2),  # it is shorter than the pictures
        ([-50, 100], [-20], 2, False, 1),  # it begins later than the pictures
        ([], [-20], 1, True, 1),
    ],
)
def test_sound_is_there_up_to_where_its_last_piece_begins(
    limits: list[int], begins: list[int], spans: int, whole: bool, expected: int
) -> None:
    assert heard(limits, begins, spans, whole=whole) == expected


# A job's way


def test_a_package_can_be_played_before_it_is_encoded(farm: Farm) -> None:
    async def scene() -> tuple[int, list[Event], Job]:
        farm.machines["m1"] = 1
        async with farm.running() as coordinator:
            submit(farm)
            await farm.until(lambda: grown(farm) > 0)
            early = grown(farm)
            await farm.until(lambda: grown(farm) > early)
            assert farm.state_of("j") is JobState.ENCODING
            told = playable(farm)
            return early, told, await coordinator.jobs.ended("j")

    early, told, job = play(scene())
    assert early == 1
    assert [event.data for event in told] == [{"output_id": "j-o0", "attempt": 1}]
    assert playable(farm) == told  # once
    assert job.state is JobState.COMPLETED
    assert live(farm) == []
    assert (farm.work / "j" / "1" / "j-o0" / "master.m3u8").exists()


def test_it_grows_segment_by_segment_in_every_rendition(farm: Farm) -> None:
    """Its text, which takes no time, is there from the start; its sound is begun before the second ones."""
    ladder = [{"height": 48, "crf": 20}, {"height": 32, "crf": 30}]
    settings = OutputSettings.model_validate({**PACKAGE.model_dump(), "ladder": ladder})
    farm.machines["m1"] = 1
    farm.submit(targets=[None], settings=settings)
    assert farm.run().state is JobState.COMPLETED

    begun = [
        (order.group, order.renditions) if isinstance(order, GroupOrder) else order.kind
        for order in farm.hands.orders
        if isinstance(order, GroupOrder) or hasattr(order, "kind")
    ]
    assert begun == ["text", (0, (0, 1)), "sound", *((group, (0, 1)) for group in (1, 2, 3))]


def test_a_file_does_not_grow(farm: Farm) -> None:
    farm.submit()
    assert farm.run().state is JobState.COMPLETED
    assert farm.hands.of(GrowOrder) == []
    assert playable(farm) == []


def test_nothing_grows_on_a_farm_that_ends_with_its_job(farm: Farm) -> None:
    farm.patient = False
    submit(farm)
    assert farm.run().state is JobState.COMPLETED
    assert farm.hands.of(GrowOrder) == []


@pytest.mark.parametrize("when", ["at first", "under way"])
def test_nothing_is_left_of_a_job_that_is_cancelled(farm: Farm, when: str) -> None:
    async def answer(order: Order) -> Result | None:
        return await for_ever(order) if when == "under way" and isinstance(order, GrowOrder) and grown(farm) else None

    async def scene() -> Job:
        farm.machines["m1"] = 1
        farm.hands.answer = answer
        async with farm.running() as coordinator:
            submit(farm)
            await farm.until(lambda: grown(farm) > 0)
            farm.wish(CancelAsked())
            await coordinator.jobs.wake(["j"])
            job: Job = await coordinator.jobs.ended("j")
            return job

    assert play(scene()).state is JobState.CANCELLED
    assert live(farm) == []
    assert farm.hands.under_way == 0


def test_the_next_coordinator_lets_it_grow_on_and_tells_nothing_twice(farm: Farm) -> None:
    submit(farm)
    job = farm.run_through(lambda conn: conn is None and bool(playable(farm)))
    assert job.state is JobState.COMPLETED
    assert len(playable(farm)) == 1
    assert live(farm) == []


def test_who_grows_it_may_die(farm: Farm) -> None:
    async def scene() -> Job:
        farm.machines["m1"] = 1
        async with farm.running() as coordinator:
            submit(farm)
            await farm.until(lambda: grown(farm) > 0)
            farm.hands.workers["stitcher-m1"].die()
            job: Job = await coordinator.jobs.ended("j")
            return job

    assert play(scene()).state is JobState.COMPLETED
    assert len(playable(farm)) == 1


def test_what_goes_wrong_with_it_harms_nobody(farm: Farm) -> None:
    async def answer(order: Order) -> Result | None:
        return Grown(reason=Reason.CHUNK_MISMATCH, message="no") if isinstance(order, GrowOrder) else None

    farm.hands.answer = answer
    submit(farm)
    assert farm.run().state is JobState.COMPLETED
    assert playable(farm) == []


def test_it_takes_no_slot_of_those_who_join(farm: Farm) -> None:
    """One stitcher with one slot, on which another job's package never stops growing."""

    async def answer(order: Order) -> Result | None:
        return await for_ever(order) if isinstance(order, GrowOrder) and "titles/k" in order.title_key else None

    async def scene() -> Job:
        farm.machines["m1"] = 1
        farm.hands.answer = answer
        async with farm.running() as coordinator:
            submit(farm, "k")
            submit(farm)
            job: Job = await coordinator.jobs.ended("j")
            return job

    assert play(scene()).state is JobState.COMPLETED


def test_what_grew_by_a_plan_that_was_refuted_is_gone(farm: Farm) -> None:
    refuted = Result(reason=Reason.CHUNK_MISMATCH, message="other frames")
    seen: list[int] = []

    async def answer(order: Order) -> Result | None:
        if isinstance(order, PlanOrder):
            seen.append(len(live(farm)))
        return refuted if isinstance(order, StitchOrder) and len(farm.hands.plans) == 1 else None

    farm.hands.answer = answer
    submit(farm)
    assert farm.run().state is JobState.COMPLETED
    assert seen == [0, 0]
    assert len(playable(farm)) == 1
