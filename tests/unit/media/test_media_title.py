"""What the content addresses of a plan depend on: everything that changes bytes, and nothing else."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from framemill.jobs.settings import OutputSettings, Overlay, Rung, RunSettings
from framemill.jobs.settings.packaging import PackageSettings
from framemill.jobs.settings.pieces import PieceSettings
from framemill.jobs.settings.sound import SoundSettings
from framemill.jobs.settings.stills import StillSettings
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
    "loudness": {"loudness": -23},
    "true_peak": {"loudness": -23, "true_peak": -2},
    "audio_tracks": {"audio_tracks": "all"},
    "encoder": {"encoder": "libaom-av1", "video_codec": "av1"},
    "hardware": {"hardware": "cpu"},
    "speed": {"speed": "fast"},
    "quality": {"quality": "best"},
    "bitrate_tier": {"bitrate_tier": "low"},
    "passes": {"passes": 2, "bitrate": 900_000},
    "gop_seconds": {"gop_seconds": 2},
    "bit_depth": {"bit_depth": 10},
    "start": {"start": 2},
    "end": {"end": 3},
    "duration": {"duration": 3},
    "fps": {"fps": "30"},
    "fps_mode": {"fps": "20", "fps_mode": "cap"},
    "deinterlace": {"deinterlace": "frame"},
    "size": {"size": "144p"},
    "fit": {"fit": "stretch", "width": 320, "height": 320},
    "upscale": {"upscale": True, "width": 1280},
    "crop": {"crop": "320:180"},
    "crop_edges": {"crop_edges": "0:0:8:8"},
    "rotate": {"rotate": 90},
    "flip": {"flip": "vertical"},
    "denoise": {"denoise": "light"},
    "sharpen": {"sharpen": 0.5},
    "overlays": {"overlays": (Overlay(uri="/logo.png"),)},
    "burn_subtitles": {"burn_subtitles": "0"},
    "color_matrix": {"color_matrix": "bt709"},
    "tone_map": {"tone_map": "off"},
    "manifests": {"manifests": ("hls",)},
    "segments": {"segments": "ts"},
    "segment_files": {"segment_files": "ranges"},
    "iframes": {"iframes": False},
    "progressive": {"progressive": True},
    "picture": {"picture": "thumbnails"},
    "at": {"at": (1.0,)},
    "count": {"count": 3},
    "every": {"every": 2},
    "columns": {"columns": 2},
    "rows": {"rows": 2},
    "picture_quality": {"picture_quality": 50},
    "archive": {"archive": True},
    "archive_above": {"archive_above": 3},
    "cut_spans": {"cut_spans": ({"start": 0, "end": 1},)},
    "cut_seconds": {"cut_seconds": 2},
    "cut_count": {"cut_count": 2},
}
#: Those that say nothing of the pictures of a file.
NOT_THE_PICTURES = {
    *(*SoundSettings.model_fields, *PackageSettings.model_fields),
    *(*StillSettings.model_fields, *PieceSettings.model_fields),
} - {"ladder"} | {
    "tone_map",
    "hardware",
    "overlays",
    "burn_subtitles",
}  # nothing to map here; all CPUs; see test_media_laid
#: Which tracks there are is no matter of their bytes.
OF_THE_SOUND = {*SoundSettings.model_fields, "start", "end", "duration"} - {"subtitles", "audio_tracks"}

#: What a film can have: stills have fields of their own, and no chunks.
OF_FILMS = [field for field in OTHER if field not in StillSettings.model_fields]
#: What must be said anyway, lest a field be refused.
BESIDE = {
    field: {"container": "package"}
    for field in ("manifests", "segments", "segment_files", "iframes", "progressive", "archive", "archive_above")
}

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


@pytest.mark.parametrize("field", OF_FILMS)
def test_a_chunk_has_another_address_when_its_bytes_may_be_others(field: str, plan: Plan) -> None:
    beside = BESIDE.get(field, {})
    before, after = keys(plan(beside)), keys(plan(beside | OTHER[field]))
    assert len(set(before)) == 2
    assert (before == after) == (field in NOT_THE_PICTURES)
    assert before == after or set(before).isdisjoint(after)


@pytest.mark.parametrize("field", OF_FILMS)
def test_sound_has_another_address_when_its_bytes_may_be_others(field: str, plan: Plan) -> None:
    beside = BESIDE.get(field, {})
    assert (plan(beside).sound_keys == plan(beside | OTHER[field]).sound_keys) == (field not in OF_THE_SOUND)


def test_the_true_peak_counts_beside_the_loudness(plan: Plan) -> None:
    assert plan({"loudness": -23}).sound_keys != plan({"loudness": -23, "true_peak": -2}).sound_keys


def test_another_container_of_the_same_family_has_the_same_sound(plan: Plan) -> None:
    mp4, ts, mkv = (plan({"container": name}).sound_keys for name in ("mp4", "ts", "mkv"))
    assert mp4 == ts != mkv


def test_the_two_numbers_of_a_buffer_count_each_for_itself(plan: Plan) -> None:
    caps = [(1_000_000, 100_000), (1_000_000, 200_000), (2_000_000, 100_000)]
    found = {keys(plan({"maxrate": rate, "bufsize": size}))[0] for rate, size in caps}
    assert len(found) == len(caps)


def test_the_order_of_the_encoders_keys_is_no_difference(plan: Plan) -> None:
    there, back = {"me": "umh", "ref": "2"}, {"ref": "2", "me": "umh"}
    assert keys(plan({"encoder_options": there})) == keys(plan({"encoder_options": back}))


def test_another_build_has_other_addresses(plan: Plan) -> None:
    assert keys(plan({})) != keys(plan({}, build="another"))
    assert plan({}).sound_keys != plan({}, build="another").sound_keys


@pytest.mark.parametrize("field", [*StillSettings.model_fields, "archive", "width", "crop", "start", "sharpen"])
def test_pictures_have_another_address_when_their_bytes_may_be_others(field: str, plan: Plan) -> None:
    several = {"picture": "thumbnails"} if field in {"count", "every", "archive"} else {}
    still = {"container": "jpg", "video_codec": "none", "audio_codec": "none", **several}
    before, after = plan(still).whole_key, plan(still | OTHER[field]).whole_key
    assert (before == after) == (field == "archive")
