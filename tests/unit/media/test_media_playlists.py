"""Playlists as texts, read back by the library; codec names from configuration records."""

from dataclasses import dataclass
from fractions import Fraction

import m3u8
import pytest

from framemill.media.codecnames import codec_name
from framemill.media.listing import Heard, Listed, Subtitle, Variant
from framemill.media.playlists import (
    bandwidth,
    iframe_playlist,
    master_playlist,
    media_playlist,
    target_duration,
    text_playlist,
)
from framemill.media.segments import Keyframe, Segments, TrackKind, joined

PICTURES = Segments(
    names=["00000.m4s", "00001.m4s"],
    durations=[4.004, 1.5],
    sizes=[1000, 300],
    codecs="avc1.64001F",
    init="init.mp4",
    init_size=700,
    scale=1000,
    bounds=[0, 4004, 5504],
    keys=[
        Keyframe(segment=0, at=0, size=400, seconds=0.0),
        Keyframe(segment=0, at=600, size=200, seconds=2.002),
        Keyframe(segment=1, at=0, size=100, seconds=4.004),
    ],
)
SOUND = Segments(names=["00000.m4s"], durations=[5.5], sizes=[5500], codecs="mp4a.40.2", init="init.mp4")


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
    listed = Listed(videos=[Variant(folder="720p", segments=PICTURES)], sounds=[Heard(folder="audio", segments=SOUND)])
    early, late = (m3u8.loads(master_playlist(listed, growing=growing)) for growing in (True, False))
    peak = bandwidth(PICTURES)[0] + bandwidth(SOUND)[0]
    assert (early.playlists[0].stream_info.bandwidth, early.playlists[0].stream_info.average_bandwidth) == (
        2 * peak,
        None,
    )
    assert late.playlists[0].stream_info.bandwidth == peak
    assert early.playlists[0].stream_info.codecs == late.playlists[0].stream_info.codecs


def test_a_master_playlist() -> None:
    text = master_playlist(
        Listed(
            videos=[
                Variant(folder="720p", segments=PICTURES, width=1280, height=720),
                Variant(folder="360p", segments=PICTURES, width=640, height=360),
            ],
            sounds=[Heard(folder="audio", segments=SOUND)],
        )
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
    listed = Listed(videos=[Variant(folder="360p", segments=PICTURES, width=640, height=360)])
    assert master_playlist(listed) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=1999,AVERAGE-BANDWIDTH=1890,RESOLUTION=640x360,CODECS="avc1.64001F"\n'
        "360p/playlist.m3u8\n"
    )


def test_every_sound_and_text_is_in_a_group_that_all_renditions_name() -> None:
    german = SOUND.model_copy(update={"sizes": [11000], "kind": TrackKind(channels=6)})
    listed = Listed(
        videos=[Variant(folder="360p", segments=PICTURES, rate=Fraction(30000, 1001))],
        sounds=[
            Heard(folder="audio", segments=SOUND, name="en", language="en"),
            Heard(folder="audio-2", segments=german, name="de", language="de", default=False),
        ],
        subtitles=[Subtitle(folder="subtitles", name="en", language="en")],
    )
    read = m3u8.loads(master_playlist(listed))
    assert [(one.type, one.language, one.default, one.uri, one.channels) for one in read.media] == [
        ("AUDIO", "en", "YES", "audio/playlist.m3u8", None),
        ("AUDIO", "de", "NO", "audio-2/playlist.m3u8", "6"),
        ("SUBTITLES", "en", "NO", "subtitles/playlist.m3u8", None),
    ]
    info = read.playlists[0].stream_info
    assert (info.audio, info.subtitles, info.frame_rate) == ("audio", "subtitles", 29.97)
    assert info.bandwidth == bandwidth(PICTURES)[0] + bandwidth(german)[0]  # with the heaviest that one may choose
    assert info.codecs == "avc1.64001F,mp4a.40.2"


def test_high_dynamic_range_is_said() -> None:
    hdr = PICTURES.model_copy(update={"kind": TrackKind(range="PQ")})
    read = m3u8.loads(master_playlist(Listed(videos=[Variant(folder="360p", segments=hdr)], iframes=True)))
    assert read.playlists[0].stream_info.video_range == "PQ"
    assert read.iframe_playlists[0].iframe_stream_info.video_range == "PQ"


def test_keyframes_are_named_by_their_ranges() -> None:
    read = m3u8.loads(iframe_playlist(PICTURES))
    assert (read.is_i_frames_only, read.is_endlist, read.target_duration) == (True, True, 2)
    assert [(one.uri, one.byterange, one.duration) for one in read.segments] == [
        ("00000.m4s", "400@0", 2.002), ("00000.m4s", "200@600", 2.002), ("00001.m4s", "100@0", 1.5),
    ]  # fmt: skip
    listed = Listed(videos=[Variant(folder="360p", segments=PICTURES, width=640, height=360)], iframes=True)
    (one,) = m3u8.loads(master_playlist(listed)).iframe_playlists
    assert (one.uri, one.iframe_stream_info.bandwidth) == ("360p/iframes.m3u8", 1599)  # 8 · 400 / 2.002
    assert one.iframe_stream_info.resolution == (640, 360)


IN_ONE_FILE = PICTURES.model_copy(update={"names": ["media.mp4"] * 2, "init": "media.mp4", "offsets": [900, 1900]})


def test_all_in_one_file_is_named_by_ranges() -> None:
    read = m3u8.loads(media_playlist(IN_ONE_FILE))
    assert [(one.uri, one.byterange) for one in read.segments] == [("media.mp4", "1000@900"), ("media.mp4", "300@1900")]
    assert (read.segment_map[0].uri, read.segment_map[0].byterange) == ("media.mp4", "700@0")
    keys = m3u8.loads(iframe_playlist(IN_ONE_FILE)).segments
    assert [one.byterange for one in keys] == ["400@900", "200@1500", "100@1900"]


def test_a_transport_stream_needs_no_init_segment() -> None:
    text = media_playlist(PICTURES.model_copy(update={"init": ""}))
    assert "EXT-X-MAP" not in text
    assert "#EXT-X-VERSION:4" in text


def test_a_text_is_there_as_a_whole() -> None:
    read = m3u8.loads(text_playlist("subtitles.vtt", 5400.5))
    assert [(one.uri, one.duration) for one in read.segments] == [("subtitles.vtt", 5400.5)]
    assert (read.is_endlist, read.target_duration) == (True, 5400)


def test_what_follows_is_added_to_what_is_there() -> None:
    first = PICTURES.model_copy(
        update={"names": ["0"], "durations": [4.004], "sizes": [1000], "bounds": [0, 4004], "keys": PICTURES.keys[:2]}
    )
    more = PICTURES.model_copy(
        update={
            "names": ["1"], "durations": [1.5], "sizes": [300], "bounds": [4004, 5504], "keys": PICTURES.keys[2:],
            "init_size": 0,
        }
    )  # fmt: skip
    assert joined(first, more) == PICTURES.model_copy(update={"names": ["0", "1"]})
    assert joined(None, first) == joined(first, None) == first


def test_sound_alone_is_a_variant_of_its_own() -> None:
    read = m3u8.loads(master_playlist(Listed(sounds=[Heard(folder="audio", segments=SOUND)])))
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
