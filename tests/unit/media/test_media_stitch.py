"""When joined packets are decoded, and the places of packets in their chunk."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from framemill.media.chunkfile import ranks
from framemill.media.stitch import decode_times

titles = st.sets(st.integers(-10_000, 10_000), min_size=1, max_size=40).map(sorted)


@given(titles, st.integers(0, 50))
def test_decode_times_strictly_increase(times: list[int], depth: int) -> None:
    found = list(decode_times(times, depth))
    assert len(found) == len(times)
    assert all(a < b for a, b in itertools.pairwise(found))


@given(st.data(), titles, st.integers(0, 3))
def test_nothing_is_shown_before_it_is_decoded(data: st.DataObject, times: list[int], spare: int) -> None:
    """For any order of packets, with a depth that is theirs or more."""
    order = data.draw(st.permutations(range(len(times))))
    real = max(at - rank for at, rank in enumerate(order))
    for rank, dts in zip(order, decode_times(times, real + spare), strict=True):
        assert dts <= times[rank]


def test_decode_times_of_even_frames_with_two_b_frames() -> None:
    assert list(decode_times([0, 40, 80, 120, 160], 2)) == [-80, -40, 0, 40, 80]


def test_decode_times_of_uneven_frames() -> None:
    assert list(decode_times([100, 101, 150, 400], 1)) == [99, 100, 101, 150]
    assert list(decode_times([100, 101, 150, 400], 0)) == [100, 101, 150, 400]


def test_a_title_shorter_than_the_reorder_is_decoded_in_time() -> None:
    assert list(decode_times([7], 3)) == [7]
    assert list(decode_times([7, 9], 3)) == [5, 7]


@given(titles.flatmap(st.permutations))
def test_a_rank_is_the_place_in_presentation_order(times: list[int]) -> None:
    found = ranks(times)
    assert [sorted(times)[rank] for rank in found] == times


def test_ranks_of_a_group_of_pictures() -> None:
    assert ranks([0, 160, 80, 40, 120]) == [0, 4, 2, 1, 3]
    assert ranks([]) == []
