"""What the content addresses of a plan depend on: everything that changes bytes, and nothing else."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from framemill.jobs.settings import OutputSettings, Rung, RunSettings
from framemill.media.index import FrameIndex, SeekPoint
from framemill.media.source import Source
from framemill.media.title import Title, plan_title

#: Another value of each field of the output settings, with what must be said beside it.
OTHER: dict[str, dict[str, Any]] = {
    "container": {"container": "mkv"},
    "video_codec": {"video_codec": "h265"},
    "crf": {"crf": 18},
    "qp": {"qp": 20},
    "bitrate": {"bitrate": 1_000_000},
    "maxrate": {"maxrate": 1_000_000, "bufsize": 100_000},
    "bufsize": {"maxrate": 2_000_000, "bufsize": 200_000},
    "encoder_preset": {"encoder_preset": "fast"},
    "tune": {"tune": "film"},
    "profile": {"profile": "main"},
    "level": {"level": "4.1"},
    "gop_frames": {"gop_frames": 48},
    "encoder_options": {"encoder_options": {"me": "umh"}},
    "width": {"width": 320},
    "height": {"height": 180},
    "pix_fmt": {"pix_fmt": "yuv444p"},
    "ladder": {"ladder": (Rung(height=180, crf=20),)},
    "segment_seconds": {"segment_seconds": 2.0},
    "audio_codec": {"audio_codec": "opus"},
    "audio_bitrate": {"audio_bitrate": 96_000},
    "audio_channels": {"audio_channels": 1},
    "sample_rate": {"sample_rate": 32_000},
    "subtitles": {"subtitles": "none"},
}
#: Those that say nothing of the pictures of a file.
NOT_THE_PICTURES = {
    "container", "segment_seconds", "subtitles", "audio_codec", "audio_bitrate", "audio_channels", "sample_rate"
}  # fmt: skip
OF_THE_SOUND = {"container", "audio_codec", "audio_bitrate", "audio_channels", "sample_rate"}

Plan = Callable[..., Title]


@pytest.fixture
def plan(source: Source) -> Plan:
    """A hundred frames at 25 a second in two chunks, with those settings."""
    index = FrameIndex(
        time_base=Fraction(1, 25),
        pts=tuple(range(100)),
        last_duration=1,
        seek_points=(SeekPoint(pts=0, frame=0, clean=True), SeekPoint(pts=50, frame=50, clean=True)),
        source="packets",
        why="",
    )

    def make(settings: dict[str, Any], build: str = "build") -> Title:
        return plan_title(source, index, OutputSettings.model_validate(settings), RunSettings(chunks=2), build)

    return make


def keys(title: Title) -> list[str]:
    return [title.chunk_key(0, chunk) for chunk in title.pictured.plan.chunks]


def test_every_field_is_tried() -> None:
    assert OTHER.keys() == OutputSettings.model_fields.keys()


@pytest.mark.parametrize("field", OTHER)
def test_a_chunk_has_another_address_when_its_bytes_may_be_others(field: str, plan: Plan) -> None:
    before, after = keys(plan({})), keys(plan(OTHER[field]))
    assert len(set(before)) == 2
    assert (before == after) == (field in NOT_THE_PICTURES)
    assert before == after or set(before).isdisjoint(after)


@pytest.mark.parametrize("field", OTHER)
def test_sound_has_another_address_when_its_bytes_may_be_others(field: str, plan: Plan) -> None:
    assert (plan({}).sound_key == plan(OTHER[field]).sound_key) == (field not in OF_THE_SOUND)


def test_the_two_numbers_of_a_buffer_count_each_for_itself(plan: Plan) -> None:
    caps = [(1_000_000, 100_000), (1_000_000, 200_000), (2_000_000, 100_000)]
    found = {keys(plan({"maxrate": rate, "bufsize": size}))[0] for rate, size in caps}
    assert len(found) == len(caps)


def test_the_order_of_the_encoders_keys_is_no_difference(plan: Plan) -> None:
    there, back = {"me": "umh", "ref": "2"}, {"ref": "2", "me": "umh"}
    assert keys(plan({"encoder_options": there})) == keys(plan({"encoder_options": back}))


def test_another_build_has_other_addresses(plan: Plan) -> None:
    assert keys(plan({})) != keys(plan({}, build="another"))
    assert plan({}).sound_key != plan({}, build="another").sound_key
