"""Contact sheets and storyboards."""

from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from framemill.jobs.settings import OutputSettings
from framemill.media.sheets import Sheet, Span, sheet_of, storyboard_vtt


def still(picture: str, **settings: Any) -> OutputSettings:
    given = {"container": "jpg", "video_codec": "none", "audio_codec": "none", "picture": picture, **settings}
    return OutputSettings.model_validate(given)


def test_a_contact_sheet_is_one_file_however_many_there_are() -> None:
    assert sheet_of(still("sheet", columns=4), 10) == Sheet(columns=4, rows=3, pictures=10, gap=4)
    assert sheet_of(still("sheet", columns=4), 2) == Sheet(columns=2, rows=1, pictures=2, gap=4)
    assert Sheet(4, 3, 10, 4).sheets == 1
    assert Sheet(4, 3, 10, 4).size(100, 50) == (412, 158)


def test_a_storyboard_has_as_many_as_it_takes() -> None:
    assert sheet_of(still("storyboard"), 60) == Sheet(columns=5, rows=5, pictures=60, gap=0)
    assert sheet_of(still("storyboard"), 60).sheets == 3


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 200), st.integers(0, 5))
def test_no_two_pictures_stand_in_one_place(columns: int, rows: int, count: int, gap: int) -> None:
    sheet = Sheet(columns, rows, count, gap)
    places = [sheet.place(rank, 16, 9) for rank in range(count)]
    assert len(set(places)) == count
    width, height = sheet.size(16, 9)
    assert all(left + 16 <= width and top + 9 <= height and number < sheet.sheets for number, left, top in places)


def test_players_find_each_picture_by_its_part_of_a_sheet() -> None:
    spans = [Span(Fraction(0), Fraction(2), 0), Span(Fraction(2), Fraction(7201, 2), 3)]
    told = storyboard_vtt(Sheet(2, 1, 4, 0), ["a.jpg", "b.jpg"], (160, 90), spans)
    assert told == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\na.jpg#xywh=0,0,160,90\n\n"
        "00:00:02.000 --> 01:00:00.500\nb.jpg#xywh=160,0,160,90\n"
    )
