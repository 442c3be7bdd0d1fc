"""What an output would take, of every kind: told before, and charged by what is shown."""

from fractions import Fraction
from typing import Any

import pytest

from framemill.farm.stages.reserve import cost_of
from framemill.farm.work import title_seconds
from framemill.jobs.metering import charge
from framemill.jobs.settings import OutputSettings, Rung, RunSettings
from framemill.media.estimate import OutputEstimate, estimated, shown_seconds, told_seconds
from framemill.media.index import FirstFrame, FrameIndex, SeekPoint
from framemill.media.inspection import Inspection, Packets
from framemill.media.source import Source
from framemill.media.title import Title, plan_title

SECONDS = 60
VIDEO = {
    "index": 0, "codec_type": "video", "codec_name": "h264", "time_base": "1/25", "width": 1280, "height": 720,
    "pix_fmt": "yuv420p", "avg_frame_rate": "25/1",
}  # fmt: skip
SOUND = {"index": 1, "codec_type": "audio", "codec_name": "aac", "channels": 2, "sample_rate": "48000"}
FACTS: dict[str, Any] = {
    "format": {"format_name": "mov,mp4", "duration": str(SECONDS), "bit_rate": "2000000"},
    "streams": [VIDEO, SOUND, {**SOUND, "index": 2}],
}
HDR = {"color_range": "tv", "color_space": "bt2020nc", "color_primaries": "bt2020", "color_transfer": "smpte2084"}


def told(facts: dict[str, Any] | None = None, **settings: Any) -> OutputEstimate:
    return estimated(facts or FACTS, OutputSettings.model_validate(settings), RunSettings())


def planned(**settings: Any) -> Title:
    """The plan of that output of the same source."""
    source = Source(
        path="/in.mp4",
        inspection=Inspection(facts=FACTS, video=0, audio=1, packets=Packets(), sha256="5" * 64),
        first_picture=FirstFrame(
            time_base=Fraction(1, 25), pts=0, width=1280, height=720, pix_fmt="yuv420p", sample_aspect_ratio="1/1"
        ),
        first_sound=FirstFrame(time_base=Fraction(1, 48000), pts=0),
    )
    index = FrameIndex(
        time_base=Fraction(1, 25),
        pts=tuple(range(25 * SECONDS)),
        last_duration=1,
        seek_points=tuple(SeekPoint(pts=at, frame=at, clean=True) for at in range(0, 25 * SECONDS, 50)),
        source="packets",
        why="",
    )
    wanted = OutputSettings.model_validate(settings)
    return plan_title(source, index if wanted.shows_pictures else None, wanted, RunSettings(), "build")


LADDER = {"container": "package", "ladder": tuple(Rung(height=height, crf=23) for height in (720, 360))}
KINDS: dict[str, dict[str, Any]] = {
    "file": {},
    "webm": {"container": "webm"},
    "clip": {"start": 10, "duration": 15},
    "beyond": {"start": 50, "end": 90},
    "fps": {"fps": 50},
    "capped fps": {"fps": 12, "fps_mode": "cap"},
    "fields": {"deinterlace": "field"},
    "two passes": {"bitrate": 1_000_000, "passes": 2},
    "tier": {"bitrate_tier": "low"},
    "ladder": LADDER,
    "ladder's clip": {**LADDER, "end": 20},
    "whole": {"container": "avi"},
    "sound": {"container": "mp3"},
    "sound's clip": {"container": "wav", "start": 30},
    "copied": {"video_codec": "copy", "audio_codec": "copy"},
    "silent": {"audio_codec": "none"},
    "still": {"container": "jpg"},
    "thumbnails": {"container": "png", "picture": "thumbnails", "count": 7},
    "sheet": {"container": "webp", "picture": "sheet"},
    "animation": {"container": "webp", "picture": "animation", "duration": 3},
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_is_what_is_charged(kind: str) -> None:
    """And what is charged is what is shown: a part costs less than the whole."""
    estimate, title = told(**KINDS[kind]), planned(**KINDS[kind])
    assert estimate.credits_milli == cost_of(title)
    assert estimate.size_bytes > 0
    assert estimate.slot_seconds > 0
    if title.settings.kind in {"file", "package"} and title.film is not None:
        assert estimate.frames == len(title.film.shown.pts) * len(title.film.pictures)
        assert estimate.chunks == len(title.film.plan.chunks) * len(title.film.pictures)
    if title.settings.kind != "picture":
        assert estimate.duration_seconds == pytest.approx(title_seconds(title), abs=0.001)
        assert list(estimate.renditions) == [(p.width, p.height) for p in (title.film.pictures if title.film else ())]


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ({}, {"duration": 10}),
        ({"crf": 18}, {}),
        ({"qp": 0}, {"crf": 18}),
        ({}, {"maxrate": 500_000, "bufsize": 500_000}),
        ({}, {"crf": 30}),
        ({"fps": 50}, {"fps": 25}),
        ({}, {"height": 360}),
        ({}, {"video_codec": "h265"}),
        ({"bitrate": 2_000_000, "passes": 2}, {"bitrate": 1_000_000}),
        ({"container": "wav"}, {"container": "flac"}),
        ({"container": "flac"}, {"container": "mp3"}),
        ({"audio_tracks": "all"}, {}),
        ({}, {"audio_codec": "none"}),
        ({"container": "png"}, {"container": "jpg"}),
        ({"container": "package", "progressive": True}, {"container": "package"}),
    ],
)
def test_more_bytes_are_told_of_what_has_more(more: dict[str, Any], less: dict[str, Any]) -> None:
    assert told(**more).size_bytes > told(**less).size_bytes


@pytest.mark.parametrize(
    ("longer", "shorter"),
    [
        ({"encoder_preset": "slow"}, {}),
        ({}, {"speed": "fast"}),
        ({"video_codec": "av1", "encoder_preset": "4"}, {"video_codec": "av1"}),
        ({"video_codec": "av1", "encoder": "libaom-av1"}, {"video_codec": "av1"}),
        ({"bitrate": 1_000_000, "passes": 2}, {"bitrate": 1_000_000}),
        ({"loudness": -23}, {}),
        ({"container": "jpg", "picture": "thumbnails", "count": 50}, {"container": "jpg"}),
        ({"container": "mp3"}, {"video_codec": "copy", "audio_codec": "copy"}),
    ],
)
def test_longer_is_told_of_what_takes_longer(longer: dict[str, Any], shorter: dict[str, Any]) -> None:
    assert told(**longer).slot_seconds > told(**shorter).slot_seconds


def test_tone_mapping_takes_its_time() -> None:
    facts = {**FACTS, "streams": [{**VIDEO, **HDR, "pix_fmt": "yuv420p10le"}]}
    assert told(facts).slot_seconds > 2 * told(facts, tone_map="off").slot_seconds


def test_of_a_ladder_each_rendition_counts() -> None:
    ladder: dict[str, Any] = {
        "container": "package",
        "ladder": (Rung(height=720, bitrate=3_000_000), Rung(height=360, bitrate=800_000)),
    }
    estimate = told(**ladder, audio_codec="none")
    assert estimate.size_bytes == 3_800_000 * SECONDS // 8
    assert told(**ladder, audio_codec="none", progressive=True).size_bytes == 2 * estimate.size_bytes
    assert estimate.credits_milli == charge(OutputSettings(), SECONDS, [(1280, 720), (640, 360)])


def test_a_source_without_pictures_or_sound_is_told_too() -> None:
    assert told({**FACTS, "streams": [SOUND]}).renditions == ()
    silent = {**FACTS, "streams": [VIDEO]}
    assert told(silent, container="mp3").size_bytes == 0
    assert told({**FACTS, "streams": [SOUND]}, container="jpg").frames == 0
    assert told(container="jpg", at=(90,)).credits_milli == 1


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        *(({}, 60), ({"start": 10}, 50), ({"end": 10}, 10), ({"start": 5, "duration": 7}, 7), ({"start": 70}, 0)),
        ({"cut_spans": [{"end": 10}, {"start": 5, "end": 90}, {"start": 70, "end": 80}]}, 65),
        ({"cut_count": 3, "end": 30}, 30),
    ],
)
def test_what_is_shown(settings: dict[str, Any], seconds: int) -> None:
    assert shown_seconds(OutputSettings.model_validate(settings), told_seconds(FACTS)) == seconds
