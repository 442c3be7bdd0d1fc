"""What the qualities of many frames come to."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.media.figures import Second, around_seams, behind, lowest, means, percentile, worst_second
from framemill.media.quality import FrameQuality


def frames(*vmaf: float, rate: int = 24) -> list[FrameQuality]:
    """Frames of these qualities at a constant rate."""
    return [FrameQuality(Fraction(n, rate), value / 2, value / 100, value) for n, value in enumerate(vmaf)]


def test_every_frame_counts_the_same() -> None:
    found = means(frames(90, 100, 50))

    assert (found.vmaf, found.psnr, found.ssim) == pytest.approx((80, 40, 0.8))


@given(values=st.lists(st.floats(0, 100), min_size=1, max_size=60), percent=st.sampled_from([1, 5, 50, 99]))
def test_a_percentile_is_numpys(values: list[float], percent: int) -> None:
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)), abs=1e-9)


def test_among_equally_bad_frames_the_lower_psnr_is_worse() -> None:
    bad = [FrameQuality(Fraction(n), psnr, 1, 50) for n, psnr in enumerate((30, 20, 20))]

    assert lowest([FrameQuality(Fraction(0), 10, 1, 90), *bad]) == 2


def test_the_worst_second_begins_at_any_frame_and_holds_all_of_a_second() -> None:
    second = worst_second(frames(*[90] * 30, *[40] * 24, *[90] * 30))

    assert (second.first, second.end, second.vmaf) == (30, 54, 40)


def test_a_bad_end_is_no_second_of_its_own() -> None:
    """Only whole seconds count: one bad frame at the end is a twenty-fourth of the last one."""
    second = worst_second(frames(*[90] * 47, 18))

    assert (second.first, second.end) == (24, 48)
    assert second.vmaf == pytest.approx(87)


def test_of_uneven_frames_a_second_holds_as_many_as_it_shows() -> None:
    times = (0, 0.1, 0.2, 2, 2.5, 3.5)
    film = [FrameQuality(Fraction(str(time)), 0, 0, 90 - 10 * n) for n, time in enumerate(times)]

    second = worst_second(film)

    assert (second.first, second.end, second.vmaf) == (5, 6, 40)


def test_what_is_shorter_than_a_second_is_taken_whole() -> None:
    assert worst_second(frames(80, 60)) == Second(0, 2, 70)
    assert worst_second(frames(80)) == Second(0, 1, 80)


def test_around_the_seams_are_24_frames_from_each_on() -> None:
    film = frames(*[90] * 100)
    film[10:34] = frames(*[90] * 10, *[70] * 24)[10:34]
    film[60] = frames(*[90] * 60, 20)[60]

    found = around_seams(film, [0, 60, 10, 500])

    assert found is not None
    assert (found.seams, found.lowest) == (2, 20)
    assert (found.worst.frame, found.worst.vmaf) == (10, 70)
    assert found.vmaf == pytest.approx((24 * 70 + 23 * 90 + 20) / 48)
    assert found.p5 == 70


def test_a_frame_behind_two_seams_counts_once() -> None:
    assert behind([10, 20], 40) == list(range(10, 40))


def test_the_start_of_a_film_is_no_seam() -> None:
    assert around_seams(frames(90, 90), [0]) is None
