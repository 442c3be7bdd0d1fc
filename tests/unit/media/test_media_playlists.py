"""Playlists as texts, read back by the library; codec names from configuration records."""

from dataclasses import dataclass

import m3u8
import pytest

from framemill.media.playlists import (
    Segments,
    Variant,
    bandwidth,
    codec_name,
    master_playlist,
    media_playlist,
    target_duration,
)

PICTURES = Segments(names=["00000.m4s", "00001.m4s"], durations=[4.004, 1.5], sizes=[1000, 300], codecs="avc1.64001F")
SOUND = Segments(names=["00000.m4s"], durations=[5.5], sizes=[5500], codecs="mp4a.40.2")


def test_a_media_playlist() -> None:
    text = media_playlist(PICTURES)
    assert text == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-TARGETDURATION:4\n"
        "#EXT-X-PLAYLIST-TYPE:VOD\n"
        '#EXT-X-MAP:URI="init.mp4"\n'
        "#EXTINF:4.004,\n"
        "00000.m4s\n"
        "#EXTINF:1.5,\n"
        "00001.m4s\n"
        "#EXT-X-ENDLIST\n"
    )
    read = m3u8.loads(text)
    assert [(segment.uri, segment.duration) for segment in read.segments] == [("00000.m4s", 4.004), ("00001.m4s", 1.5)]
    assert (read.is_endlist, read.is_independent_segments, read.segment_map[0].uri) == (True, True, "init.mp4")


@pytest.mark.parametrize(
    ("durations", "target"), [([4.0], 4), ([4.4], 4), ([4.6], 5), ([2.0, 6.006, 1.0], 6), ([0.04], 1), ([0.6], 1)]
)
def test_no_segment_is_longer_than_the_target_when_it_is_rounded(durations: list[float], target: int) -> None:
    segments = Segments(names=["a"] * len(durations), durations=durations, sizes=[1] * len(durations), codecs="")
    assert m3u8.loads(media_playlist(segments)).target_duration == target


def test_a_playlist_that_grows_says_that_there_is_more_to_come() -> None:
    text = media_playlist(PICTURES, target=6, growing=True)
    assert text == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-TARGETDURATION:6\n"
        "#EXT-X-PLAYLIST-TYPE:EVENT\n"
        '#EXT-X-MAP:URI="init.mp4"\n'
        "#EXTINF:4.004,\n"
        "00000.m4s\n"
        "#EXTINF:1.5,\n"
        "00001.m4s\n"
    )


def test_the_target_is_the_plans_from_the_first_segment_on() -> None:
    """It may not change, whichever segments are there."""
    first = Segments(names=["a"], durations=[2.0], sizes=[1], codecs="")
    both = Segments(names=["a", "b"], durations=[2.0, 5.7], sizes=[1, 1], codecs="")
    target = target_duration(both.durations)
    found = {
        m3u8.loads(media_playlist(some, target=target, growing=growing)).target_duration
        for some, growing in ((first, True), (both, True), (both, False))
    }
    assert found == {6}


def test_a_growing_package_states_more_than_it_has_seen_and_no_average() -> None:
    videos, sound = [Variant(folder="720p", segments=PICTURES)], Variant(folder="audio", segments=SOUND)
    early, late = (m3u8.loads(master_playlist(videos, sound, growing=growing)) for growing in (True, False))
    peak = bandwidth(PICTURES)[0] + bandwidth(SOUND)[0]
    assert (early.playlists[0].stream_info.bandwidth, early.playlists[0].stream_info.average_bandwidth) == (
        2 * peak,
        None,
    )
    assert late.playlists[0].stream_info.bandwidth == peak
    assert early.playlists[0].stream_info.codecs == late.playlists[0].stream_info.codecs


def test_a_master_playlist() -> None:
    text = master_playlist(
        [
            Variant(folder="720p", segments=PICTURES, width=1280, height=720),
            Variant(folder="360p", segments=PICTURES, width=640, height=360),
        ],
        Variant(folder="audio", segments=SOUND),
    )
    assert text == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-MEDIA:URI="audio/playlist.m3u8",TYPE=AUDIO,GROUP-ID="audio",NAME="main",DEFAULT=YES,AUTOSELECT=YES\n'
        "#EXT-X-STREAM-INF:BANDWIDTH=9999,AVERAGE-BANDWIDTH=9890,RESOLUTION=1280x720,"
        'CODECS="avc1.64001F,mp4a.40.2",AUDIO="audio"\n'
        "720p/playlist.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=9999,AVERAGE-BANDWIDTH=9890,RESOLUTION=640x360,"
        'CODECS="avc1.64001F,mp4a.40.2",AUDIO="audio"\n'
        "360p/playlist.m3u8\n"
    )
    read = m3u8.loads(text)
    assert [(one.uri, one.stream_info.resolution) for one in read.playlists] == [
        ("720p/playlist.m3u8", (1280, 720)),
        ("360p/playlist.m3u8", (640, 360)),
    ]
    assert [(media.type, media.uri) for media in read.media] == [("AUDIO", "audio/playlist.m3u8")]


def test_a_silent_film_has_no_audio_group() -> None:
    assert master_playlist([Variant(folder="360p", segments=PICTURES, width=640, height=360)], None) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=1999,AVERAGE-BANDWIDTH=1890,RESOLUTION=640x360,CODECS="avc1.64001F"\n'
        "360p/playlist.m3u8\n"
    )


def test_sound_alone_is_a_variant_of_its_own() -> None:
    read = m3u8.loads(master_playlist([], Variant(folder="audio", segments=SOUND)))
    (only,) = read.playlists
    assert (only.uri, only.stream_info.codecs, only.stream_info.bandwidth) == (
        "audio/playlist.m3u8",
        "mp4a.40.2",
        8000,
    )
    assert only.stream_info.audio is None


def test_bandwidth_is_the_peak_and_the_average() -> None:
    assert bandwidth(PICTURES) == (1999, 1890)  # 8 · 1000 / 4.004; 8 · 1300 / 5.504, rounded up
    assert bandwidth(Segments(names=[], durations=[], sizes=[], codecs="")) == (0, 0)
    assert bandwidth(Segments(names=["a"], durations=[0.0], sizes=[9], codecs="")) == (0, 0)


@dataclass
class CodecContext:
    """The part of a PyAV codec context that is read."""

    name: str
    extradata: bytes | None


@dataclass
class Stream:
    """The part of a PyAV stream that is read."""

    codec_context: CodecContext


def hevc(profile: int, flags: int, constraints: bytes, level: int, tier: int = 0) -> bytes:
    """The first bytes of an hvcC record (ISO/IEC 14496-15, 8.3.3.1.2)."""
    return bytes([1, tier << 5 | profile]) + flags.to_bytes(4, "big") + constraints.ljust(6, b"\0") + bytes([level])


@pytest.mark.parametrize(
    ("codec", "record", "name"),
    [
        ("h264", bytes.fromhex("0164001fffe1"), "avc1.64001F"),
        ("h264", bytes.fromhex("0142c00affe1"), "avc1.42C00A"),
        # Main, its compatibility bits 1 and 2, level 3.1: the usual example of Apple's authoring guide
        ("hevc", hevc(1, 0x60000000, b"\xb0", 93), "hvc1.1.6.L93.B0"),
        ("hevc", hevc(2, 0x20000000, b"\x90", 150, tier=1), "hvc1.2.4.H150.90"),
        ("hevc", hevc(1, 0x60000000, b"", 120), "hvc1.1.6.L120"),
        ("hevc", hevc(4, 0x08000000, b"\x9c\x08", 93), "hvc1.4.10.L93.9C.8"),
        ("libdav1d", bytes.fromhex("81080c00"), "av01.0.08M.08"),
        ("av1", bytes.fromhex("810d4c00"), "av01.0.13M.10"),
        ("libdav1d", bytes.fromhex("812dcc00"), "av01.1.13H.10"),
        ("aac", b"\x12\x10", "mp4a.40.2"),
        ("opus", None, "opus"),
    ],
)
def test_a_codec_is_named_by_its_record(codec: str, record: bytes | None, name: str) -> None:
    assert codec_name(Stream(CodecContext(codec, record))) == name
