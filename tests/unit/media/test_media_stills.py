"""Sizes and commands of single frames as pictures."""

from fractions import Fraction
from pathlib import Path

import pytest

from framemill.media.index import FirstFrame
from framemill.media.stills import still_size, stills_command


@pytest.mark.parametrize(
    ("width", "height", "aspect", "size"),
    [
        (640, 360, "1/1", (640, 360)),
        (1920, 1080, "1/1", (960, 540)),
        (1080, 1920, "1/1", (540, 960)),
        (720, 576, "16/15", (768, 576)),
        (720, 480, "8/9", (720, 540)),
        (720, 480, "0/1", (720, 480)),
    ],
)
def test_a_still_has_square_pixels_and_is_never_enlarged(
    width: int, height: int, aspect: str, size: tuple[int, int]
) -> None:
    first = FirstFrame(time_base=Fraction(1), pts=0, width=width, height=height, sample_aspect_ratio=aspect)

    assert still_size(first) == size


def test_frames_are_named_by_number_and_the_film_is_left_after_the_last() -> None:
    argv = stills_command("/in.mp4", [3, 40], (64, 36), Path("/50%"))

    assert "select=eq(n,3)+eq(n,40)" in argv[argv.index("-filter_complex") + 1].replace("\\", "").replace("'", "")
    assert argv[argv.index("-frames:v") + 1] == "2"
    assert "/50%%/%05d.webp" in argv
