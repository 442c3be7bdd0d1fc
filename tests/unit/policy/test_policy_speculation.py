"""Which tasks get a copy: stragglers, where a copy would win; one each, and never where it would be as slow."""

import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from framemill.policy.speculation import Idle, InFlight, SpeculationRules, copies_for

NOW = 1000.0
USUAL = {"w1": 1.0, "w2": 1.0, "w3": 1.0}
ELSEWHERE = [Idle("w2", "m2", 1)]


def task(
    lasted: float, share: float | None = None, *, name: str = "t1", effort: float = 20.0, **fields: Any
) -> InFlight:
    """On worker w1 of machine m1."""
    given = {"worker": "w1", "machine": "m1", "share": share, "effort": effort, **fields}
    return InFlight(name, started_at=NOW - lasted, **given)


def test_a_straggler_gets_a_copy_elsewhere() -> None:
    assert copies_for([task(60, 0.5)], ELSEWHERE, USUAL, NOW) == [("t1", "w2")]


def test_what_takes_no_longer_than_usual_does_not() -> None:
    assert copies_for([task(29, 0.1)], ELSEWHERE, USUAL, NOW) == []
    assert copies_for([task(31, 0.1)], ELSEWHERE, USUAL, NOW) == [("t1", "w2")]


def test_what_is_done_sooner_than_a_copy_does_not() -> None:
    assert copies_for([task(60, 0.8)], ELSEWHERE, USUAL, NOW) == []
    quick = {**USUAL, "w2": 0.5}
    assert copies_for([task(60, 0.8)], ELSEWHERE, quick, NOW) == [("t1", "w2")]


def test_what_says_nothing_may_last_as_long_again() -> None:
    assert copies_for([task(31)], ELSEWHERE, USUAL, NOW) == [("t1", "w2")]
    assert copies_for([task(31)], ELSEWHERE, {**USUAL, "w2": 1.6}, NOW) == []


def test_a_short_task_is_left_alone() -> None:
    assert copies_for([task(4, 0.1, effort=1)], ELSEWHERE, USUAL, NOW) == []


def test_the_slow_machine_of_a_farm_is_measured_by_the_others() -> None:
    assert copies_for([task(60, 0.4)], ELSEWHERE, {"w1": 8.0, "w2": 1.0, "w3": 1.0}, NOW) == [("t1", "w2")]


def test_the_slowest_goes_first_and_to_the_quickest() -> None:
    running = [task(60, 0.5, name="slow"), task(60, 0.2, name="slower"), task(60, 0.6, name="slowish")]
    idle = [Idle("w2", "m2", 1), Idle("w3", "m3", 1)]

    assert copies_for(running, idle, {**USUAL, "w3": 0.9}, NOW) == [("slower", "w3"), ("slow", "w2")]


def test_a_worker_takes_as_many_as_it_has_slots() -> None:
    running = [task(60, 0.5, name=f"t{number}") for number in range(5)]

    assert copies_for(running, [Idle("w2", "m2", 3)], USUAL, NOW) == [("t0", "w2"), ("t1", "w2"), ("t2", "w2")]


def test_a_worker_without_a_free_slot_takes_none() -> None:
    assert copies_for([task(60, 0.5)], [Idle("w2", "m2", 0)], USUAL, NOW) == []


def test_there_is_one_copy_at_most() -> None:
    assert copies_for([task(60, 0.5, copies=2)], ELSEWHERE, USUAL, NOW) == []


def test_on_its_own_machine_a_copy_would_be_as_slow() -> None:
    own = [Idle("w1", "m1", 4), Idle("w9", "m1", 4)]

    assert copies_for([task(60, 0.1)], own, USUAL, NOW) == []


def test_what_stands_still_may_go_anywhere_but_elsewhere_first() -> None:
    still = task(60, 0.5, moved_at=NOW - 31)
    own = Idle("w1", "m1", 4)

    assert copies_for([still], [own], {**USUAL, "w1": 0.1}, NOW) == [("t1", "w1")]
    assert copies_for([still], [own, *ELSEWHERE], {**USUAL, "w1": 0.1}, NOW) == [("t1", "w2")]
    assert copies_for([task(60, 0.5, moved_at=NOW - 29)], [own], USUAL, NOW) == []


def test_before_anything_is_finished_only_what_stands_still_gets_one() -> None:
    assert copies_for([task(500, 0.1)], ELSEWHERE, {}, NOW) == []
    assert copies_for([task(500, 0.1, moved_at=NOW - 60)], ELSEWHERE, {}, NOW) == [("t1", "w2")]


def test_a_copy_goes_to_a_worker_of_the_same_kind_where_it_has_not_failed() -> None:
    idle = [Idle("w2", "m2", 1, kind="gpu"), Idle("w3", "m3", 1, kind="cpu")]

    assert copies_for([task(60, 0.1, kind="cpu")], idle, USUAL, NOW) == [("t1", "w3")]
    assert copies_for([task(60, 0.1, kind="cpu", avoid=frozenset({"m3"}))], idle, USUAL, NOW) == []


names = st.integers(1, 4)
tasks = st.lists(
    st.builds(
        InFlight,
        token=st.uuids().map(str),
        worker=names.map(lambda number: f"w{number}"),
        machine=names.map(lambda number: f"m{number}"),
        started_at=st.floats(0, NOW),
        effort=st.floats(0, 100),
        share=st.none() | st.floats(0, 1),
        moved_at=st.none() | st.floats(0, NOW),
        copies=st.integers(1, 2),
        kind=st.sampled_from(["cpu", "gpu"]),
        avoid=st.just(frozenset[str]()),
    ),
    max_size=20,
    unique_by=lambda task: task.token,
)
places = st.lists(
    st.builds(
        Idle,
        worker=names.map(lambda number: f"w{number}"),
        machine=names.map(lambda number: f"m{number}"),
        slots=st.integers(1, 3),
        kind=st.sampled_from(["cpu", "gpu"]),
    ),
    unique_by=lambda place: place.worker,
)
speeds = st.dictionaries(names.map(lambda number: f"w{number}"), st.floats(0.01, 10))


@given(tasks, places, speeds)
def test_the_rules_hold(running: list[InFlight], idle: list[Idle], rates: dict[str, float]) -> None:
    chosen = copies_for(running, idle, rates, NOW)
    by_token, by_worker = {task.token: task for task in running}, {place.worker: place for place in idle}

    assert len({token for token, _ in chosen}) == len(chosen)
    for worker, place in by_worker.items():
        assert sum(to == worker for _, to in chosen) <= place.slots
    for token, worker in chosen:
        copied, place = by_token[token], by_worker[worker]
        still = copied.moved_at is not None and NOW - copied.moved_at > SpeculationRules().still_seconds
        assert copied.copies == 1
        assert place.kind == copied.kind
        assert place.machine != copied.machine or still


def test_a_large_farm_is_looked_through_quickly() -> None:
    running = [task(60 + number % 50, 0.3, name=f"t{number}", machine=f"m{number % 500}") for number in range(10_000)]
    idle = [Idle(f"w{number}", f"m{number}", 8) for number in range(500)]
    started = time.thread_time()  # whatever else runs on this machine

    assert len(copies_for(running, idle, USUAL, NOW)) == 4000
    assert time.thread_time() - started < 2.0
