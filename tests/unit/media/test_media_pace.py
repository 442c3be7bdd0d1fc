"""What is done about a sound that strays from its own times."""

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.media.index import HashedFrame
from framemill.media.pace import corrections, deviations

BASE = Fraction(1, 48_000)
BLOCK = 1024
MINUTE = 60 * 48_000 // BLOCK


def frames(late: Sequence[float], first: int = 0) -> list[HashedFrame]:
    """Blocks of samples in a row, each so many seconds late."""
    return [
        HashedFrame(pts=first + number * BLOCK + round(seconds / BASE), duration=BLOCK, digest="")
        for number, seconds in enumerate(late)
    ]


def step(seconds: float, at: int = MINUTE // 2) -> list[float]:
    return [seconds * (number >= at) for number in range(MINUTE)]


FILL = {"async": "1", "min_hard_comp": "0.001"}


@pytest.mark.parametrize("first", [0, -1024, 48_000_000])
def test_an_even_sound_is_left_alone_wherever_it_begins(first: int) -> None:
    assert corrections(frames([0.0] * MINUTE, first), BASE) == {}
    assert corrections([], BASE) == {}


@pytest.mark.parametrize("seconds", [0.002, 0.021, 0.5, 59, -0.002, -0.04])
def test_a_step_is_filled_or_taken_away_at_once(seconds: float) -> None:
    assert corrections(frames(step(seconds)), BASE) == FILL


def test_several_steps_are_steps() -> None:
    late = [one + other for one, other in zip(step(0.03, 500), step(-0.01, 2000), strict=True)]
    assert corrections(frames(late), BASE) == FILL


@pytest.mark.parametrize("seconds", [0.0005, 61, 100_000])
def test_nothing_is_done_about_nothing_or_a_wild_time(seconds: float) -> None:
    assert corrections(frames(step(seconds)), BASE) == {}


def test_a_single_late_frame_is_jitter() -> None:
    late = [0.01 * (number % 300 == 50) for number in range(MINUTE)]
    assert corrections(frames(late), BASE) == {}


@pytest.mark.parametrize("parts", [1.0003, 0.9997])
def test_drift_is_stretched(parts: float) -> None:
    late = [number * BLOCK * float(BASE) * (parts - 1) for number in range(MINUTE)]
    assert corrections(frames(late), BASE) == {"async": "240", "min_comp": "0.0001", "min_hard_comp": "0.0050"}


def test_a_step_among_jitter_is_taken_where_it_is_wider_than_that() -> None:
    late = [there + 0.004 * (number % 2) for number, there in enumerate(step(0.5))]
    found = corrections(frames(late), BASE)
    assert 0.004 <= float(found["min_comp"]) < float(found["min_hard_comp"]) <= 0.1


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=50))
def test_deviations_are_told_as_they_are(late: list[float]) -> None:
    expected = [seconds - round(late[0] / BASE) * BASE for seconds in late]
    assert deviations(frames(late), BASE) == pytest.approx([float(one) for one in expected], abs=2 * float(BASE))
