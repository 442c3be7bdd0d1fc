"""Where the parts of a source begin and end, and what is planned of them."""

from fractions import Fraction
from typing import Any

import pytest

from framemill.errors import InvalidSetting, SourceUnreadable
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.cutting import cut_spans, plan_cut
from framemill.media.index import FrameIndex, SeekPoint
from framemill.media.source import Source
from framemill.media.title import Title, plan_title
from framemill.media.twopass import with_shares


def even(count: int = 100) -> FrameIndex:
    return FrameIndex(
        time_base=Fraction(1, 25),
        pts=tuple(range(count)),
        last_duration=1,
        seek_points=tuple(SeekPoint(pts=frame, frame=frame, clean=True) for frame in range(0, count, 25)),
        source="packets",
        why="",
    )


def spans(seconds: str, **settings: Any) -> list[tuple[float, float | None]]:
    return cut_spans(OutputSettings.model_validate(settings), Fraction(seconds))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"cut_count": 2}, [(0, 5), (5, None)]),
        ({"cut_count": 2, "end": 8}, [(0, 4), (4, 8)]),
        ({"cut_count": 2, "start": 4, "end": 99}, [(4, 7), (7, 99)]),
        ({"cut_seconds": 4}, [(0, 4), (4, 8), (8, None)]),
        ({"cut_seconds": 5}, [(0, 5), (5, None)]),
        ({"cut_seconds": 60}, [(0, None)]),
        ({"cut_seconds": 4, "start": 1, "duration": 5}, [(1, 5), (5, 6)]),
        ({"cut_spans": [{"end": 2}, {"start": "00:00:01", "end": 3}]}, [(0, 2), (1, 3)]),
    ],
    ids=str,
)
def test_where_parts_begin_and_end(settings: dict[str, Any], expected: list[tuple[float, float | None]]) -> None:
    assert spans("10", **settings) == expected


@pytest.mark.parametrize(("seconds", "parts"), [("6.000", 3), ("6.001", 3), ("6.039", 3), ("6.04", 4), ("6.08", 4)])
def test_no_part_begins_behind_the_last_picture(seconds: str, parts: int) -> None:
    found = cut_spans(OutputSettings(cut_seconds=2), Fraction(seconds), Fraction(1, 25))
    assert len(found) == parts
    assert found[-1][1] is None


def test_nothing_can_be_cut_behind_the_end() -> None:
    with pytest.raises(SourceUnreadable, match=r"set start and end"):
        spans("10", cut_count=2, start=11)


def test_there_are_not_too_many_parts() -> None:
    assert len(spans("400", cut_seconds=1)) == 400
    with pytest.raises(InvalidSetting, match=r"more than 400 parts"):
        spans("401", cut_seconds=1)


def planned(source: Source, index: FrameIndex | None = None, **settings: Any) -> Title:
    return plan_cut(source, index or even(), OutputSettings.model_validate(settings), RunSettings(chunks=2), "build")


def test_each_part_is_planned_as_if_it_were_alone(source: Source) -> None:
    title = planned(source, cut_count=2)
    alone = plan_title(source, even(), OutputSettings(start=2), RunSettings(chunks=2), "build")
    chunks = title.pictured.plan.chunks
    assert [len(part.pictured.shown.pts) for part in title.parts] == [50, 50]
    assert [(chunk.number, chunk.first, chunk.end) for chunk in chunks] == [
        (0, 0, 25), (1, 25, 50), (2, 50, 75), (3, 75, 100)
    ]  # fmt: skip
    assert [title.chunk_key(0, chunk) for chunk in chunks[2:]] == [
        alone.chunk_key(0, chunk) for chunk in alone.pictured.plan.chunks
    ]
    assert title.parts[1].sound_keys == alone.sound_keys
    assert title.sound_keys == title.parts[0].sound_keys + title.parts[1].sound_keys


def test_parts_may_overlap_and_the_whole_counts_all_of_them(source: Source) -> None:
    title = planned(source, cut_spans=[{"end": 2}, {"start": 1, "end": 3}])
    shown = title.pictured.shown
    assert (len(shown.pts), shown.increasing) == (100, True)
    assert title.begins == [0, 50]


def test_the_frames_are_written_once_however_many_parts_there_are(source: Source) -> None:
    title = planned(source, even(2000), cut_count=20)
    kept = title.to_json()
    assert len(kept) < sum(len(part.to_json()) for part in title.parts) / 2
    read = Title.model_validate_json(kept)
    assert read == title
    assert read.parts[7].pictured.index is read.parts[0].pictured.index


def test_a_sound_is_cut_by_the_length_that_it_says(source: Source) -> None:
    facts = {**source.inspection.facts, "format": {"format_name": "mp3", "duration": "9"}}
    inspection = source.inspection.model_copy(update={"facts": facts})
    sound = source.model_copy(update={"inspection": inspection, "first_picture": None})
    settings = OutputSettings(container="mp3", video_codec="none", cut_count=3)
    title = plan_cut(sound, None, settings, RunSettings(), "build")
    assert title.film is None
    assert len(title.sound_keys) == len(set(title.sound_keys)) == 3


def test_each_part_has_the_bit_rate_that_was_asked_for(source: Source) -> None:
    """The second half needs nine times as much: of one file it would have that, beside a poor first half."""
    title = planned(source, cut_count=2, bitrate=1_000_000, passes=2)
    counts = [len(part.pictured.plan.chunks) for part in title.parts]
    assert counts == [2, 2]
    shared = with_shares(title, {0: [100, 300, 900, 2700]})
    given = [[chunk.shares[0] for chunk in part.pictured.plan.chunks] for part in shared.parts]
    assert [[round(share, -3) for share in own] for own in given] == [[500_000, 1_500_000]] * 2
    assert [chunk.shares[0] for chunk in shared.pictured.plan.chunks] == [share for own in given for share in own]
