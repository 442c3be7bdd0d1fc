"""Which frames pictures are taken of."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.errors import InvalidSetting
from framemill.jobs.settings import OutputSettings
from framemill.media.index import FrameIndex
from framemill.media.picking import adapted, check_size, frames_at, length, picked, times


def shown(frames: int, rate: int = 25) -> FrameIndex:
    return FrameIndex(
        time_base=Fraction(1, rate), pts=tuple(range(frames)), last_duration=1, source="packets", why="made up"
    )


def still(container: str = "jpg", **settings: Any) -> OutputSettings:
    given = {"container": container, "video_codec": "none", "audio_codec": "none", **settings}
    return OutputSettings.model_validate(given)


def test_one_picture_is_the_middle_one() -> None:
    assert picked(still(), shown(100)) == (50,)
    assert picked(still(), shown(1)) == (0,)


def test_a_picture_is_what_is_on_the_screen_then() -> None:
    assert picked(still(at=[1.0]), shown(100)) == (25,)
    assert picked(still(at=[1.019]), shown(100)) == (25,)
    assert picked(still(at=["0%"]), shown(100)) == (0,)
    assert picked(still(at=["100%"]), shown(100)) == (99,)


def test_beyond_the_end_there_is_none() -> None:
    with pytest.raises(InvalidSetting, match=r"4\.000 s"):
        picked(still(at=[4.1]), shown(100))


def test_pictures_are_spread_evenly() -> None:
    assert picked(still(picture="thumbnails", count=4), shown(100)) == (12, 37, 62, 87)


def test_every_so_many_seconds_from_the_first_on() -> None:
    assert picked(still(picture="thumbnails", every=1), shown(100)) == (0, 25, 50, 75)
    with pytest.raises(InvalidSetting, match="makes 4000 pictures"):
        picked(still(picture="thumbnails", every=0.001), shown(100))


def test_a_storyboard_has_a_hundred_pictures_of_a_long_title() -> None:
    assert len(times(still(picture="storyboard"), Fraction(3600))) == 100
    assert times(still(picture="storyboard"), Fraction(5, 2)) == [0, 1, 2]


def test_an_animation_shows_every_frame() -> None:
    assert picked(still("gif", picture="animation"), shown(3)) == (0, 1, 2)


@given(st.integers(1, 300), st.integers(1, 60), st.sampled_from(["thumbnails", "sheet", "storyboard"]))
def test_a_picture_is_taken_once_and_lies_in_the_title(frames: int, count: int, picture: str) -> None:
    settings = still(picture=picture, count=count)
    found = picked(settings, shown(frames))
    assert 1 <= len(found) <= min(count, frames)
    assert list(found) == sorted(set(found))
    assert 0 <= found[0] <= found[-1] < frames
    assert set(frames_at(settings, shown(frames))) == set(found)


def test_a_lone_frame_has_a_length() -> None:
    assert length(shown(1)) == Fraction(1, 25)


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({"container": "avi"}, "25"),
        ({"container": "mpg"}, "25"),
        ({"container": "ogv", "fps": "12"}, "12"),
        ({"container": "avi", "fps": "30", "fps_mode": "cap"}, "25"),
        ({"container": "avi", "fps": "10", "fps_mode": "cap"}, "10"),
        ({"container": "3gp", "video_codec": "mpeg4"}, "25"),
        ({"container": "mpg", "deinterlace": "field"}, "50"),
    ],
)
def test_what_counts_frames_has_a_constant_rate(settings: dict[str, Any], rate: str) -> None:
    found = adapted(OutputSettings.model_validate(settings), shown(100))
    assert (found.fps, found.fps_mode) == (rate, "force")


@pytest.mark.parametrize("container", ["flv", "wmv", "mp4"])
def test_others_keep_their_times(container: str) -> None:
    settings = OutputSettings.model_validate({"container": container})
    assert adapted(settings, shown(100)) is settings


def test_a_clock_that_rounds_has_the_usual_rate() -> None:
    rounded = FrameIndex(
        time_base=Fraction(1, 1000),
        pts=tuple(round(n * 1001 / 30) for n in range(300)),
        last_duration=33,
        source="packets",
        why="made up",
    )
    assert adapted(OutputSettings(container="avi"), rounded).rate == Fraction(30000, 1001)
    assert adapted(OutputSettings(container="mpg"), rounded).rate == Fraction(30000, 1001)


def test_a_rate_that_cannot_be_said_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="MPEG-2 knows"):
        adapted(OutputSettings(container="mpg", fps="12"), shown(100))


def test_a_sheets_pictures_have_a_usual_width() -> None:
    assert adapted(still(picture="sheet"), shown(10)).width == 320
    assert adapted(still(picture="sheet", height=100), shown(10)).width is None


def test_what_no_format_holds_is_refused_before_it_is_drawn() -> None:
    check_size(still(), shown(1), 16000, 16000)
    with pytest.raises(InvalidSetting, match="too large"):
        check_size(still(), shown(1), 16384, 16384)
    with pytest.raises(InvalidSetting, match="16383 a side"):
        check_size(still("webp"), shown(1), 16384, 10)
    with pytest.raises(InvalidSetting, match="fewer columns"):
        check_size(still(picture="sheet", columns=50), shown(1000), 4000, 100)
