"""What becomes of each picture, as filters."""

from typing import Any

import ffmpeg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framemill.errors import InvalidSetting
from framemill.jobs.settings import OutputSettings
from framemill.media.drawing import Step, apply, before_size, sharpen, shown_size, step


def steps(width: int = 640, height: int = 360, **settings: Any) -> list[str]:
    made = before_size(OutputSettings.model_validate(settings), width, height)
    return [":".join([one.name, *(f"{name}={value}" for name, value in one.options)]) for one in made]


def test_a_picture_stays_as_it_is_where_nothing_is_asked_for() -> None:
    assert steps() == []
    assert sharpen(OutputSettings()) == ()
    assert shown_size(OutputSettings(), 640, 360) == (640, 360)


def test_the_crop_comes_first_and_the_denoiser_last() -> None:
    assert steps(crop="320:180:8:4", rotate=270, flip="horizontal", denoise="medium") == [
        "crop:w=320:h=180:x=8:y=4:exact=1",
        "transpose:dir=cclock",
        "hflip",
        "hqdn3d:luma_spatial=4:chroma_spatial=3:luma_tmp=6:chroma_tmp=4.5",
    ]


@pytest.mark.parametrize(
    ("degrees", "filters"),
    [(0, []), (90, ["transpose:dir=clock"]), (180, ["hflip", "vflip"]), (270, ["transpose:dir=cclock"])],
)
def test_it_is_turned_clockwise(degrees: int, filters: list[str]) -> None:
    assert steps(rotate=degrees) == filters


def test_a_crop_without_a_place_is_from_the_middle() -> None:
    assert steps(crop="321:180") == ["crop:w=321:h=180:x=159:y=90:exact=1"]


@pytest.mark.parametrize("crop", ["641:360", "640:361", "320:180:321:0", "320:180:0:181", "0:180", "320:0"])
def test_a_crop_outside_the_picture_is_refused(crop: str) -> None:
    with pytest.raises(InvalidSetting, match=r"does not lie within the picture of 640x360"):
        steps(crop=crop)


def test_edges_are_cut_off() -> None:
    assert steps(crop_edges="10:20:30:40") == ["crop:w=580:h=320:x=40:y=10:exact=1"]
    assert shown_size(OutputSettings(crop_edges="10:20:30:40", rotate=90), 640, 360) == (320, 580)


@pytest.mark.parametrize("edges", ["0:320:0:320", "360:0:0:0", "0:999999:0:0"])
def test_edges_that_leave_nothing_are_refused(edges: str) -> None:
    with pytest.raises(InvalidSetting, match=r"leaves nothing of the picture of 640x360"):
        steps(crop_edges=edges)


@given(st.integers(1, 700), st.integers(1, 400), st.sampled_from([0, 90, 180, 270]))
def test_the_size_shown_is_that_of_the_crop_turned(width: int, height: int, degrees: int) -> None:
    settings = OutputSettings.model_validate({"crop": f"{width}:{height}", "rotate": degrees})
    if width > 640 or height > 360:
        with pytest.raises(InvalidSetting):
            shown_size(settings, 640, 360)
    else:
        expected = (height, width) if degrees in {90, 270} else (width, height)
        assert shown_size(settings, 640, 360) == expected


def test_it_is_sharpened_at_its_size() -> None:
    assert sharpen(OutputSettings(sharpen=-0.5)) == (step("unsharp", luma_amount="-0.5", chroma_amount="-0.25"),)


def test_filters_are_applied_in_their_order() -> None:
    stream = apply(ffmpeg.input("x")["v"], [Step(name="hflip"), step("crop", w=10, h=20)])
    assert stream.output("y").get_args()[3] == "[0:v]hflip[s0];[s0]crop=h=20:w=10[s1]"
