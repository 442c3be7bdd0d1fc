"""The simulated farm does all the work there is, on a clock of its own; the arithmetic of growth."""

import asyncio
import time
from pathlib import Path

import pytest
from benchmarks.endurance import Look, Process, grown, growth_of_each, megabytes_a_thousand, settled, slope
from benchmarks.scale import Figures, Size, measure_farm
from benchmarks.scale_clock import run_virtually
from benchmarks.scale_farm import make_jobs, make_title
from benchmarks.scale_queued import slow

from framemill.jobs.settings import OutputSettings


def test_an_hour_that_nobody_needs_takes_no_time() -> None:
    async def sleep() -> float:
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(1800))
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_virtually(sleep()) == pytest.approx(3600)
    assert time.monotonic() - began < 5


def test_what_a_thread_would_do_takes_no_time_either() -> None:
    async def ask() -> tuple[int, float]:
        return await asyncio.to_thread(lambda: 1), asyncio.get_running_loop().time()

    assert run_virtually(ask()) == (1, 0.0)


def test_a_thread_that_raises_raises() -> None:
    async def ask() -> None:
        await asyncio.to_thread(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        run_virtually(ask())


def test_waiting_for_what_never_comes_is_an_error() -> None:
    async def ask() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="nothing will ever happen"):
        run_virtually(ask())


def test_jobs_have_as_many_chunks_as_were_asked_for_and_follow_from_the_seed() -> None:
    asked = make_jobs(500, seed=7)

    assert sum(len(one.frames) for one in asked) == 500
    assert asked == make_jobs(500, seed=7) != make_jobs(500, seed=8)
    assert len({one.sha256 for one in asked}) == len(asked)


def test_a_plan_has_a_group_for_each_chunk() -> None:
    asked = make_jobs(50, seed=1)[0]
    plan = make_title(asked, OutputSettings()).pictured.plan

    assert [chunk.frames for chunk in plan.chunks] == list(asked.frames)
    assert [plan.group_chunks(group) for group in plan.groups] == [(chunk,) for chunk in plan.chunks]


def test_a_small_farm_does_everything_about_as_fast_as_can_be(tmp_path: Path) -> None:
    figures = measure_farm(Size(chunks=60, slots=4, machines=2, active_jobs=100, seed=3, folder=str(tmp_path)))

    assert figures.work > 0
    assert 1 <= figures.ratio < 1.25  # few chunks a slot: the last one weighs more than it does at scale


def test_the_bound_is_the_work_or_the_longest_chain() -> None:
    assert Figures(1, makespan=12, work=10, chain=5, milliseconds=1, statement_microseconds=1).ratio == 1.2
    assert Figures(1, makespan=12, work=5, chain=10, milliseconds=1, statement_microseconds=1).ratio == 1.2


def test_a_question_that_grows_with_the_ended_jobs_is_told() -> None:
    assert slow({100: {"list": 0.1}, 10_000: {"list": 0.2}}) == []
    assert slow({100: {"list": 0.1}, 10_000: {"list": 0.9}}) == ["list grows: 0.10 s, and 0.90 s with 10000 ended jobs"]
    assert slow({100: {"start": 6.0}}) == ["start: 6.00 s with 100 ended jobs"]


def look(jobs: int, size: int, **counts: int) -> Look:
    return Look(jobs, size, counts)


def test_memory_is_a_line_through_what_came_after_the_first_tenth() -> None:
    looks = [look(10, 0), *(look(jobs, 100_000_000 + jobs * 500) for jobs in (100, 200, 500, 1000))]

    assert megabytes_a_thousand(looks) == pytest.approx(0.5)
    assert slope([(1.0, 5.0)]) == 0.0


def test_what_is_more_at_the_end_has_grown() -> None:
    assert grown([look(1, 0, files=3, tasks=2), look(2, 0, files=9), look(3, 0, files=4, tasks=1, rows=1)]) == {
        "files": (3, 4),
        "rows": (0, 1),
    }


def test_a_heap_may_keep_some_entries_but_not_one_for_each_job() -> None:
    assert grown([look(1, 0, **{"held: heap": 3}), look(9, 0, **{"held: heap": 90})]) == {}
    assert grown([look(1, 0, **{"held: heap": 3}), look(9, 0, **{"held: heap": 900})]) == {"held: heap": (3, 900)}


def test_each_process_has_a_growth_of_its_own() -> None:
    def at(jobs: int, ours: int, **more: int) -> Look:
        sizes = {"1 ours": ours, "2 rays": 5_000_000, **more}
        return Look(jobs, 0, {}, {name: Process(size, 3, 1) for name, size in sizes.items()})

    looks = [at(1, 90_000_000), at(10, 1_000_000), at(55, 1_450_000, late=7), at(100, 1_900_000)]
    assert [look.jobs for look in settled(looks)] == [10, 55, 100]
    assert growth_of_each(looks) == {"1 ours": pytest.approx(10.0), "2 rays": 0.0}
