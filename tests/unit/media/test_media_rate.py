"""The leaky bucket, by hand, and against a slow one written another way."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.media.rate import Bucket, leaky_bucket

HALF = Fraction(1, 2)


def test_a_buffer_that_lasts() -> None:
    # 20000 bits, of which 18000 at the start; 8000 bits a second are 4000 in half a second.
    # 18000 - 8000 = 10000, + 4000 = 14000, - 8000 = 6000, + 4000 = 10000, - 4000 = 6000
    assert leaky_bucket([1000, 1000, 500], [HALF, HALF, HALF], rate=8000, buffer=20_000) == Bucket(
        underflows=0, first_underflow=None, lowest_bits=6000, peak_rate=16_000
    )


def test_a_buffer_that_runs_dry_twice() -> None:
    # 18000 - 8000 = 10000, + 4000 = 14000, - 16000 = -2000 (!), + 4000 = 2000, - 4000 = -2000 (!)
    found = leaky_bucket([1000, 2000, 500], [HALF, HALF, HALF], rate=8000, buffer=20_000)
    assert found == Bucket(underflows=2, first_underflow=1, lowest_bits=-2000, peak_rate=24_000)


def test_a_buffer_is_never_fuller_than_full() -> None:
    # 9000 - 0 = 9000, + 80000 is 10000, - 12000 = -2000: what did not fit is lost
    assert leaky_bucket([0, 1500], [10.0, 10.0], rate=8000, buffer=10_000).lowest_bits == -2000


def test_an_empty_buffer_is_just_enough() -> None:
    assert leaky_bucket([1125], [HALF], rate=8000, buffer=10_000).underflows == 0
    assert leaky_bucket([1126], [HALF], rate=8000, buffer=10_000) == Bucket(
        underflows=1, first_underflow=0, lowest_bits=-8, peak_rate=9008
    )


def test_what_is_missing_of_a_bit_is_missing() -> None:
    # 9/10 of 1 bit, less 8
    assert leaky_bucket([1], [1], rate=1, buffer=1).lowest_bits == -8


def test_the_busiest_second_is_any_second() -> None:
    # at 0, 0.4, 0.8, 1.2 and 1.6 s: 0.4 to 1.2 lie within one second, as do 0.8 to 1.6
    found = leaky_bucket([1, 2, 4, 8, 1], [Fraction(2, 5)] * 5, rate=1, buffer=1)
    assert found.peak_rate == 8 * (2 + 4 + 8)
    # a second has no room for its own end
    assert leaky_bucket([1, 1, 1], [HALF] * 3, rate=1, buffer=1).peak_rate == 8 * 2


def test_nothing_played_is_nothing_lost() -> None:
    assert leaky_bucket([], [], rate=8000, buffer=0) == Bucket(
        underflows=0, first_underflow=None, lowest_bits=0, peak_rate=0
    )


def test_each_packet_has_its_duration() -> None:
    with pytest.raises(ValueError, match="shorter"):
        leaky_bucket([1, 2], [HALF], rate=1, buffer=1)


packets = st.lists(
    st.tuples(st.integers(0, 50_000), st.fractions(0, 2, max_denominator=90) | st.sampled_from([0.04, 1001 / 30000])),
    max_size=40,
)


@given(packets, st.integers(1, 10**7), st.integers(0, 10**7))
def test_whole_numbers_count_as_fractions_do(
    packets: list[tuple[int, float | Fraction]], rate: int, buffer: int
) -> None:
    fullness, dry, lowest = Fraction(9 * buffer, 10), [], Fraction(9 * buffer, 10)
    for number, (size, duration) in enumerate(packets):
        fullness -= 8 * size
        lowest = min(lowest, fullness)
        dry += [number] if fullness < 0 else []
        fullness = min(Fraction(buffer), fullness + rate * Fraction(duration))
    found = leaky_bucket([size for size, _ in packets], [duration for _, duration in packets], rate, buffer)
    assert (found.underflows, found.first_underflow) == (len(dry), dry[0] if dry else None)
    assert found.lowest_bits == lowest // 1
