"""What an output costs: the formula by example, how costs compare, and room for the doors' own ways to count."""

from fractions import Fraction
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.jobs.metering import CODEC_FACTORS, CREDIT, Tariff, affordable, charge, priced
from framemill.jobs.settings import OutputSettings, VideoCodec

SD, HD, FULL_HD, UHD = (854, 480), (1280, 720), (1920, 1080), (3840, 2160)
SOUND = OutputSettings(container="mkv", video_codec="none", audio_codec="opus")
COPY = OutputSettings(video_codec="copy", audio_codec="copy")


def video(codec: VideoCodec = "h264") -> OutputSettings:
    return OutputSettings(container="mkv", video_codec=codec)


@pytest.mark.parametrize(
    ("settings", "sizes", "per_minute"),
    [
        (video(), [(640, 360)], 500),
        (video(), [(720, 576)], 500),
        (video(), [SD], 500),
        (video(), [HD], 1000),
        (video(), [(1080, 1920)], 2000),
        (video(), [(2048, 1080)], 2000),
        (video(), [(2560, 1440)], 4000),
        (video(), [UHD], 8000),
        (video(), [(4096, 2160)], 8000),
        (video(), [(7680, 4320)], 32_000),
        (video(), [(16384, 16384)], 32_000),
        (video("h265"), [FULL_HD], 4000),
        (video("vp9"), [HD], 2000),
        (video("av1"), [HD], 3000),
        (video(), [FULL_HD, HD, SD], 3500),  # a ladder
        (SOUND, [], 100),
        (OutputSettings(video_codec="copy"), [], 100),
        (COPY, [], 50),
        (OutputSettings(video_codec="none", audio_codec="copy"), [], 50),
        (OutputSettings(video_codec="copy", audio_codec="none"), [], 50),
    ],
)
def test_a_minute_costs(settings: OutputSettings, sizes: list[tuple[int, int]], per_minute: int) -> None:
    assert charge(settings, 60, sizes) == per_minute
    assert charge(settings, 600, sizes) == 10 * per_minute


def test_the_rest_of_a_thousandth_counts_as_one() -> None:
    assert charge(video(), Fraction(6, 100), [HD]) == 1
    assert charge(video(), Fraction(6001, 100_000), [HD]) == 2
    assert charge(video(), Fraction(1001, 30_000), [HD]) == 1


def test_nothing_is_free() -> None:
    assert charge(COPY, 0) == 1


def test_every_codec_that_encodes_has_a_factor() -> None:
    assert set(CODEC_FACTORS) == set(get_args(VideoCodec)) - {"copy", "none"}


def test_a_codec_without_a_factor_is_the_dearest() -> None:
    assert charge(video("av1"), 60, [HD], Tariff(codec_factors={"h264": Fraction(1), "vp9": Fraction(7, 2)})) == 3500


def test_pictures_without_a_size_have_no_price() -> None:
    with pytest.raises(ValueError, match="h264 pictures have a size"):
        charge(video(), 60)


def test_nothing_lasts_less_than_nothing() -> None:
    with pytest.raises(ValueError, match="nothing lasts -1 s"):
        charge(COPY, -1)


# Doors that count otherwise


def test_a_tariff_may_count_in_whole_credits_of_processing_time() -> None:
    """A credit for each minute begun, and one at least."""
    whole: dict[str, Any] = {"step": CREDIT, "least": CREDIT}
    assert [priced(seconds, CREDIT, **whole) for seconds in (0, 1, 60, 61, 180)] == [1000, 1000, 1000, 2000, 3000]


def test_a_tariff_may_count_time_alone() -> None:
    """Of a package with two renditions as of sound: 1.5 credits a minute, begun credits counting whole."""
    flat = Tariff(flat_rate=CREDIT, multiplier=Fraction(3, 2), step=CREDIT, least=CREDIT)
    assert [charge(video(), seconds, [HD, HD], flat) for seconds in (1, 40, 41, 60)] == [1000, 1000, 2000, 2000]
    assert charge(video(), 41, (), flat) == 2000


def test_a_tariff_may_have_a_multiplier_for_haste() -> None:
    assert charge(video(), 42, [HD], Tariff(multiplier=Fraction(3, 2))) == 1050


# The spend cap


def test_reaching_the_cap_is_allowed_and_exceeding_it_is_not() -> None:
    assert affordable(1000, 1000, 2000)
    assert not affordable(1001, 1000, 2000)
    assert affordable(10**9, 10**9, None)


# For any output

lengths = st.fractions(0, 100_000, max_denominator=90_000)
sides = st.integers(16, 16_384)


@given(lengths, sides, sides)
def test_sound_is_cheap_and_copy_cheapest(seconds: Fraction, width: int, height: int) -> None:
    size = [(width, height)]
    costs = [charge(COPY, seconds), charge(SOUND, seconds)]
    costs += [charge(video(codec), seconds, size) for codec in ("h264", "h265", "av1")]
    assert costs == sorted(costs)


@given(lengths, lengths, sides, sides, sides)
def test_more_never_costs_less(short: Fraction, more: Fraction, width: int, height: int, wider: int) -> None:
    cost = charge(video(), short, [(width, height)])
    assert cost <= charge(video(), short + more, [(width, height)])
    assert cost <= charge(video(), short, [(max(width, wider), height)])
    assert cost <= charge(video(), short, [(width, height), (wider, height)])


@given(lengths, st.integers(1, 5000), st.integers(0, 5000), st.fractions(0, 4, max_denominator=10))
def test_what_is_charged_is_exact_but_for_one_step(
    seconds: Fraction, step: int, least: int, multiplier: Fraction
) -> None:
    tariff = Tariff(step=step, least=least, multiplier=multiplier)
    charged = charge(video(), seconds, [HD], tariff)
    exact = max(seconds / 60 * 1000 * multiplier, Fraction(least))
    assert charged % step == 0
    assert exact <= charged < exact + step
