"""Commands for what is encoded or copied whole, and which text tracks go where."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from framemill.jobs.settings import Container, OutputSettings
from framemill.media.index import FirstFrame
from framemill.media.sound import Prepared, remux_command, sound_command, tags_of, text_command
from framemill.media.soundcodecs import AUDIO_CPU_FLAGS
from framemill.media.source import Source
from framemill.media.tracks import Voice, text_codec, text_tracks

OUT = Path("/out")
BARE = ["-fflags", "+bitexact", "-map_chapters", "-1", "-map_metadata", "-1"]
QUIET = ["-nostdin", "-v", "level+warning", "-max_error_rate", "1"]
SOUND_END = [*QUIET, *AUDIO_CPU_FLAGS, "-y"]


VOICE = Voice(rank=0, stream=1, begin=Fraction(1))


def made(source: Source, settings: OutputSettings, voice: Voice = VOICE, **more: Any) -> list[str]:
    return sound_command(source, Prepared(voice, **more), settings, OUT)


def test_sound_is_encoded_whole_from_its_own_start(source: Source) -> None:
    graph = "[0:a:0]asetpts=round(PTS-(1)/TB)[s0];[s0]aformat=channel_layouts=stereo[s1]"
    assert made(source, OutputSettings()) == [
        *("-copyts", "-threads", "1", "-i", "/in.mkv", "-filter_complex", graph, "-map", "[s1]"),
        *("-f", "mp4", "-ar", "44100", "-b:a", "128000", "-c:a", "aac", *BARE, "/out", *SOUND_END),
    ]


def test_sound_of_a_package_can_be_read_while_it_is_encoded(source: Source) -> None:
    """In fragments of a second, each written at once; the priming stays."""
    argv, file = (made(source, OutputSettings(container=kind)) for kind in ("package", "mp4"))
    extra = {"-movflags": "delay_moov+default_base_moof", "-frag_duration": "1000000", "-flush_packets": "1"}
    assert {name: argv[argv.index(name) + 1] for name in extra} == extra
    assert sorted(argv) == sorted([*file, *extra, *extra.values()])


def test_sound_for_webm_travels_as_matroska(source: Source) -> None:
    settings = OutputSettings(container="webm", video_codec="vp9", audio_codec="opus", audio_channels=1)
    graph = "[0:a:0]asetpts=round(PTS-(1)/TB)[s0];[s0]aformat=channel_layouts=mono[s1]"
    assert made(source, settings) == [
        *("-copyts", "-threads", "1", "-i", "/in.mkv", "-filter_complex", graph, "-map", "[s1]"),
        *("-f", "matroska", "-ar", "48000", "-b:a", "64000", "-c:a", "libopus", *BARE, "/out", *SOUND_END),
    ]


def test_sound_of_more_channels_than_any_layout_is_mixed_down(source: Source) -> None:
    source.sound["channels"] = 24
    assert made(source, OutputSettings(audio_channels=2)) == [
        *("-copyts", "-threads", "1", "-i", "/in.mkv"),
        *("-filter_complex", "[0:a:0]asetpts=round(PTS-(1)/TB)[s0]", "-map", "[s0]"),
        *("-f", "mp4", "-ac", "2", "-ar", "44100", "-b:a", "128000", "-c:a", "aac", *BARE, "/out", *SOUND_END),
    ]


def test_of_many_channels_that_stand_nowhere_the_first_are_kept(source: Source) -> None:
    source.sound.update(channels=10, channel_layout="10 channels")
    argv = made(source, OutputSettings())
    graph = argv[argv.index("-filter_complex") + 1]
    kept = "|".join(rf"c{n}\\=c{n}" for n in range(8))  # `=` in a value in a graph: once for each that reads it
    assert graph == f"[0:a:0]asetpts=round(PTS-(1)/TB)[s0];[s0]pan=args=7.1|{kept}[s1]"


def test_a_sound_that_strays_is_kept_to_its_times(source: Source) -> None:
    argv = made(source, OutputSettings(), keeping={"async": "1", "min_hard_comp": "0.001"})
    assert "[s0]aresample=async=1:min_hard_comp=0.001[s1]" in graph(argv)


def test_copied_sound_is_moved_to_0(source: Source) -> None:
    assert made(source, OutputSettings(audio_codec="copy")) == [
        *("-copyts", "-threads", "1", "-i", "/in.mkv", "-map", "0:a:0"),
        *("-f", "mp4", "-c:a", "copy", *BARE, "-output_ts_offset", "-1.000000", "/out", *SOUND_END),
    ]


def test_the_chosen_sound_is_named_by_its_place_among_the_sounds(source: Source) -> None:
    facts = source.inspection.facts
    facts["streams"].insert(1, {"index": 7, "codec_type": "audio", "codec_name": "ac3"})
    voice = VOICE.model_copy(update={"rank": 1})
    assert "0:a:1" in made(source, OutputSettings(audio_codec="copy"), voice)


def graph(argv: list[str]) -> str:
    return argv[argv.index("-filter_complex") + 1].replace("\\", "")


def test_a_clip_is_cut_by_time_from_its_begin(source: Source) -> None:
    voice = VOICE.model_copy(update={"begin": Fraction(3, 2), "end": Fraction(4), "cut": True})
    assert "asetpts=round(PTS-(3/2)/TB)[s0];[s0]atrim=end=2.500000:start=0[s1]" in graph(
        made(source, OutputSettings(), voice)
    )


def test_a_sound_that_begins_within_the_clip_is_cut_at_its_end_alone(source: Source) -> None:
    voice = VOICE.model_copy(update={"end": Fraction(4)})
    assert "atrim=end=3.000000[" in graph(made(source, OutputSettings(), voice))


def test_a_gain_comes_last(source: Source) -> None:
    assert graph(made(source, OutputSettings(loudness=-23), gain=-2.5)).endswith("[s1]volume=volume=-2.50dB[s2]")
    assert "volume" not in graph(made(source, OutputSettings(loudness=-23)))


def test_a_file_of_sound_has_the_sources_tags(source: Source) -> None:
    source.inspection.facts["format"]["tags"] = {"TITLE": "A=B", "encoder": "x", "artist": ""}
    settings = OutputSettings(container="flac", video_codec="none")
    assert tags_of(source, settings) == {"title": "A=B"}
    assert tags_of(source, OutputSettings()) == {}
    argv = made(source, settings)
    assert argv[argv.index("-metadata") + 1] == "title=A=B"
    assert argv.index("-metadata") < argv.index("/out")


@pytest.mark.parametrize(
    ("container", "muxer", "codec"),
    [
        ("mp4", "mp4", "mov_text"),
        ("mov", "mp4", "mov_text"),
        ("mkv", "matroska", "srt"),
        ("package", "webvtt", "webvtt"),
    ],
)
def test_a_text_track_counts_from_the_outputs_zero(
    source: Source, container: Container, muxer: str, codec: str
) -> None:
    cut = (
        "noise=drop='if(d,lte((pts+d)*tb,0.400000),lt(pts*tb,0.400000))',"
        "setts=ts='max(PTS-0.400000/TB,0)':duration='if(DURATION,PTS+DURATION-max(PTS,0.400000/TB),0)'"
    )
    assert text_command(source, 0, OutputSettings(container=container), Fraction(2, 5), None, OUT) == [
        *("-copyts", "-i", "/in.mkv", "-map", "0:s:0"),
        *("-f", muxer, "-bsf:s", cut, "-c:s", codec, *BARE, "/out", *QUIET, "-y"),
    ]


def test_a_text_track_of_a_clip_ends_with_it(source: Source) -> None:
    argv = text_command(source, 0, OutputSettings(), Fraction(1), Fraction(3), OUT)
    cut = argv[argv.index("-bsf:s") + 1]
    assert "+gte(pts*tb,3.000000)" in cut
    assert "min(PTS+DURATION,3.000000/TB)-max(PTS,1.000000/TB)" in cut


@pytest.mark.parametrize(
    ("container", "codec", "kept"),
    [
        ("mkv", "ass", "ass"), ("mkv", "mov_text", "srt"), ("mkv", "hdmv_pgs_subtitle", "copy"),
        ("mp4", "ass", "mov_text"),
        ("mp4", "hdmv_pgs_subtitle", ""), ("webm", "subrip", "webvtt"), ("ts", "subrip", ""), ("mkv", "unknown", ""),
        ("package", "ass", "webvtt"),
    ],
)  # fmt: skip
def test_a_text_becomes_what_the_container_takes(container: Container, codec: str, kept: str) -> None:
    assert text_codec(container, codec) == kept


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
        ({"container": "mkv"}, [(0, "ger"), (1, "eng"), (2, "")]),
        ({"container": "webm", "video_codec": "vp9", "audio_codec": "opus"}, [(0, "ger"), (2, "")]),
        ({"container": "package"}, [(0, "ger"), (2, "")]),
        ({"container": "ts"}, []),
        ({"subtitles": "none"}, []),
    ],
)
def test_text_tracks_that_the_container_takes(settings: dict[str, Any], expected: list[tuple[int, str]]) -> None:
    assert text_tracks({"streams": TEXTS}, OutputSettings(**settings)) == expected


SOUNDS = [Prepared(VOICE)]


def test_a_copy_takes_pictures_sound_and_texts(source: Source) -> None:
    settings = OutputSettings(video_codec="copy", audio_codec="copy")
    assert remux_command(source, SOUNDS, settings, OUT) == [
        *("-i", "/in.mkv", "-map", "0:V:0", "-map", "0:a:0", "-map", "0:s:0", "-map", "0:s:2"),
        *(
            "-f",
            "mp4",
            "-c:a",
            "copy",
            "-c:s:0",
            "mov_text",
            "-c:s:1",
            "mov_text",
            "-c:v",
            "copy",
            "-copyinkf",
            "-fflags",
            "+bitexact",
        ),
        *("-movflags", "+faststart", "/out", *SOUND_END),
    ]


def test_a_copy_may_encode_its_sound(source: Source) -> None:
    settings = OutputSettings(container="mkv", video_codec="copy", audio_codec="opus", subtitles="none")
    assert remux_command(source, SOUNDS, settings, OUT) == [
        *("-i", "/in.mkv", "-map", "0:V:0", "-map", "0:a:0"),
        *("-f", "matroska", "-ar", "48000", "-b:a", "128000", "-c:a", "libopus", "-c:v", "copy", "-copyinkf"),
        *("-fflags", "+bitexact", "/out", *SOUND_END),
    ]


def test_a_copy_may_mix_its_sound(source: Source) -> None:
    settings = OutputSettings(video_codec="copy", audio_channels=1, subtitles="none")
    assert remux_command(source, SOUNDS, settings, OUT)[:8] == [
        *("-i", "/in.mkv", "-filter_complex", "[0:a:0]aformat=channel_layouts=mono[s0]"),
        *("-map", "0:V:0", "-map", "[s0]"),
    ]


def test_a_copy_of_sound_alone(source: Source) -> None:
    alone = source.model_copy(update={"first_picture": None})
    argv = remux_command(alone, SOUNDS, OutputSettings(container="mkv", video_codec="copy", subtitles="none"), OUT)
    assert argv[:4] == ["-i", "/in.mkv", "-map", "0:a:0"]


def test_a_source_without_sound_has_no_facts_of_it(source: Source) -> None:
    silent = source.inspection.model_copy(update={"audio": None})
    assert source.model_copy(update={"inspection": silent}).sound == {}
    assert source.first_sound == FirstFrame(time_base=Fraction(1, 44100), pts=44100)
