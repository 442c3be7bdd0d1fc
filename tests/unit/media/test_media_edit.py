"""Which frames are shown, and which of the source's a span of them is made of."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from framemill.errors import SourceUnreadable
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.edit import WINDOW, Edit, edited, plan_edit, source_frame, span
from framemill.media.index import FrameIndex, SeekPoint
from framemill.media.plan import plan_video, seek_point


def frames(*pts: int, base: Fraction = Fraction(1, 1000), last: int = 40, keys: Sequence[int] = ()) -> FrameIndex:
    points = tuple(SeekPoint(pts=pts[frame], frame=frame, clean=True) for frame in keys)
    return FrameIndex(time_base=base, pts=pts, last_duration=last, seek_points=points, source="packets", why="")


def at_25(count: int, *, first: int = 400, keys: Sequence[int] = ()) -> FrameIndex:
    """That many frames at 25 a second; from 0.4 s on."""
    return frames(*range(first, first + 40 * count, 40), keys=keys)


def asked(index: FrameIndex, *, interlaced: bool = False, **settings: Any) -> Edit | None:
    return plan_edit(OutputSettings.model_validate(settings), index, interlaced=interlaced)


@st.composite
def indexes(draw: st.DrawFn) -> FrameIndex:
    """Up to 60 frames at uneven times, with some keyframes."""
    gaps = draw(st.lists(st.integers(1, 200), min_size=1, max_size=60))
    begin = draw(st.integers(-500, 20_000))
    pts = [begin]
    for gap in gaps:
        pts.append(pts[-1] + gap)
    keys = sorted({0, *draw(st.lists(st.integers(0, len(pts) - 1), max_size=6))})
    base = draw(st.sampled_from([Fraction(1, 1000), Fraction(1, 90), Fraction(1001, 30_000), Fraction(1, 15_360)]))
    return frames(*pts, base=base, last=draw(st.integers(1, 200)), keys=keys)


@st.composite
def edits(draw: st.DrawFn) -> tuple[FrameIndex, Edit]:
    index = draw(indexes())
    first = draw(st.integers(0, len(index.pts) - 1))
    end = draw(st.integers(first + 1, len(index.pts)))
    rates = [None, Fraction(25), Fraction(60), Fraction(30_000, 1001), Fraction(7, 3)]
    rate = draw(st.sampled_from(rates))
    length = (index.pts[-1] - index.pts[0] + index.last_duration) * index.time_base
    assume(rate is None or length * rate < 5000)
    mode = draw(st.sampled_from(["", "send_frame", "send_field"]))
    return index, Edit(first=first, end=end, deinterlace=mode, rate=rate)


# What is asked for


def test_nothing_is_edited_where_nothing_is_asked_for() -> None:
    assert asked(at_25(10)) is None
    assert asked(at_25(10), deinterlace="auto") is None
    assert asked(at_25(10), end=0.4) is None  # all of it


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"start": 0.08}, (2, 10)),
        ({"start": 0.081}, (3, 10)),
        ({"end": 0.2}, (0, 5)),
        ({"end": 0.201}, (0, 6)),
        ({"start": 0.04, "duration": 0.1}, (1, 4)),
        ({"end": 100}, None),
    ],
    ids=str,
)
def test_a_part_is_counted_from_the_first_picture(settings: dict[str, Any], expected: tuple[int, int] | None) -> None:
    edit = asked(at_25(10), **settings)
    assert (None if edit is None else (edit.first, edit.end)) == expected


def test_a_part_of_times_that_run_backwards_ends_where_they_are_passed() -> None:
    index = frames(0, 40, 80, 20, 60, 120)
    edit = asked(index, start=0.05, end=0.1)
    assert (edit and (edit.first, edit.end)) == (2, 5)
    assert list(index.rising) == [0, 40, 80, 80, 80, 120]


@pytest.mark.parametrize(
    "settings", [{"start": 0.4}, {"start": 7, "duration": 1}, {"start": 0.01, "end": 0.02}], ids=str
)
def test_a_part_without_a_picture_is_refused_with_the_length(settings: dict[str, Any]) -> None:
    with pytest.raises(SourceUnreadable, match=r"the source has 0\.400 s"):
        asked(at_25(10), **settings)


@pytest.mark.parametrize(
    ("wanted", "interlaced", "mode"),
    [
        ("off", True, None),
        ("auto", True, "send_frame"),
        ("auto", False, None),
        ("frame", False, "send_frame"),
        ("field", False, "send_field"),
    ],
)
def test_fields_become_pictures_where_asked_for(wanted: str, *, interlaced: bool, mode: str | None) -> None:
    edit = asked(at_25(10), deinterlace=wanted, interlaced=interlaced)
    assert (edit and edit.deinterlace) == mode


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({"fps": 50}, Fraction(50)),
        ({"fps": 25}, Fraction(25)),  # also where it has that on average: forced is exactly so
        ({"fps": 24, "fps_mode": "cap"}, Fraction(24)),
        ({"fps": 25, "fps_mode": "cap"}, None),
        ({"fps": 60, "fps_mode": "cap"}, None),
        ({"fps": "29.97"}, Fraction(30_000, 1001)),
    ],
    ids=str,
)
def test_a_rate_is_forced_or_a_limit(settings: dict[str, Any], rate: Fraction | None) -> None:
    edit = asked(at_25(100), **settings)
    assert (edit and edit.rate) == rate


def test_a_limit_a_thousandth_lower_is_kept() -> None:
    """30 frames a second in milliseconds are 30.003."""
    index = frames(*(round(n * 1000 / 30) for n in range(300)), last=33)
    assert asked(index, fps="30000/1001", fps_mode="cap") is None


def test_only_what_counts_anew_changes_times() -> None:
    assert not Edit(first=3, end=7).changes_times
    assert Edit(first=0, end=7, rate=Fraction(25)).changes_times
    assert Edit(first=0, end=7, deinterlace="send_frame").changes_times


# What comes out


def test_without_an_edit_the_frames_are_the_sources() -> None:
    index = at_25(10)
    assert edited(index, None) is index
    assert span(index, None, index, 3, 7) == (3, 7)
    assert source_frame(index, None, index, 5) == 5


def test_a_part_keeps_its_times_and_lasts_until_the_next_frame() -> None:
    index = frames(0, 40, 100, 110)
    shown = edited(index, Edit(first=1, end=3))
    assert (shown.pts, shown.last_duration, shown.time_base) == ((40, 100), 10, index.time_base)
    assert edited(index, Edit(first=1, end=4)).last_duration == 40


def test_fields_are_shown_half_way_to_the_next_frame() -> None:
    index = frames(0, 40, 100, last=40)
    shown = edited(index, Edit(first=0, end=3, deinterlace="send_field"))
    assert shown.time_base == Fraction(1, 2000)
    assert shown.pts == (0, 40, 80, 140, 200, 260)
    one = edited(index, Edit(first=0, end=3, deinterlace="send_frame"))
    assert (one.pts, one.last_duration) == ((0, 80, 200), 80)


@pytest.mark.parametrize(("rate", "count"), [(25, 10), (50, 20), (5, 2), (4, 2), (3, 1), (1, 1)])
def test_a_rate_has_as_many_frames_as_fit_rounded(rate: int, count: int) -> None:
    """0.4 s; the `fps` filter rounds the end like each frame, halves up, and shows one frame at the least."""
    shown = edited(at_25(10), Edit(first=0, end=10, rate=Fraction(rate)))
    assert len(shown.pts) == count
    assert shown.seconds(0) == Fraction(2, 5)
    assert {b - a for a, b in pairwise(shown.pts)} <= {Fraction(1, rate) / shown.time_base}


def test_a_clock_too_fine_for_any_container_becomes_the_rates() -> None:
    index = frames(0, 1000, 2000, base=Fraction(1, 1_999_999_973), last=1000)
    shown = edited(index, Edit(first=0, end=3, rate=Fraction(30_000, 1001)))
    assert shown.time_base == Fraction(1001, 30_000)


@given(edits())
def test_shown_frames_rise_and_begin_with_the_first_of_the_part(made: tuple[FrameIndex, Edit]) -> None:
    index, edit = made
    shown = edited(index, edit)
    assert shown.increasing
    assert shown.last_duration > 0
    assert abs(shown.seconds(0) - index.seconds(edit.first)) <= (shown.time_base if edit.rate else 0)


@given(edits(), st.data())
def test_a_span_covers_every_frame_that_its_own_need(made: tuple[FrameIndex, Edit], data: st.DataObject) -> None:
    """Of a longer span it is a part, it lies in the part that is shown, and holds what is shown at each of its times
    with the neighbours that filters look at."""
    index, edit = made
    shown = edited(index, edit)
    first = data.draw(st.integers(0, len(shown.pts) - 1))
    end = data.draw(st.integers(first + 1, len(shown.pts)))
    low, high = span(index, edit, shown, first, end)
    assert edit.first <= low < high <= edit.end
    wider = span(index, edit, shown, max(0, first - 1), min(end + 1, len(shown.pts)))
    assert wider[0] <= low
    assert high <= wider[1]
    roll = WINDOW if edit.changes_times else 0
    for number in (first, end - 1):
        half = Fraction(0) if edit.rate is None else 1 / edit.rate / 2
        at = min(source_frame(index, edit, shown, number), edit.end - 1)  # the last field is shown beyond it
        last = max(
            n for n in range(edit.first, edit.end) if index.seconds(n) <= shown.seconds(number) + half or n == at
        )
        needed = range(max(edit.first, at - roll), min(edit.end, last + roll + 1)) if edit.rate is None else (at, last)
        assert all(low <= frame < high for frame in needed)


@given(edits())
def test_where_decodes_meet_never_runs_backwards(made: tuple[FrameIndex, Edit]) -> None:
    index, edit = made
    shown = edited(index, edit)
    met = [source_frame(index, edit, shown, number) for number in range(len(shown.pts) + 1)]
    assert met == sorted(met)
    assert edit.first <= met[0]
    assert met[-1] == edit.end


@given(edits(), st.integers(1, 12))
def test_chunks_of_what_is_shown_hold_every_frame_once(made: tuple[FrameIndex, Edit], chunk_frames: int) -> None:
    index, edit = made
    shown = edited(index, edit)
    run = RunSettings(chunk_frames=chunk_frames)
    plan = plan_video(shown, OutputSettings(), run, 1000, (), index.pts[0])
    assert [frame for chunk in plan.chunks for frame in range(chunk.first, chunk.end)] == list(range(len(shown.pts)))
    assert [number for group in plan.groups for number in range(group.first_chunk, group.end_chunk)] == list(
        range(len(plan.chunks))
    )


@given(edits(), st.integers(1, 12))
def test_a_decode_begins_before_all_that_its_group_needs(made: tuple[FrameIndex, Edit], chunk_frames: int) -> None:
    index, edit = made
    shown = edited(index, edit)
    plan = plan_video(shown, OutputSettings(), RunSettings(chunk_frames=chunk_frames), 1000, (), index.pts[0])
    for group in plan.groups:
        chunks = plan.group_chunks(group)
        low, _ = span(index, edit, shown, chunks[0].first, chunks[-1].end)
        assert group.seek is None or group.seek <= index.pts[low]


@given(edits())
def test_keyframes_serve_only_what_needs_nothing_before_them(made: tuple[FrameIndex, Edit]) -> None:
    index, edit = made
    shown = edited(index, edit)
    for point in shown.seek_points:
        low, _ = span(index, edit, shown, point.frame, point.frame + 1)
        assert point.pts <= index.pts[low]


@pytest.mark.parametrize(("unclean", "begins"), [((), 80), ((80,), 70)])
def test_a_part_is_decoded_from_the_clean_keyframe_before_it(unclean: tuple[int, ...], begins: int) -> None:
    index = at_25(200, first=0, keys=range(0, 200, 10))
    points = [point.model_copy(update={"clean": point.frame not in unclean}) for point in index.seek_points]
    index = index.model_copy(update={"seek_points": tuple(points)})
    shown = edited(index, asked(index, start=3.4, end=4.4))  # frames 85 to 110
    found = seek_point(shown.seek_points, 0)
    assert found is not None
    assert found.pts == 40 * begins
    assert len(shown.seek_points) < 8
