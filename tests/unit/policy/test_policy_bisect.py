"""The smallest failing range: found, minimal, in few tries; and an end whatever the answers."""

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.policy.bisect import Found, Outcome, Try, next_range


def search(first: int, end: int, fails: Callable[[int, int], bool]) -> tuple[Found, list[Outcome]]:
    """Try what is asked for until it is found; all outcomes, that of the whole chunk first."""
    outcomes = [Outcome(first, end, failed=True)]
    while isinstance(step := next_range(outcomes), Try):
        assert first <= step.first < step.end <= end
        assert (step.first, step.end) not in [(outcome.first, outcome.end) for outcome in outcomes]
        outcomes.append(Outcome(step.first, step.end, fails(step.first, step.end)))
        assert len(outcomes) - 1 <= 2 * math.log2(end - first) + 2
    return step, outcomes


def test_one_bad_frame() -> None:
    found, outcomes = search(100, 280, lambda first, end: first <= 237 < end)

    assert found == Found(237, 238)
    assert len(outcomes) - 1 == 15


def test_a_frame_that_fails_only_after_the_three_before_it() -> None:
    assert search(0, 100, lambda first, end: first <= 40 and end >= 44)[0] == Found(40, 44)


def test_a_failure_that_takes_all_of_the_chunk() -> None:
    assert search(0, 100, lambda first, end: (first, end) == (0, 100))[0] == Found(0, 100)


def test_a_chunk_of_one_frame_is_found_at_once() -> None:
    assert next_range([Outcome(7, 8, failed=True)]) == Found(7, 8)


def test_a_failure_that_never_comes_again_leaves_the_chunk() -> None:
    assert search(0, 64, lambda first, end: False)[0] == Found(0, 64)


def test_a_range_that_passed_the_second_time_ends_the_search() -> None:
    seen = [Outcome(0, 64, failed=True), Outcome(0, 32, failed=True), Outcome(0, 40, failed=False)]

    assert next_range(seen) == Found(0, 32)


def test_outcomes_from_elsewhere_spare_tries() -> None:
    seen = [Outcome(0, 64, failed=True), Outcome(30, 34, failed=True), Outcome(0, 33, failed=False)]

    assert next_range(seen) == Try(32, 34)


def test_without_a_failure_there_is_nothing_to_find() -> None:
    with pytest.raises(ValueError, match="no range of frames has failed"):
        next_range([Outcome(0, 64, failed=False)])


@given(st.integers(-1000, 1000), st.integers(1, 5000), st.data())
def test_what_fails_is_found_exactly(first: int, frames: int, data: st.DataObject) -> None:
    """Any number of causes, each of one or more frames: what is found is a whole one, and no part of it fails."""
    end = first + frames
    bounds = st.tuples(st.integers(first, end), st.integers(first, end))
    drawn = data.draw(st.lists(bounds.filter(lambda pair: pair[0] != pair[1]), min_size=1, max_size=3))
    causes = [(min(pair), max(pair)) for pair in drawn]

    def fails(one: int, other: int) -> bool:
        return any(one <= cause[0] and cause[1] <= other for cause in causes)

    found, _ = search(first, end, fails)

    assert (found.first, found.end) in causes
    assert not fails(found.first + 1, found.end)
    assert not fails(found.first, found.end - 1)


@given(st.integers(1, 5000), st.randoms(use_true_random=False))
def test_whatever_the_answers_it_ends_with_the_smallest_range_that_failed(frames: int, chance: Random) -> None:
    found, outcomes = search(0, frames, lambda first, end: chance.random() < 0.5)

    assert found.end - found.first == min(end - first for first, end, failed in outcomes if failed)
