"""Words become figures of each encoder."""

from fractions import Fraction
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from framemill.jobs.choices import CHOICES, Rate, chosen
from framemill.jobs.encoders.levels import fitting_level
from framemill.jobs.encoders.table import misfit
from framemill.jobs.settings import OutputSettings, Rung

WORDS = ("speed", "quality", "bitrate_tier", "bit_depth")


def settings(**fields: Any) -> OutputSettings:
    return OutputSettings.model_validate(fields)


def test_every_word_has_its_row_and_a_sentence() -> None:
    allowed = {
        (name, str(word))
        for name in WORDS
        for word in get_args(get_args(OutputSettings.model_fields[name].annotation)[0])
    }
    assert {(row.field, row.word) for row in CHOICES} == allowed
    assert all(row.says.endswith(".") for row in CHOICES)


@pytest.mark.parametrize("row", [row for row in CHOICES if row.field in {"speed", "quality"}])
def test_every_encoder_takes_what_a_word_stands_for(row: Any) -> None:
    field = {"speed": "encoder_preset", "quality": "crf"}[row.field]
    assert [misfit(codec, field, row.means[codec]) for codec in ("h264", "h265", "av1", "vp9")] == [None] * 4
    assert field == "crf" or row.means["libaom-av1"] in set("012345678")


@pytest.mark.parametrize(
    ("asked", "rate"),
    [
        ({}, Rate()),
        ({"speed": "fast"}, Rate(encoder_preset="veryfast")),
        ({"speed": "slow", "video_codec": "av1"}, Rate(encoder_preset="5")),
        ({"speed": "slow", "video_codec": "av1", "encoder": "libaom-av1"}, Rate(encoder_preset="4")),
        ({"quality": "best"}, Rate(crf=17)),
        ({"quality": "good", "video_codec": "vp9", "container": "webm"}, Rate(crf=32)),
        ({"crf": 20, "maxrate": 1_000_000, "bufsize": 2_000_000}, Rate(crf=20, maxrate=1_000_000, bufsize=2_000_000)),
        ({"gop_seconds": 2}, Rate(gop_frames=48)),
        ({"gop_frames": 30}, Rate(gop_frames=30)),
        ({"qp": 0}, Rate(qp=0)),
        ({"bitrate": 900_000}, Rate(bitrate=900_000)),
        ({"bitrate": 900_000, "passes": 2}, Rate(bitrate=900_000, level="4.0")),
        ({"bitrate": 900_000, "passes": 2, "level": "4.2"}, Rate(bitrate=900_000, level="4.2")),
        ({"bitrate_tier": "medium", "video_codec": "av1"}, Rate(bitrate=2_185_000)),
    ],
)
def test_a_word_becomes_its_figure(asked: dict[str, Any], rate: Rate) -> None:
    assert chosen(settings(**asked), fps=Fraction(24000, 1001)) == rate


def test_a_rung_has_a_rate_of_its_own() -> None:
    ladder = settings(container="package", quality="better", ladder=[{"height": 720, "crf": 21}, {"height": 360}])
    assert [chosen(ladder, rung=rung).crf for rung in ladder.ladder] == [21, 20]
    rung = Rung(height=360, bitrate=500_000, maxrate=600_000, bufsize=900_000)
    rated = settings(container="package", quality="better", passes=2, ladder=[rung.model_dump()])
    found = chosen(rated, rung=rung, size=(640, 360))
    assert (found.crf, found.bitrate, found.maxrate, found.bufsize) == (None, 500_000, 600_000, 900_000)
    assert found.level == "3.0"


def test_a_tier_goes_by_size_and_frame_rate() -> None:
    tiers = [settings(bitrate_tier=word) for word in ("low", "medium", "high")]
    at = [chosen(tier, size=(1920, 1080), fps=Fraction(30)).bitrate for tier in tiers]
    assert at == [3_000_000, 5_000_000, 8_500_000]
    medium = tiers[1]
    small = chosen(medium, size=(640, 360), fps=Fraction(30)).bitrate or 0
    assert 5_000_000 / 9 < small < 5_000_000 / 5  # more bits a pixel than the large one
    fast = chosen(medium, size=(1920, 1080), fps=Fraction(60)).bitrate or 0
    assert 1.4 < fast / 5_000_000 < 1.6
    assert chosen(medium, size=(16, 16), fps=Fraction(1)).bitrate == 40_000


@pytest.mark.parametrize(
    ("codec", "size", "fps", "bitrate", "preset", "level"),
    [
        ("h264", (1920, 1080), 30, 8_000_000, None, "4.0"),
        ("h264", (1920, 1080), 60, 8_000_000, None, "4.2"),
        ("h264", (1920, 1080), 30, 40_000_000, None, "4.1"),
        ("h264", (1920, 1080), 30, 8_000_000, "veryslow", "5.1"),
        ("h264", (1280, 720), 30, 2_000_000, None, "3.1"),
        ("h264", (16384, 16384), 60, 2_000_000, None, "6.2"),
        ("h265", (1920, 1080), 30, 8_000_000, None, "4.0"),
        ("h265", (3840, 2160), 60, 30_000_000, None, "5.1"),
        ("vp9", (1920, 1080), 30, 8_000_000, None, None),
    ],
)
def test_a_level_holds_the_stream(  # noqa: PLR0917
    codec: str, size: tuple[int, int], fps: int, bitrate: int, preset: str | None, level: str | None
) -> None:
    assert fitting_level(codec, size, Fraction(fps), bitrate, preset) == level


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"passes": 2}, "passes=2 shares out a bit rate"),
        ({"passes": 2, "bitrate": 100_000, "container": "avi"}, "avi is written by one process in one pass"),
        (
            {"passes": 2, "bitrate": 100_000, "crf": 30, "video_codec": "vp9", "container": "webm"},
            "crf is for one pass",
        ),
        ({"quality": "good", "bitrate": 100_000}, "quality and bitrate exclude each other"),
        ({"quality": "good", "bitrate_tier": "low"}, "bitrate_tier and quality exclude|quality and bitrate"),
        ({"bitrate_tier": "low", "crf": 20}, "bitrate_tier and crf exclude each other"),
        ({"container": "package", "gop_seconds": 2}, "gop_seconds: a package's keyframes begin its segments"),
        (
            {"container": "package", "ladder": [{"height": 90, "crf": 20, "bitrate": 90_000}]},
            "ladder.0: crf and bitrate",
        ),
        ({"container": "package", "ladder": [{"height": 90, "maxrate": 90_000}]}, "ladder.0: maxrate and bufsize go"),
        ({"container": "package", "ladder": [{"height": 90, "crf": 60}]}, "ladder.0: crf: libx264 takes"),
        ({"container": "package", "ladder": [{"height": 90, "fps": 12}]}, "ladder.0: fps: every rung shows"),
        ({"encoder": "libaom-av1"}, "libaom-av1 encodes av1"),
        ({"encoder": "libaom-av1", "video_codec": "av1", "encoder_preset": "13"}, "libaom-av1 takes 0 to 8"),
        ({"encoder": "libaom-av1", "video_codec": "av1", "level": "4.0"}, "level: is for the usual av1 encoder"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(**asked)


@pytest.mark.parametrize(
    ("asked", "two", "undivided"),
    [
        ({}, False, False),
        ({"bitrate": 100_000}, False, True),
        ({"bitrate": 100_000, "passes": 2}, True, False),
        ({"bitrate_tier": "low"}, True, False),
        ({"container": "package", "ladder": [{"height": 90, "bitrate": 90_000}]}, False, True),
        ({"container": "package", "passes": 2, "ladder": [{"height": 90, "bitrate": 90_000}]}, True, False),
        ({"bitrate": 100_000, "container": "avi", "video_codec": "mpeg4"}, False, True),
    ],
)
def test_bits_are_shared_out_in_two_passes(asked: dict[str, Any], two: bool, undivided: bool) -> None:
    assert (settings(**asked).two_passes, bool(settings(**asked).undivided)) == (two, undivided)
