"""Commands for what is encoded or copied whole, and which text tracks go where."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from framemill.jobs.settings import Container, OutputSettings
from framemill.media.index import FirstFrame
from framemill.media.inspect import SoundTimes
from framemill.media.options import AUDIO_CPU_FLAGS
from framemill.media.sound import carrier, remux_command, sound_command, text_command, text_tracks
from framemill.media.source import Source

OUT = Path("/out")
BARE = ["-fflags", "+bitexact", "-map_chapters", "-1", "-map_metadata", "-1"]
QUIET = ["-nostdin", "-v", "level+warning", "-max_error_rate", "1"]
SOUND_END = [*QUIET, *AUDIO_CPU_FLAGS, "-y"]


def test_sound_is_encoded_whole_from_its_own_start(source: Source) -> None:
    graph = "[0:a:0]asetpts=round(PTS-(1)/TB)[s0];[s0]aformat=channel_layouts=stereo[s1]"
    assert sound_command(source, OutputSettings(), OUT) == [
        *("-copyts", "-threads", "1", "-i", "/in.mkv", "-filter_complex", graph, "-map", "[s1]"),
        *("-f", "mp4", "-ar", "44100", "-b:a", "128000", "-c:a", "aac", *BARE, "/out", *SOUND_END),
    ]


def test_sound_of_a_package_can_be_read_while_it_is_encoded(source: Source) -> None:
    """In fragments of a second, each written at once; the priming stays."""
    argv, file = (sound_command(source, OutputSettings(container=kind), OUT) for kind in ("package", "mp4"))
    extra = {"-movflags": "delay_moov+default_base_moof", "-frag_duration": "1000000", "-flush_packets": "1"}
    assert {name: argv[argv.index(name) + 1] for name in extra} == extra
    assert sorted(argv) == sorted([*file, *extra, *extra.values()])


def test_sound_for_webm_travels_as_matroska(source: Source) -> None:
    settings = OutputSettings(container="webm", video_codec="vp9", audio_codec="opus", audio_channels=1)
    graph = "[0:a:0]asetpts=round(PTS-(1)/TB)[s0];[s0]aformat=channel_layouts=mono[s1]"
    assert sound_command(source, settings, OUT) == [
        *("-copyts", "-threads", "1", "-i", "/in.mkv", "-filter_complex", graph, "-map", "[s1]"),
        *("-f", "matroska", "-ar", "48000", "-b:a", "64000", "-c:a", "libopus", *BARE, "/out", *SOUND_END),
    ]


def test_sound_of_more_channels_than_any_layout_is_mixed_down(source: Source) -> None:
    source.sound["channels"] = 24
    assert sound_command(source, OutputSettings(audio_channels=2), OUT) == [
        *("-copyts", "-threads", "1", "-i", "/in.mkv"),
        *("-filter_complex", "[0:a:0]asetpts=round(PTS-(1)/TB)[s0]", "-map", "[s0]"),
        *("-f", "mp4", "-ac", "2", "-ar", "44100", "-b:a", "128000", "-c:a", "aac", *BARE, "/out", *SOUND_END),
    ]


def test_of_many_channels_that_stand_nowhere_the_first_are_kept(source: Source) -> None:
    source.sound.update(channels=10, channel_layout="10 channels")
    argv = sound_command(source, OutputSettings(), OUT)
    graph = argv[argv.index("-filter_complex") + 1].replace("\\", "")  # ffmpeg's own way to write `=` in a graph
    assert (
        graph == "[0:a:0]asetpts=round(PTS-(1)/TB)[s0];[s0]pan=7.1|c0=c0|c1=c1|c2=c2|c3=c3|c4=c4|c5=c5|c6=c6|c7=c7[s1]"
    )


@pytest.mark.parametrize(
    ("widest", "backwards", "filled"),
    [
        (0.0, False, False),
        (0.09, False, False),
        (0.1, False, True),
        (60.0, False, True),
        (61.0, False, False),
        (1.0, True, False),
    ],
)
def test_a_hole_becomes_silence_unless_it_is_jitter_or_a_wild_time(
    source: Source, widest: float, backwards: bool, filled: bool
) -> None:
    times = SoundTimes(widest_gap_seconds=widest, backwards=backwards)
    holed = source.model_copy(update={"inspection": source.inspection.model_copy(update={"sound": times})})
    assert any("aresample=async=1" in word for word in sound_command(holed, OutputSettings(), OUT)) is filled


def test_copied_sound_is_moved_to_0(source: Source) -> None:
    assert sound_command(source, OutputSettings(audio_codec="copy"), OUT) == [
        *("-copyts", "-threads", "1", "-i", "/in.mkv", "-map", "0:a:0"),
        *("-f", "mp4", "-c:a", "copy", *BARE, "-output_ts_offset", "-1.000000", "/out", *SOUND_END),
    ]


def test_the_chosen_sound_is_named_by_its_place_among_the_sounds(source: Source) -> None:
    facts = source.inspection.facts
    facts["streams"].insert(1, {"index": 7, "codec_type": "audio", "codec_name": "ac3"})
    assert source.sound_rank == 1
    assert "0:a:1" in sound_command(source, OutputSettings(audio_codec="copy"), OUT)


@pytest.mark.parametrize(
    ("container", "muxer", "codec"),
    [("mp4", "mp4", "mov_text"), ("mov", "mp4", "mov_text"), ("mkv", "matroska", "srt")],
)
def test_a_text_track_counts_from_the_outputs_zero(container: Container, muxer: str, codec: str) -> None:
    assert text_command("/in.mkv", 2, OutputSettings(container=container), Fraction(2, 5), OUT) == [
        *("-copyts", "-i", "/in.mkv", "-map", "0:s:2"),
        *("-f", muxer, "-c:s", codec, *BARE, "-output_ts_offset", "-0.400000", "/out", *QUIET, "-y"),
    ]


def test_a_text_track_for_webm_is_webvtt() -> None:
    settings = OutputSettings(container="webm", video_codec="vp9", audio_codec="opus")
    argv = text_command("/in.mkv", 0, settings, Fraction(0), OUT)
    assert argv[argv.index("-f") + 1 : argv.index("-f") + 4] == ["webm", "-c:s", "webvtt"]


TEXTS = [
    {"codec_type": "video", "codec_name": "h264"},
    {"codec_type": "subtitle", "codec_name": "subrip", "tags": {"language": "ger"}},
    {"codec_type": "subtitle", "codec_name": "hdmv_pgs_subtitle", "tags": {"language": "eng"}},
    {"codec_type": "audio", "codec_name": "aac"},
    {"codec_type": "subtitle", "codec_name": "mov_text"},
    {"codec_type": "subtitle"},
]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [(0, "ger"), (2, "")]),
        ({"container": "mov"}, [(0, "ger"), (2, "")]),
        ({"container": "mkv"}, [(0, "ger"), (2, "")]),
        ({"container": "webm", "video_codec": "vp9", "audio_codec": "opus"}, [(0, "ger"), (2, "")]),
        ({"container": "package"}, []),
        ({"subtitles": "none"}, []),
    ],
)
def test_text_tracks_that_the_container_takes(settings: dict[str, Any], expected: list[tuple[int, str]]) -> None:
    assert text_tracks({"streams": TEXTS}, OutputSettings(**settings)) == expected


@pytest.mark.parametrize(
    ("container", "family"), [("mp4", "mp4"), ("mov", "mp4"), ("package", "mp4"), ("mkv", "matroska")]
)
def test_sound_travels_in_the_family_of_its_container(container: Container, family: str) -> None:
    assert carrier(OutputSettings(container=container)) == family


def test_a_copy_takes_pictures_sound_and_texts(source: Source) -> None:
    settings = OutputSettings(video_codec="copy", audio_codec="copy")
    assert remux_command(source, settings, OUT) == [
        *("-i", "/in.mkv", "-map", "0:V:0", "-map", "0:a:0", "-map", "0:s:0", "-map", "0:s:2"),
        *("-f", "mp4", "-c:a", "copy", "-c:s", "mov_text", "-c:v", "copy", "-copyinkf", "-fflags", "+bitexact"),
        *("-movflags", "+faststart", "/out", *SOUND_END),
    ]


def test_a_copy_may_encode_its_sound(source: Source) -> None:
    settings = OutputSettings(container="mkv", video_codec="copy", audio_codec="opus", subtitles="none")
    assert remux_command(source, settings, OUT) == [
        *("-i", "/in.mkv", "-map", "0:V:0", "-map", "0:a:0"),
        *("-f", "matroska", "-ar", "48000", "-b:a", "128000", "-c:a", "libopus", "-c:v", "copy", "-copyinkf"),
        *("-fflags", "+bitexact", "/out", *SOUND_END),
    ]


def test_a_copy_may_mix_its_sound(source: Source) -> None:
    settings = OutputSettings(video_codec="copy", audio_channels=1, subtitles="none")
    assert remux_command(source, settings, OUT)[:8] == [
        *("-i", "/in.mkv", "-filter_complex", "[0:a:0]aformat=channel_layouts=mono[s0]"),
        *("-map", "0:V:0", "-map", "[s0]"),
    ]


def test_a_copy_of_sound_alone(source: Source) -> None:
    alone = source.model_copy(update={"first_picture": None})
    argv = remux_command(alone, OutputSettings(container="mkv", video_codec="copy", subtitles="none"), OUT)
    assert argv[:4] == ["-i", "/in.mkv", "-map", "0:a:0"]


def test_a_source_without_sound_has_no_facts_of_it(source: Source) -> None:
    silent = source.inspection.model_copy(update={"audio": None})
    assert source.model_copy(update={"inspection": silent}).sound == {}
    assert source.first_sound == FirstFrame(time_base=Fraction(1, 44100), pts=44100)
