"""What is made of a URL of the media server's: pure (checks 4 and 20, and the second section of the contract)."""

from typing import Any
from urllib.parse import urlencode

import pytest
from doors.optimized import ITEM, item

from framemill.api.optimized.items import Film, film_of
from framemill.api.optimized.making import about_bytes, extension_of, settings_of, wants_original
from framemill.api.optimized.standing import GONE, STATUSES, written
from framemill.api.optimized.wishes import Wish, wish_of
from framemill.errors import WrongUse
from framemill.jobs.states import JobState
from framemill.services.requests import settings_for

JF = "http://10.0.0.5:8096"
USUAL: dict[str, Any] = {"VideoCodec": "h264", "AudioCodec": "aac", "VideoBitrate": "800000", "MediaSourceId": ITEM}


def wish(kind: str = "master.m3u8", /, **said: Any) -> Wish:
    return wish_of(f"https://jf.example/videos/{ITEM}/{kind}?{urlencode(said)}")


def film(*tracks: dict[str, Any], **more: Any) -> Film:
    known = item(ITEM)
    version = {**known["MediaSources"][0], **more}
    if tracks:
        version["MediaStreams"] = [{"Index": 0, "Type": "Video", "Codec": "h264"}, *tracks]
    return film_of({**known, "MediaSources": [version]}, wish())


def audio(index: int, codec: str = "aac", **more: Any) -> dict[str, Any]:
    return {"Index": index, "Type": "Audio", "Codec": codec, **more}


def text(index: int, codec: str = "subrip", **more: Any) -> dict[str, Any]:
    return {"Index": index, "Type": "Subtitle", "Codec": codec, **more}


def encoded(given: Wish, known: Film | None = None, extension: str = "mp4", *, original: bool = True) -> dict[str, Any]:
    """What the farm makes of it; the settings go together, or this raises."""
    settings = settings_of(given, known or film(), extension, original=original)
    settings_for(f"film.{extension}", "mp4" if extension == "m4v" else extension, None, settings)  # type: ignore[arg-type]
    return settings


@pytest.mark.parametrize(
    ("url", "server", "there"),
    [
        ("http://a:1/videos/9/master.m3u8?b=%2F&a=1&a=2", JF, f"{JF}/videos/9/master.m3u8?b=%2F&a=1&a=2"),
        ("https://a/jellyfin/Videos/9/stream.mp4?x", JF, f"{JF}/jellyfin/Videos/9/stream.mp4?x"),
        ("https://a/videos/9/stream", f"{JF}/jellyfin", f"{JF}/jellyfin/videos/9/stream"),
        ("https://a/jellyfin/videos/9/stream", f"{JF}/jellyfin", f"{JF}/jellyfin/videos/9/stream"),
        ("https://a/public/videos/9/stream", f"{JF}/jellyfin", f"{JF}/jellyfin/videos/9/stream"),
        ("https://a/Items/9/Download?api_key=t", JF, f"{JF}/Items/9/Download?api_key=t"),
        ("https://u:p@a/videos/9/hls1/main/0.ts", JF, f"{JF}/videos/9/hls1/main/0.ts"),
    ],
)
def test_the_origin_is_replaced_and_the_rest_stays(url: str, server: str, there: str) -> None:
    assert wish_of(url).at(server) == there


@pytest.mark.parametrize(
    "url",
    [
        "concat:/etc/passwd|x",
        "data:text/plain,x",
        "//jf/videos/9/stream",
        "http://jf/videos/9",
        "http://jf/videos//stream",
        "http://jf/videos/9/stream/../../x",
        "http://jf/videos/9/..%5Cx/a",
        "http://jf/videos/9/st\nream",
        "http://[::1/videos/9/stream",
        "http://jf/Users/Me",
        "http://jf/audio/9/stream.mp3",
        "http://jf/Audio/9/universal",
    ],
)
def test_what_is_no_film_is_refused(url: str) -> None:
    with pytest.raises(WrongUse):
        wish_of(url)


@pytest.mark.parametrize(
    ("said", "made"),
    [
        *(("mp4", "mp4"), ("MKV", "mkv"), (".mov", "mov"), ("m4v", "m4v"), ("webm", "webm"), ("ts", "mp4")),
        *((None, "mp4"), ("ts,mp4,mkv", "mp4"), (7, "mp4"), ({"mkv": 1}, "mp4")),
    ],
)
def test_an_extension_of_ours_is_kept_and_any_other_is_an_mp4(said: Any, made: str) -> None:
    assert extension_of(said) == made


def test_the_original_is_wanted_where_something_is_encoded() -> None:
    assert wants_original(wish(**USUAL), film(), "auto")
    assert wants_original(wish("stream", **USUAL), film(), "auto")
    assert not wants_original(wish(**USUAL), film(), "plain")
    assert not wants_original(wish("stream.mp4", static="true"), film(), "offload")


@pytest.mark.parametrize("known", [text(2, "pgssub"), text(2, IsExternal=True), text(7)])
def test_a_subtitle_that_only_the_media_server_can_draw_is_left_to_it(known: dict[str, Any]) -> None:
    drawn = wish(**USUAL, SubtitleStreamIndex=2, SubtitleMethod="Encode")
    assert not wants_original(drawn, film(audio(1), known), "auto")
    assert wants_original(drawn, film(audio(1), known), "offload")


@pytest.mark.parametrize(("kind", "ours"), [("VideoFile", True), ("Iso", False), ("Dvd", False), ("BluRay", False)])
def test_a_disc_is_left_to_the_media_server(kind: str, ours: bool) -> None:
    assert wants_original(wish(**USUAL), film(VideoType=kind), "auto") is ours
    assert wants_original(wish(**USUAL), film_of({**item(ITEM), "VideoType": kind}, wish()), "auto") is ours


@pytest.mark.parametrize(
    ("method", "external", "ours"),
    [("Embed", True, False), ("Embed", False, True), ("Hls", True, True), ("External", True, True)],
)
def test_a_text_of_its_own_that_the_media_server_puts_into_its_stream_is_left_to_it(
    method: str, external: bool, ours: bool
) -> None:
    named = wish("stream.mkv", **USUAL, SubtitleStreamIndex=2, SubtitleMethod=method)
    assert wants_original(named, film(audio(1), text(2, IsExternal=external)), "auto") is ours


def test_a_text_is_drawn_by_its_rank_among_the_texts_of_the_original() -> None:
    known = film(audio(1), text(2), text(3, "pgssub"), text(4), text(5, IsExternal=True))
    settings = encoded(wish(**USUAL, SubtitleStreamIndex=4, SubtitleMethod="Encode"), known)
    assert (settings["burn_subtitles"], settings["subtitles"]) == ("1", "none")
    assert "burn_subtitles" not in encoded(wish(**USUAL, SubtitleStreamIndex=4, SubtitleMethod="Hls"), known)


@pytest.mark.parametrize(
    ("codecs", "extension", "rate"),
    [
        ("h264", "mp4", {"video_codec": "h264", "maxrate": 800_000, "bufsize": 1_600_000}),
        ("hevc,h264", "mkv", {"video_codec": "h265", "maxrate": 800_000, "bufsize": 1_600_000}),
        ("av1,hevc", "mp4", {"video_codec": "av1", "bitrate": 800_000, "passes": 2}),
        ("av1,hevc", "mov", {"video_codec": "h265", "maxrate": 800_000, "bufsize": 1_600_000}),
        ("h264", "webm", {"video_codec": "vp9", "bitrate": 800_000, "passes": 2}),
        ("mpeg4", "m4v", {"video_codec": "h264", "maxrate": 800_000, "bufsize": 1_600_000}),
    ],
)
def test_pictures_have_the_codec_and_at_most_the_bits_that_are_asked_for(
    codecs: str, extension: str, rate: dict[str, Any]
) -> None:
    settings = encoded(wish(**{**USUAL, "VideoCodec": codecs}), extension=extension)
    assert {name: value for name, value in settings.items() if not name.startswith("audio")} == rate


def test_size_and_rate_are_the_most_there_may_be() -> None:
    settings = encoded(wish(**USUAL, MaxWidth=1280, MaxHeight=720, MaxFramerate="29.97"))
    assert {name: settings[name] for name in ("width", "height", "fps", "fps_mode")} == {
        "width": 1280, "height": 720, "fps": "29.97", "fps_mode": "cap",
    }  # fmt: skip


@pytest.mark.parametrize(("most", "limit"), [("300", "300"), ("300.5", None), ("999999999", None), ("0.5", None)])
def test_more_frames_than_any_film_has_are_no_limit(most: str, limit: str | None) -> None:
    assert encoded(wish(**USUAL, MaxFramerate=most)).get("fps") == limit


@pytest.mark.parametrize(
    ("codecs", "extension", "most", "sound"),
    [
        ("aac", "mp4", 2, {"audio_codec": "aac", "audio_bitrate": 128_000, "audio_channels": 2}),
        ("dts,ac3,aac", "mp4", 6, {"audio_codec": "ac3", "audio_bitrate": 128_000}),
        ("mp3", "mp4", 6, {"audio_codec": "mp3", "audio_bitrate": 128_000}),
        ("flac", "mkv", 2, {"audio_codec": "flac", "audio_channels": 2}),
        ("aac", "webm", 2, {"audio_codec": "opus", "audio_bitrate": 128_000, "audio_channels": 2}),
    ],
)
def test_sound_is_the_first_that_the_container_takes(
    codecs: str, extension: str, most: int, sound: dict[str, Any]
) -> None:
    asked = {**USUAL, "AudioCodec": codecs, "AudioBitrate": 128_000, "TranscodingMaxAudioChannels": most}
    settings = encoded(wish(**asked), film(audio(1, "dts", Channels=6)), extension)
    assert {name: value for name, value in settings.items() if name.startswith("audio")} == sound


def test_a_sound_with_fewer_channels_than_there_may_be_keeps_them() -> None:
    mono = film(audio(1, Channels=1))
    assert "audio_channels" not in encoded(wish(**USUAL, TranscodingMaxAudioChannels=2), mono)


@pytest.mark.parametrize(("index", "rank"), [(1, [0]), (3, [1]), (9, None), ("", None)])
def test_the_sound_that_is_asked_for_is_found_by_its_rank(index: Any, rank: list[int] | None) -> None:
    known = film(audio(1), text(2), audio(3))
    assert encoded(wish(**USUAL, AudioStreamIndex=index), known).get("audio_tracks") == rank


def test_of_a_film_that_nobody_knows_the_pictures_come_first() -> None:
    assert encoded(wish(**USUAL, AudioStreamIndex=2), Film())["audio_tracks"] == [1]


@pytest.mark.parametrize(
    ("reasons", "video", "sound"),
    [
        ("ContainerNotSupported", "copy", "copy"),
        ("ContainerNotSupported,AudioCodecNotSupported", "copy", "aac"),
        ("VideoCodecNotSupported", "h264", "aac"),
        ("ContainerBitrateExceedsLimit", "h264", "aac"),
        ("", "h264", "aac"),
    ],
)
def test_what_nothing_speaks_against_is_not_encoded(reasons: str, video: str, sound: str) -> None:
    settings = encoded(wish(**USUAL, TranscodeReasons=reasons))
    assert (settings["video_codec"], settings["audio_codec"]) == (video, sound)


KNOWN: dict[str, Any] = {"Codec": "h264", "BitRate": 700_000, "Width": 1280, "Height": 720, "RealFrameRate": 25}
"""Pictures of an original, as the media server describes them."""


@pytest.mark.parametrize("reasons", ["", "DirectPlayError"])
@pytest.mark.parametrize(
    ("pictures", "asked", "video"),
    [
        ({}, {}, "copy"),
        ({}, {"MaxWidth": 1280, "MaxHeight": 720, "MaxFramerate": 25}, "copy"),
        ({"BitRate": None}, {"VideoBitrate": ""}, "copy"),
        ({"Codec": "hevc"}, {"VideoCodec": "h264,h265"}, "copy"),
        ({"Codec": "hevc"}, {}, "h264"),
        ({"BitRate": 800_001}, {}, "h264"),
        ({"BitRate": None}, {}, "h264"),
        ({}, {"MaxWidth": 1279}, "h264"),
        ({}, {"MaxHeight": 719}, "h264"),
        ({"Width": None}, {"MaxWidth": 1280}, "h264"),
        ({}, {"MaxFramerate": 24}, "h264"),
        ({}, {"SubtitleStreamIndex": 2, "SubtitleMethod": "Encode"}, "h264"),
        ({"Codec": "wmv3"}, {"VideoCodec": "wmv3"}, "h264"),
    ],
)
def test_pictures_that_are_what_is_asked_for_are_not_encoded_where_nothing_is_said_against_them(
    reasons: str, pictures: dict[str, Any], asked: dict[str, Any], video: str
) -> None:
    tracks = [{"Index": 0, "Type": "Video", **KNOWN, **pictures}, audio(1), text(2)]
    settings = encoded(wish(**{**USUAL, "TranscodeReasons": reasons, **asked}), film(MediaStreams=tracks))
    assert (settings["video_codec"], settings["audio_codec"]) == (video, "aac")


def test_where_the_pictures_have_no_rate_that_of_the_whole_counts() -> None:
    tracks = [{"Index": 0, "Type": "Video", **KNOWN, "BitRate": None}, audio(1)]
    assert encoded(wish(**USUAL), film(MediaStreams=tracks, Bitrate=800_000))["video_codec"] == "copy"
    assert encoded(wish(**USUAL), film(MediaStreams=tracks, Bitrate=800_001))["video_codec"] == "h264"


def test_the_media_servers_own_stream_is_copied_with_the_sound_that_it_has() -> None:
    assert encoded(wish(**USUAL, AudioStreamIndex=3), film(audio(1), audio(3)), original=False) == {
        "video_codec": "copy", "audio_codec": "copy",
    }  # fmt: skip


def test_of_the_file_as_it_lies_there_the_sound_is_chosen() -> None:
    as_it_is = wish("stream.mp4", static="true", audioStreamIndex=3)
    settings = encoded(as_it_is, film(audio(1), audio(3)), original=False)
    assert settings == {"video_codec": "copy", "audio_codec": "copy", "audio_tracks": [1]}


@pytest.mark.parametrize(
    ("video", "sound", "extension", "codecs"),
    [
        ("h264", "vorbis", "mp4", ("copy", "aac")),
        ("wmv3", "wmav2", "mp4", ("h264", "aac")),
        ("h264", "aac", "webm", ("vp9", "opus")),
        ("vp9", "opus", "webm", ("copy", "copy")),
        ("vp8", "vorbis", "mkv", ("copy", "copy")),
    ],
)
def test_what_the_container_does_not_take_is_encoded(
    video: str, sound: str, extension: str, codecs: tuple[str, str]
) -> None:
    known = Film(tracks=(*film({"Index": 0, "Type": "Video", "Codec": video}, audio(1, sound)).tracks[1:],))
    settings = encoded(wish("stream.mp4", static="true"), known, extension, original=False)
    assert (settings["video_codec"], settings["audio_codec"]) == codecs


def test_how_much_will_come_is_reckoned_from_the_bits_that_are_asked_for() -> None:
    assert about_bytes(wish("stream", **USUAL, AudioBitrate=200_000), film()) == 750_000
    assert about_bytes(wish("stream", **USUAL, AudioBitrate=200_000), film(Bitrate=400_000)) == 300_000
    assert about_bytes(wish("stream"), film(Size=4711)) == 4711
    assert about_bytes(wish("stream", **USUAL), Film()) is None


def test_a_film_is_as_long_as_the_version_that_is_meant_and_from_where_it_begins() -> None:
    other = {"Id": "other", "RunTimeTicks": 40_000_000}
    known = {**item(ITEM), "MediaSources": [other, *item(ITEM)["MediaSources"]]}
    assert film_of(known, wish(**USUAL)).seconds == 6
    assert film_of(known, wish(**{**USUAL, "MediaSourceId": "other"})).seconds == 4
    assert film_of(known, wish(**USUAL, StartTimeTicks=20_000_000)).seconds == 4


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        "item",
        {"RunTimeTicks": "x", "MediaSources": [{"MediaStreams": [{"Index": "0"}, 7]}]},
        {"RunTimeTicks": True},
    ],
)
def test_an_odd_item_tells_nothing(odd: Any) -> None:
    assert film_of(odd, wish()) == Film()


def test_every_state_has_a_word() -> None:
    assert set(STATUSES) == set(JobState)
    assert {STATUSES[state] for state in GONE} == {"cancelled"}


@pytest.mark.parametrize(
    ("size", "says"),
    [(0, "0.00 B"), (1023, "1023.00 B"), (6_948_571, "6.63 MB"), (3 << 40, "3.00 TB"), (1 << 53, "8192.00 TB")],
)
def test_bytes_are_written_by_1024(size: int, says: str) -> None:
    assert written(size) == says
