"""Sizes, names and qualities of renditions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.jobs.choices import Rate
from framemill.jobs.presets import PRESETS
from framemill.jobs.settings import OutputSettings, Rung
from framemill.media.colour import Look
from framemill.media.drawing import Step, step
from framemill.media.index import FirstFrame
from framemill.media.ladder import Picture, fit, pictures

LADDER = tuple(Rung(height=height, crf=crf) for height, crf in ((1080, 22), (720, 23), (540, 23), (360, 24)))
HLS = OutputSettings(container="package", ladder=LADDER)
FILE = OutputSettings()


def frame(width: int, height: int, pix_fmt: str = "yuv420p") -> FirstFrame:
    """As decoded, so after its rotation."""
    return FirstFrame(
        time_base=Fraction(1, 25),
        pts=0,
        width=width,
        height=height,
        sample_aspect_ratio="4/3",
        pix_fmt=pix_fmt,
        color_range="tv",
    )


SD = Look(
    color_range="tv",
    matrix="smpte170m",
    primaries="smpte170m",
    transfer="smpte170m",
    told=("The source does not say its colours; they are taken for smpte170m, as players do by its size.",),
)


def scaled(width: int, height: int) -> tuple[Step, ...]:
    return (step("scale", w=width, h=height, flags="bicubic+accurate_rnd+full_chroma_int+bitexact"),)


def sizes(settings: OutputSettings, width: int, height: int) -> list[tuple[str, int, int, float | None]]:
    found = pictures(settings, frame(width, height))
    return [(picture.name, picture.width, picture.height, picture.rate.crf) for picture in found]


def test_a_ladder_has_a_picture_for_each_rung() -> None:
    assert sizes(HLS, 1920, 1080) == [
        ("1080p", 1920, 1080, 22),
        ("720p", 1280, 720, 23),
        ("540p", 960, 540, 23),
        ("360p", 640, 360, 24),
    ]


def test_a_portrait_source_is_limited_in_width() -> None:
    """What counts is the first decoded frame: a phone's film is stored lying and turned by its matrix."""
    assert sizes(HLS, 1080, 1920) == [
        ("1080p", 1080, 1920, 22),
        ("720p", 720, 1280, 23),
        ("540p", 540, 960, 23),
        ("360p", 360, 640, 24),
    ]


def test_rungs_above_the_source_become_one() -> None:
    """It takes the quality of the lowest of them, which is made for that size."""
    assert sizes(HLS, 640, 480) == [("480p", 640, 480, 23), ("360p", 480, 360, 24)]
    assert sizes(HLS, 320, 180) == [("180p", 320, 180, 24)]


@pytest.mark.parametrize(
    ("width", "height", "renditions"),
    [
        (1440, 900, [("900p", 5000), ("720p", 2800), ("360p", 800)]),
        (900, 1600, [("900p", 5000), ("720p", 2800), ("360p", 800)]),
        (356, 200, [("200p", 800)]),
        (200, 356, [("200p", 800)]),
        (363, 203, [("202p", 800)]),
    ],
)
def test_a_rung_brings_its_cap_whatever_size_it_becomes(
    width: int, height: int, renditions: list[tuple[str, int]]
) -> None:
    rungs = [(1080, 5_000_000), (720, 2_800_000), (360, 800_000)]
    ladder = tuple(Rung(height=side, crf=23, maxrate=most, bufsize=2 * most) for side, most in rungs)
    settings = OutputSettings(container="package", ladder=ladder)
    assert settings.undivided == ""
    found = pictures(settings, frame(width, height))
    assert [(picture.name, (picture.rate.maxrate or 0) // 1000) for picture in found] == renditions
    assert all(picture.rate.bufsize == 2 * (picture.rate.maxrate or 0) for picture in found)


def test_a_rung_just_below_the_sources_size_is_left_out_where_a_higher_one_has_that_size() -> None:
    rungs = tuple(Rung(height=height, crf=crf) for height, crf in ((720, 22), (480, 23), (360, 24)))
    ladder = OutputSettings(container="package", ladder=rungs)
    assert sizes(ladder, 888, 500) == [("500p", 888, 500, 22), ("360p", 640, 360, 24)]
    assert sizes(ladder, 1024, 576) == [("576p", 1024, 576, 22), ("480p", 854, 480, 23), ("360p", 640, 360, 24)]
    exact = OutputSettings(container="package", ladder=(Rung(height=500, crf=22), Rung(height=480, crf=23)))
    assert len(sizes(exact, 888, 500)) == 2  # both were asked for by name


def test_a_wide_film_fits_by_its_width() -> None:
    assert sizes(HLS, 3840, 1608)[:2] == [("804p", 1920, 804, 22), ("536p", 1280, 536, 23)]


def test_a_picture_carries_format_and_aspect_of_the_source() -> None:
    assert pictures(FILE, frame(640, 360)) == (
        Picture(
            name="360p",
            width=640,
            height=360,
            steps=scaled(640, 360),
            pix_fmts=("yuv420p",),
            color_range="tv",
            look=SD,
            sample_aspect_ratio="4/3",
        ),
    )


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((None, None), (1998, 1080)),
        ((1280, None), (1280, 692)),
        ((None, 720), (1332, 720)),
        ((1280, 720), (1280, 692)),
        ((640, 640), (640, 346)),
        ((4000, 4000), (1998, 1080)),
    ],
)
def test_a_box_keeps_the_aspect(box: tuple[int | None, int | None], expected: tuple[int, int]) -> None:
    assert fit(1998, 1080, *box, even=True) == expected


def test_an_odd_size_is_kept_where_nothing_may_be_lost() -> None:
    assert sizes(FILE, 853, 479) == [("478p", 852, 478, None)]
    lossless = PRESETS["lossless"].output
    assert pictures(lossless, frame(853, 479)) == (
        Picture(
            name="479p",
            width=853,
            height=479,
            steps=scaled(853, 479),
            pix_fmts=("yuv444p",),
            color_range="tv",
            look=SD,
            sample_aspect_ratio="4/3",
            rate=Rate(encoder_preset="ultrafast", qp=0),
        ),
    )


@pytest.mark.parametrize(
    ("source", "way", "color_range"),
    [
        ("bgra", ("gbrp", "rgb24"), ""),  # by planes, which round alike whatever the source
        ("rgb24", ("rgb24",), ""),
        ("yuv422p12le", ("yuv422p10le",), "tv"),
    ],
)
def test_a_lossless_picture_goes_its_formats_way(source: str, way: tuple[str, ...], color_range: str) -> None:
    (picture,) = pictures(PRESETS["lossless"].output, frame(640, 360, source))
    assert (picture.pix_fmts, picture.pix_fmt, picture.color_range) == (way, way[-1], color_range)
    assert picture.rgb == (way[-1] == "rgb24")


def test_rgb_that_becomes_yuv_gets_the_range_of_its_conversion() -> None:
    (picture,) = pictures(FILE, frame(640, 360, "rgb24"))
    assert (picture.pix_fmts, picture.color_range) == (("yuv420p",), "")


pixels = st.integers(16, 8192)


@given(pixels, pixels, st.none() | pixels, st.none() | pixels, st.booleans())
def test_nothing_is_enlarged(
    width: int, height: int, box_width: int | None, box_height: int | None, even: bool
) -> None:
    found = fit(width, height, box_width, box_height, even=even)
    slack = 1 if even else 0  # an odd side is rounded to the nearest even one
    for side, source, box in zip(found, (width, height), (box_width, box_height), strict=True):
        assert 0 < side <= min(source, (box or source) + slack)
        assert not even or side % 2 == 0


@given(pixels, pixels, st.lists(st.integers(16, 4320), min_size=1, max_size=8))
def test_no_two_renditions_have_one_size(width: int, height: int, heights: list[int]) -> None:
    rungs = tuple(Rung(height=height, crf=23) for height in heights)
    found = pictures(OutputSettings(container="package", ladder=rungs), frame(width, height))
    assert len({(picture.width, picture.height) for picture in found}) == len(found) > 0
    areas = [picture.width * picture.height for picture in found]
    assert areas == sorted(areas, reverse=True)


def test_the_480p_rung_is_as_wide_as_the_480p_preset_makes_it() -> None:
    preset = sizes(PRESETS["h264-480p"].output, 1920, 1080)
    assert [size[1:3] for size in preset] == [(854, 480)]
    assert (854, 480) in [size[1:3] for size in sizes(PRESETS["hls"].output, 1920, 1080)]


def test_no_two_renditions_have_one_name() -> None:
    """A narrow film keeps its shorter side at 16 pixels or so while the longer one shrinks."""
    rungs = (Rung(height=300, crf=22), Rung(height=297, crf=23))
    found = pictures(OutputSettings(container="package", ladder=rungs), frame(3840, 200))
    assert [picture.width for picture in found] == [534, 528]
    assert len({picture.name for picture in found}) == 2
