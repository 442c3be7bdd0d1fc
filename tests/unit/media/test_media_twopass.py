"""How a title's bits are shared out, and what is asked for where a chunk missed its share."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from framemill.media.ladder import batches
from framemill.media.twopass import LEAST_BITRATE, MOST_TRIES, TOLERANCE, asked_next, shares

SECONDS = [Fraction(4)] * 4


def test_each_has_as_much_as_it_took() -> None:
    found = shares([400, 800, 1600, 1200], SECONDS, 1_000_000, 9_000_000)
    assert [round(share / 1000) for share in found] == [400, 800, 1600, 1200]


def test_what_one_may_not_have_the_others_get() -> None:
    assert shares([100, 100, 100, 9700], SECONDS, 1_000_000, 1_600_000)[3] == 1_600_000
    found = shares([100, 100, 100, 9700], SECONDS, 1_000_000, 1_600_000)
    assert [round(share / 1000) for share in found] == [800, 800, 800, 1600]


def test_what_could_not_be_measured_is_an_average_one() -> None:
    assert [round(share / 1000) for share in shares([400, None, 1600, 1000], SECONDS, 1_000_000, 9_000_000)] == [
        400, 1000, 1600, 1000,
    ]  # fmt: skip
    assert set(shares([None, None], SECONDS[:2], 500_000, 900_000)) == {500_000}


def test_a_chunk_in_which_nothing_is_seen_has_little() -> None:
    found = shares([0, 10_000, 10_000, 10_000], SECONDS, 90_000, 360_000)
    assert found[0] == LEAST_BITRATE


lengths = st.fractions(Fraction(1, 25), Fraction(20))


@given(st.lists(st.tuples(st.integers(0, 10**9), lengths), min_size=1, max_size=40), st.integers(8_000, 10**8))
def test_over_all_it_is_the_bit_rate(chunks: list[tuple[int, Fraction]], bitrate: int) -> None:
    seconds = [length for _, length in chunks]
    found = shares([bits for bits, _ in chunks], seconds, bitrate, 4 * bitrate)
    asked = sum(float(share * length) for share, length in zip(found, seconds, strict=True))
    assert abs(asked / float(bitrate * sum(seconds)) - 1) < 0.001
    assert all(min(LEAST_BITRATE, bitrate) - 1 <= share <= 4 * bitrate for share in found)


@given(st.floats(0.5, 2.0), st.floats(0.5, 1.5), st.integers(20_000, 10**7))
def test_a_few_tries_find_what_to_ask_for(factor: float, power: float, share: int) -> None:
    """An encoder that gives so many times what it is asked for, by some power."""

    def off(asked: int) -> float:
        return float(factor * (asked / share) ** power - 1)

    tried = [(share, off(share))]
    while abs(tried[-1][1]) > TOLERANCE and len(tried) < MOST_TRIES:
        asked = asked_next(tried, share)
        tried.append((asked, off(asked)))
    assert min(abs(missed) for _, missed in tried) <= TOLERANCE


def test_what_was_tried_in_vain_is_not_asked_for_without_end() -> None:
    assert asked_next([(1000, 5.0)], 1000) == 250
    assert asked_next([(1000, 5.0), (250, 5.0)], 1000) == 250
    assert asked_next([(1000, -0.9)], 1000) == 4000


def test_renditions_go_together_while_their_frames_fit() -> None:
    heights = (2160, 1440, 1080, 720, 480, 360)
    assert batches([height * height * 16 // 9 for height in heights]) == (range(6),)
    assert batches([100, 60, 30, 20, 10]) == (range(3), range(3, 5))
    assert batches([100]) == (range(1),)
    assert batches([]) == ()
    assert batches([100, 100, 100]) == (range(2), range(2, 3))
