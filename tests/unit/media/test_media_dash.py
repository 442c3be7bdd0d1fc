"""The DASH manifest as a text, read back by other code; the index of a file of segments; names and texts."""

from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest

from framemill.errors import VerificationFailed
from framemill.media.boxes import top_boxes
from framemill.media.cmaf import index_box, index_room, key_ranges, no_index
from framemill.media.dash import dash_manifest
from framemill.media.listing import Heard, Listed, Subtitle, Variant, distinct_names, language_tag, numbered
from framemill.media.segments import Segments, TrackKind
from framemill.media.transport import ts_origin
from framemill.media.webvtt import shifted

MPD = "{urn:mpeg:dash:schema:mpd:2011}"
PICTURES = Segments(
    names=["00000.m4s", "00001.m4s", "00002.m4s"],
    durations=[2.0, 2.0, 1.5],
    sizes=[1000, 900, 300],
    codecs="avc1.64001F",
    init="init.mp4",
    init_size=700,
    scale=600,
    bounds=[60, 1260, 2460, 3360],
)
SOUND = Segments(
    names=["00000.m4s"], durations=[5.5], sizes=[5500], codecs="mp4a.40.2", init="init.mp4", scale=48000,
    bounds=[0, 264000], kind=TrackKind(channels=2, sample_rate=48000),
)  # fmt: skip
LISTED = Listed(
    videos=[
        Variant(folder="720p", segments=PICTURES, width=1280, height=720, rate=Fraction(30000, 1001)),
        Variant(folder="360p", segments=PICTURES, width=640, height=360, rate=Fraction(25)),
    ],
    sounds=[Heard(folder="audio", segments=SOUND, language="en")],
    subtitles=[Subtitle(folder="subtitles", name="en", language="en", size=1100)],
    seconds=5.6,
)


def read(listed: Listed) -> ET.Element:
    return ET.fromstring(dash_manifest(listed))  # noqa: S314 - our own


def test_a_manifest_names_every_segment_with_its_time() -> None:
    root = read(LISTED)
    assert (root.get("type"), root.get("mediaPresentationDuration"), root.get("minBufferTime")) == (
        "static", "PT5.600S", "PT6S",
    )  # fmt: skip
    first = next(root.iter(f"{MPD}SegmentTemplate"))
    assert (first.get("timescale"), first.get("startNumber")) == ("600", "0")
    assert [row.attrib for row in first.iter(f"{MPD}S")] == [{"t": "60", "d": "1200", "r": "1"}, {"d": "900"}]
    rows = {row.get("id"): row for row in root.iter(f"{MPD}Representation")}
    assert list(rows) == ["720p", "360p", "audio", "subtitles"]
    assert rows["720p"].get("frameRate") == "30000/1001"
    assert rows["360p"].get("frameRate") == "25"
    assert rows["720p"].get("bandwidth") == "4000"
    assert rows["audio"].get("audioSamplingRate") == "48000"
    assert rows["subtitles"].findtext(f"{MPD}BaseURL") == "subtitles/subtitles.vtt"


def test_the_same_tracks_give_the_same_text() -> None:
    assert dash_manifest(LISTED) == dash_manifest(LISTED.model_copy(deep=True))
    assert not {"publishTime", "availabilityStartTime"} & read(LISTED).attrib.keys()


def test_all_in_one_file_is_named_by_its_index() -> None:
    whole = PICTURES.model_copy(
        update={"names": ["media.mp4"] * 3, "init": "media.mp4", "offsets": [776, 1776, 2676], "index": (700, 76)}
    )
    root = read(Listed(videos=[Variant(folder="720p", segments=whole, width=1280, height=720)], seconds=5.6))
    base = next(root.iter(f"{MPD}SegmentBase"))
    init = base.find(f"{MPD}Initialization")
    assert init is not None
    assert (base.get("indexRange"), init.get("range")) == ("700-775", "0-699")
    assert "isoff-on-demand" in root.get("profiles", "")


def test_high_dynamic_range_is_said() -> None:
    hdr = PICTURES.model_copy(update={"kind": TrackKind(range="HLG")})
    (said,) = read(Listed(videos=[Variant(folder="a", segments=hdr)])).iter(f"{MPD}EssentialProperty")
    assert said.get("value") == "18"


@pytest.mark.parametrize("entries", [3, 4, 9])
def test_an_index_fills_the_room_that_was_kept_for_it(entries: int) -> None:
    box, size = index_box(600, [60, 1260, 2460, 3360], [1000, 900, 300], entries)
    assert len(box) == index_room(entries) == len(no_index(entries))
    assert size == index_room(3)
    kinds = [kind for kind, _, _ in top_boxes(box)]
    assert kinds == (["sidx"] if entries == 3 else ["sidx", "free"])
    assert [kind for kind, _, _ in top_boxes(no_index(entries))] == ["free"]
    assert int.from_bytes(box[28:36], "big") == len(box) - size  # from the index to what it names


def test_an_index_without_room_is_refused() -> None:
    with pytest.raises(VerificationFailed):
        index_box(600, [0, 1, 2], [1, 1], 1)


def test_a_keyframe_ends_within_its_fragment() -> None:
    def box(kind: bytes, size: int) -> bytes:
        return (size + 8).to_bytes(4, "big") + kind + bytes(size)

    body = box(b"moof", 92) + box(b"mdat", 500) + box(b"moof", 42) + box(b"mdat", 300)
    assert key_ranges(body, [400, 200]) == [(0, 508), (608, 258)]
    with pytest.raises(VerificationFailed):
        key_ranges(body, [400])


@pytest.mark.parametrize(("delay", "origin"), [(Fraction(0), 10), (Fraction(9), 10), (Fraction(19, 2), 11), (30, 31)])
def test_no_picture_is_decoded_before_the_clock_begins(delay: Fraction, origin: int) -> None:
    assert ts_origin(Fraction(delay)) == origin > delay


@pytest.mark.parametrize(
    ("code", "tag"),
    [("eng", "en"), ("ger", "de"), ("fre", "fr"), ("pt-br", "pt-BR"), ("und", ""), ("", ""), ("x!!", ""), ("mul", "")],
)
def test_languages_are_named_as_the_web_names_them(code: str, tag: str) -> None:
    assert language_tag(code) == tag


def test_no_two_names_are_equal() -> None:
    assert distinct_names([("", "en"), ("", "en"), ('The "Director"', "en")], "x") == ["en", "en (2)", "The 'Director'"]
    assert distinct_names([("", "")], "main") == ["main"]
    assert distinct_names([("", ""), ("", "")], "sound") == ["sound 1", "sound 2"]
    assert [numbered("audio", number) for number in range(3)] == ["audio", "audio-2", "audio-3"]


TEXT = "WEBVTT\n\n00:00.500 --> 00:01.500 line:80%\nHello\n\n01:00:00.000 --> 01:00:01.000\n00:00.500 --> is no time\n"


def test_texts_are_moved() -> None:
    assert shifted(TEXT, Fraction(0), 0) == TEXT
    later = shifted(TEXT, Fraction("1.25"), 0)
    assert "00:00:01.750 --> 00:00:02.750 line:80%\nHello" in later
    assert "01:00:01.250 --> 01:00:02.250\n00:00.500 --> is no time" in later
    sooner = shifted(TEXT, Fraction(-1), 0)
    assert "00:00:00.000 --> 00:00:00.500 line:80%" in sooner
    assert "Hello" not in shifted(TEXT, Fraction(-2), 0)


def test_players_of_transport_streams_are_told_where_a_title_begins() -> None:
    assert shifted(TEXT, Fraction(0), 10).startswith(
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n00:00.5"
    )
