"""What the presets make, read back by others than who wrote it."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import m3u8
import oracle
import pytest

from framemill.media.boxes import track_starts

Encode = Callable[..., dict[str, Any]]
Clip = Callable[[str], Path]

MILLISECOND = Fraction(1, 1000)


def assert_same_times(source: Path, output: Path) -> None:
    """As many frames as the source has, each at its time (within a tick of the coarser clock)."""
    expected, got, sound = oracle.decode(source), oracle.decode(output), oracle.audio_samples(source)
    written = oracle.audio_samples(output)
    zero = min([expected.frames[0].time, *([sound.start] if sound and written else [])])
    assert len(got.frames) == len(expected.frames)
    tick = max(expected.tick, got.tick)
    assert max(abs(a.time - zero - b.time) for a, b in zip(expected.frames, got.frames, strict=True)) <= tick
    if sound and written:
        assert abs(sound.start - zero - written.start) <= max(MILLISECOND, Fraction(1, sound.rate))


@pytest.mark.parametrize("name", ["cfr_29_97.mp4", "vfr.mp4", "late_audio.mp4", "late_video.mp4"])
@pytest.mark.parametrize(
    ("preset", "target"),
    [
        ("h264", "out.mp4"),
        ("h264", "out.mkv"),
        ("h264", "out.mov"),
        ("h265", "out.mp4"),
        ("av1", "out.mp4"),
        ("av1", "out.webm"),
        ("vp9", "out.webm"),
        ("copy", "out.mkv"),
    ],
)
def test_frames_and_sound_keep_their_times(
    *, name: str, preset: str, target: str, clip: Clip, encode: Encode, tmp_path: Path
) -> None:
    cut = {} if preset == "copy" else {"chunks": 5}
    speed = {} if preset in {"copy", "lossless"} else {"encoder_preset": _FASTEST[preset]}

    row = encode(clip(name), target, preset, **cut, **speed)

    assert row["state"] == "completed", row["message"]
    assert_same_times(clip(name), tmp_path / target)


_FASTEST = {"h264": "ultrafast", "h265": "ultrafast", "av1": "12", "vp9": "5"}


def test_the_sound_is_that_of_a_whole_file_encode(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    whole = encode(clip("cfr_29_97.mp4"), "whole.mp4", "h264", chunks=1)
    chunked = encode(clip("cfr_29_97.mp4"), "chunked.mp4", "h264", chunk_frames=12)

    assert whole["state"] == chunked["state"] == "completed"
    assert oracle.audio_samples(tmp_path / "whole.mp4") == oracle.audio_samples(tmp_path / "chunked.mp4")
    source = oracle.audio_samples(clip("cfr_29_97.mp4"))
    sound = oracle.audio_samples(tmp_path / "chunked.mp4")
    assert source is not None
    assert sound is not None
    assert 0 <= sound.samples - source.samples < 1024  # AAC counts in blocks


@pytest.mark.parametrize("name", ["late_audio.mp4", "late_video.mp4"])
def test_the_boxes_start_both_tracks_where_the_source_does(
    name: str, clip: Clip, encode: Encode, tmp_path: Path
) -> None:
    row = encode(clip(name), "out.mp4", "h264", chunks=3)

    assert row["state"] == "completed"
    pictures, sound = oracle.decode(clip(name)), oracle.audio_samples(clip(name))
    assert sound is not None
    zero = min(pictures.frames[0].time, sound.start)
    starts = {start.handler: start.seconds for start in track_starts(tmp_path / "out.mp4")}
    assert abs(starts["vide"] - (pictures.frames[0].time - zero)) <= pictures.tick
    assert abs(starts["soun"] - (sound.start - zero)) <= Fraction(1, sound.rate)
    others = {start.kind: start.start for start in oracle.box_starts(tmp_path / "out.mp4")}
    assert others == starts


@pytest.mark.parametrize("name", ["cfr_29_97.mp4", "vfr.mp4", "late_video.mp4", "late_audio.mp4"])
def test_a_package_shows_every_frame_at_its_time(name: str, clip: Clip, encode: Encode, tmp_path: Path) -> None:
    row = encode(clip(name), "package", "hls", encoder_preset="ultrafast", segment_seconds=1)

    assert row["state"] == "completed", row["message"]
    assert_same_times(clip(name), tmp_path / "package" / "master.m3u8")
    assert_same_times(clip(name), tmp_path / "package" / "video.mp4")


def test_the_segments_of_all_renditions_are_aligned(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    ladder = '[{"height": 180, "crf": 30}, {"height": 120, "crf": 30}, {"height": 90, "crf": 30}]'
    row = encode(clip("cfr_29_97.mp4"), "package", "hls", ladder=ladder, segment_seconds=1, chunks=3)

    assert row["state"] == "completed", row["message"]
    master = m3u8.load(str(tmp_path / "package" / "master.m3u8"))
    assert len(master.playlists) == 3
    media = [m3u8.load(str(tmp_path / "package" / playlist.uri)) for playlist in master.playlists]
    assert len({tuple(segment.duration for segment in playlist.segments) for playlist in media}) == 1
    for playlist in media:
        folder = Path(playlist.base_uri)
        init = (folder / "init.mp4").read_bytes()
        for segment in playlist.segments:  # each can be decoded with nothing but the init segment
            alone = tmp_path / "alone.mp4"
            alone.write_bytes(init + (folder / segment.uri).read_bytes())
            with av.open(str(alone)) as container:
                first = next(packet for packet in container.demux(video=0))
                assert first.is_keyframe
    assert (tmp_path / "package" / master.media[0].uri).exists()


def test_a_source_without_sound_and_one_without_pictures_work(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    silent = encode(clip("video_only.mp4"), "silent.mp4")
    heard = encode(clip("audio_only.m4a"), "heard.mp4")
    packaged = encode(clip("audio_only.m4a"), "heard")

    assert [silent["state"], heard["state"], packaged["state"]] == ["completed"] * 3
    assert oracle.audio_samples(tmp_path / "silent.mp4") is None
    assert oracle.audio_samples(tmp_path / "heard.mp4") is not None
    assert oracle.audio_samples(tmp_path / "heard" / "master.m3u8") is not None


def test_text_subtitles_come_along_where_the_container_takes_them(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    for target, codec in (("out.mp4", "mov_text"), ("out.mkv", "subrip"), ("out.webm", "webvtt")):
        row = encode(clip("srt.mkv"), target, encoder_preset="5" if target == "out.webm" else "ultrafast")
        assert row["state"] == "completed", row["message"]
        with av.open(str(tmp_path / target)) as container:
            assert [stream.codec_context.codec.canonical_name for stream in container.streams.subtitles] == [codec]


def test_cover_art_is_no_video(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    row = encode(clip("cover_first.mp4"), "out.mp4")

    assert row["state"] == "completed"
    assert row["report"]["source"]["video_stream"] == 1
    assert len(oracle.decode(tmp_path / "out.mp4").frames) == len(oracle.decode(clip("cover_first.mp4")).frames)


def test_the_report_carries_the_proof(clip: Clip, encode: Encode, tmp_path: Path) -> None:
    row = encode(clip("cfr_29_97.mp4"), "out.mp4", chunks=4)

    report = row["report"]
    output = report["outputs"][0]
    assert output["proof"]["frames"] == output["proof"]["frames_planned"] == report["plan"]["index"]["frames"]
    assert output["proof"]["seams"] == 3
    assert output["files"][0]["size"] == (tmp_path / "out.mp4").stat().st_size
    assert report["source"]["format"]["filename"] == str(clip("cfr_29_97.mp4"))
