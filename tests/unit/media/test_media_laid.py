"""Where and when something lies over the pictures, and what of it decides their bytes."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from framemill.errors import InvalidSetting
from framemill.jobs.settings import OutputSettings, Overlay, RunSettings
from framemill.media.encode import group_command
from framemill.media.index import FrameIndex
from framemill.media.laid import Laid, Lines, Place, Stamp, Still, placed, seen, supply
from framemill.media.source import Source
from framemill.media.title import Title, plan_title

SHOWN = FrameIndex(time_base=Fraction(1, 25), pts=tuple(range(10, 110)), last_duration=1, source="packets", why="")


def stamp(**where: Any) -> Stamp:
    """200×100 pixels."""
    return Stamp(path="/logo.png", sha256="1" * 64, width=200, height=100, where=Overlay(uri="/a.png", **where))


LINES = Lines(path="/texts.mks", sha256="2" * 64, plain=True, overlapping=False)

PlanLaid = Callable[..., Title]


@pytest.fixture
def plan(source: Source) -> PlanLaid:
    """A hundred frames at 25 a second in four chunks, under that."""

    def make(*stamps: Stamp, **laid: Any) -> Title:
        run, settings = RunSettings(chunks=4), OutputSettings.model_validate(laid.pop("settings", {}))
        return plan_title(source, SHOWN, settings, run, "build", laid=Laid(stamps=stamps, **laid))

    return make


def graph_of(title: Title, group: int = 0) -> str:
    renditions = list(range(len(title.pictured.pictures)))
    chunks = title.pictured.plan.group_chunks(title.pictured.plan.groups[group])
    outputs = [Path(f"/{number}.mp4") for number in range(len(renditions) * len(chunks))]
    argv = group_command(title, renditions, title.pictured.plan.groups[group], outputs, Path("/witness"))
    return argv[argv.index("-filter_complex") + 1]


# Where


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ({}, Place(200, 100, 0, 0)),
        ({"x": 10, "y": 20}, Place(200, 100, 10, 20)),
        ({"x": -10, "y": -20}, Place(200, 100, 1280 - 200 - 10, 720 - 100 - 20)),
        ({"width": 50}, Place(50, 25, 0, 0)),
        ({"width": 50, "x": -1}, Place(50, 25, 1229, 0)),
        ({"width": 1}, Place(1, 1, 0, 0)),
    ],
    ids=str,
)
def test_it_lies_where_it_is_asked_for(where: dict[str, int], place: Place) -> None:
    assert placed(stamp(**where), (1280, 720), (1280, 720)) == place


def test_a_smaller_rendition_has_it_smaller_in_the_same_place() -> None:
    assert placed(stamp(x=-20, y=40), (640, 360), (1280, 720)) == Place(100, 50, 640 - 100 - 10, 20)


@given(st.integers(-300, 300), st.integers(-300, 300), st.integers(1, 2000), st.integers(16, 720))
def test_it_is_never_without_pixels(x: int, y: int, width: int, height: int) -> None:
    place = placed(stamp(x=x, y=y, width=width), (height * 16 // 9, height), (1280, 720))
    assert place.width >= 1
    assert place.height >= 1


# When


@pytest.mark.parametrize(
    ("where", "frames"),
    [
        ({}, range(100)),
        ({"start": 1}, range(25, 100)),
        ({"start": 1.001}, range(26, 100)),
        ({"end": 1}, range(25)),
        ({"start": 0.04, "end": 0.09}, range(1, 3)),
        ({"start": 7}, range(100, 100)),
    ],
    ids=str,
)
def test_it_is_seen_from_the_first_frame_at_its_start(where: dict[str, Any], frames: range) -> None:
    """Seconds of the output: the first frame is at 0, whatever the source's clock says."""
    assert seen(Overlay(uri="/a.png", **where), SHOWN) == frames


def test_a_chunk_has_only_what_is_seen_in_it(plan: PlanLaid) -> None:
    """Frames 20 to 29 of chunks of 25; limits lie between two frames."""
    title = plan(stamp(start=0.8, end=1.2))
    first, second, third = (graph_of(title, group) for group in range(3))
    assert "enable=gte(t\\,0.780000000):" in first
    assert "enable=lt(t\\,0.180000000):" in second
    assert "overlay" not in third


def test_what_is_always_seen_has_no_limits(plan: PlanLaid) -> None:
    assert "enable" not in graph_of(plan(stamp()))


def test_one_picture_serves_all_renditions_and_chunks_that_have_it_alike(plan: PlanLaid) -> None:
    """Equal filters are one in a graph: two equal stamps, too."""
    graph = graph_of(
        plan(stamp(), stamp(), settings={"container": "package", "ladder": [{"height": 360}, {"height": 180}]})
    )
    assert graph.count("overlay") == 4
    assert graph.count("split=2") == 4  # the decode, the frames of both, and the picture in each of both sizes


def test_a_still_is_supplied_in_the_order_that_it_is_wanted_in() -> None:
    small, large = (Still(stamp(), Place(size, size, 0, 0), "yuv420p") for size in (10, 20))
    first, second, third = supply([small, large, small])
    assert first.node == third.node
    assert first != third
    assert second.node != first.node


@pytest.mark.parametrize(
    ("pix_fmt", "mixed"),
    [
        ("yuv420p", "yuv420"), ("yuv420p10le", "yuv420p10"), ("yuv422p", "yuv422"), ("yuv444p10le", "yuv444p10"),
        ("gbrp", "gbrp"), ("rgb24", "gbrp"), ("gray", "yuv444"), ("yuv420p12le", "yuv420p10"),
    ],
)  # fmt: skip
def test_pictures_are_mixed_as_the_frames_are(pix_fmt: str, mixed: str) -> None:
    still = Still(stamp(opacity=0.25), Place(10, 10, 0, 0), pix_fmt)
    argv = still.over(ffmpeg.input("x")["v"], still.drawn(), None, None).output("y").get_args()
    graph = argv[argv.index("-filter_complex") + 1]
    assert f"overlay=format={mixed}:x=0:y=0" in graph
    assert "colorchannelmixer=aa=0.25" in graph
    assert graph.endswith(f"format={pix_fmt}[s10]") == (pix_fmt in {"rgb24", "gray", "yuv420p12le"})


# Texts


def test_texts_are_drawn_at_the_sources_time_before_the_frames_count_from_0(plan: PlanLaid) -> None:
    graph = graph_of(plan(lines=LINES), 1)
    cut, drawn, counted = (graph.index(word) for word in ("trim=", "subtitles=", "setpts=PTS-(35)"))
    assert cut < drawn < counted
    assert "Open Sans" in graph


def test_texts_with_a_style_keep_it(plan: PlanLaid) -> None:
    assert "force_style" not in graph_of(plan(lines=LINES.model_copy(update={"plain": False})))


def test_at_a_rate_frames_get_their_time_back(plan: PlanLaid) -> None:
    graph = graph_of(plan(lines=LINES, settings={"fps": 50}), 1)
    assert "settb=1/50" in graph
    assert graph.index("setpts=PTS+(20)") < graph.index("subtitles=") < graph.index("setpts=PTS-(70)")


@pytest.mark.parametrize(
    ("laid", "why"),
    [
        ({}, ""),
        ({"lines": LINES}, ""),
        ({"lines": LINES.model_copy(update={"overlapping": True})}, "texts that are shown at once keep their places"),
        ({"bitmaps": 1}, "subtitles that are pictures stay until the next one comes"),
    ],
)
def test_what_looks_back_is_encoded_in_one_piece(laid: dict[str, Any], why: str, plan: PlanLaid) -> None:
    assert Laid(**laid).undivided == why
    assert len(plan(**laid).pictured.plan.chunks) == (1 if why else 4)


def test_subtitles_that_are_pictures_are_decoded_from_the_start(plan: PlanLaid) -> None:
    title = plan(bitmaps=1, settings={"start": 2})
    assert [group.seek for group in title.pictured.plan.groups] == [None]
    assert graph_of(title).index("[0:s:1]") < graph_of(title).index("overlay") < graph_of(title).index("trim")


# What decides the bytes


def keys(title: Title) -> list[str]:
    return [title.chunk_key(0, chunk) for chunk in title.pictured.plan.chunks]


@pytest.mark.parametrize(
    "other",
    [
        {"stamps": (stamp(x=1).model_copy(update={"sha256": "3" * 64}),)},
        {"stamps": (stamp(x=2),)},
        {"stamps": (stamp(x=1), stamp(x=1))},
        {"stamps": (stamp(x=1, opacity=0.5),)},
        {"stamps": (stamp(x=1, start=1),)},
        {"stamps": ()},
        {"lines": LINES.model_copy(update={"sha256": "3" * 64})},
        {"lines": LINES.model_copy(update={"plain": False})},
        {"lines": None},
    ],
    ids=str,
)
def test_another_picture_or_text_has_other_chunks(other: dict[str, Any], plan: PlanLaid) -> None:
    usual: dict[str, Any] = {"stamps": (stamp(x=1),), "lines": LINES}
    made = {**usual, **other}
    before = plan(*usual["stamps"], lines=usual["lines"])
    after = plan(*made["stamps"], lines=made["lines"])
    assert set(keys(before)).isdisjoint(keys(after))


def test_where_its_file_lies_is_no_difference(plan: PlanLaid) -> None:
    here, there = stamp(), stamp().model_copy(update={"path": "/b.png", "where": Overlay(uri="http://x/b.png")})
    lines = LINES.model_copy(update={"path": "/other.mks"})
    assert keys(plan(here, lines=LINES)) == keys(plan(there, lines=lines))


@pytest.mark.parametrize("laid", [{"lines": LINES}, {"stamps": (stamp(),)}, {"bitmaps": 0}], ids=str)
def test_nothing_is_laid_over_more_light_than_it_is_meant_for(laid: dict[str, Any]) -> None:
    Laid(**laid).refuse_dazzling("SDR", "SDR")
    Laid().refuse_dazzling("PQ")
    with pytest.raises(InvalidSetting, match="the output has HLG"):
        Laid(**laid).refuse_dazzling("SDR", "HLG")


# What can be asked for


@pytest.mark.parametrize("uri", ["logo.png", "file:///logo.png", "ftp://x/logo.png", "../logo.png", ""])
def test_a_place_is_a_url_or_begins_at_the_root(uri: str) -> None:
    with pytest.raises(ValidationError):
        Overlay(uri=uri)
    with pytest.raises(ValidationError):
        OutputSettings(burn_subtitles=uri)


def test_a_track_is_named_by_its_rank() -> None:
    assert OutputSettings(burn_subtitles="2").burn_subtitles == "2"
    assert OutputSettings(burn_subtitles="/texts.srt").burn_subtitles == "/texts.srt"


def test_what_would_never_be_seen_is_refused() -> None:
    with pytest.raises(ValidationError, match="end before it begins"):
        Overlay(uri="/a.png", start=2, end=2)


@pytest.mark.parametrize("asked", [{"crop": "10:10"}, {"fps": 25}, {"overlays": [{"uri": "/a.png"}]}, {"size": "720p"}])
@pytest.mark.parametrize("codec", ["copy", "none"])
def test_pictures_that_are_not_drawn_take_no_shape(asked: dict[str, Any], codec: str) -> None:
    with pytest.raises(ValidationError, match="no pictures are drawn"):
        OutputSettings.model_validate({"video_codec": codec, **asked})


def test_what_is_copied_cannot_be_cut_at_any_frame() -> None:
    with pytest.raises(ValidationError, match="pictures have to be encoded"):
        OutputSettings(video_codec="copy", start=1)
    assert OutputSettings(video_codec="none", start=1).clipped


def test_a_value_with_others_works_out_anew_what_it_worked_out(plan: PlanLaid) -> None:
    film = plan().pictured
    assert len(film.shown.pts) == 100
    part = film.model_copy(update={"index": SHOWN.model_copy(update={"pts": SHOWN.pts[:7]})})
    assert len(part.shown.pts) == 7
    assert len(film.shown.pts) == 100
