"""The gate for any pair of files: what is looked at, and what passes."""

from fractions import Fraction
from typing import Any

import pytest

from framemill.media.agreement import Side, Sound, agree

TIMES = tuple(Fraction(n, 25) for n in range(50))
SOURCE = Side(name="a", times=TIMES, tick=Fraction(1, 12800), sound=Sound(start=Fraction(0), samples=96000, rate=48000))


def failed(**changes: Any) -> list[str]:
    output = SOURCE.model_copy(update={"name": "b", **changes})
    return [check.what for check in agree(SOURCE, output) if not check.passed]


def test_a_file_agrees_with_itself() -> None:
    assert failed() == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"times": TIMES[:-1]}, ["frames"]),
        ({"times": (*TIMES[:-1], TIMES[-1] + Fraction(1, 100))}, ["times"]),
        ({"first_key": False}, ["begins with a keyframe"]),
        ({"parameter_sets": 2}, ["parameter sets"]),
        ({"frames_decoded": 49}, ["frames decoded"]),
        ({"complaints": ("no frame!",)}, ["complaints of the decoder"]),
        (
            {"sound": SOURCE.sound and SOURCE.sound.model_copy(update={"samples": 96000 - 4096})},
            ["length of the sound"],
        ),
        ({"sound": SOURCE.sound and SOURCE.sound.model_copy(update={"start": Fraction(1, 10)})}, ["sound begins at"]),
    ],
)
def test_what_differs_is_named(changes: dict[str, Any], what: list[str]) -> None:
    assert failed(**changes) == what


def test_times_count_from_the_earliest_stream_of_each() -> None:
    late = tuple(time + 10 for time in TIMES)
    sound = Sound(start=Fraction(10), samples=96000, rate=48000)
    assert failed(times=late, sound=sound) == []


def test_a_coarse_container_is_off_by_its_tick_at_most() -> None:
    thirds = tuple(Fraction(n, 30) for n in range(50))
    rounded = tuple(Fraction(round(time * 1000), 1000) for time in thirds)
    source = SOURCE.model_copy(update={"times": thirds})
    output = source.model_copy(update={"times": rounded, "tick": Fraction(1, 1000)})
    assert all(check.passed for check in agree(source, output))
    assert not all(check.passed for check in agree(source, output.model_copy(update={"tick": Fraction(1, 12800)})))


def test_aac_may_pad_its_last_packet() -> None:
    assert SOURCE.sound is not None
    assert failed(sound=SOURCE.sound.model_copy(update={"samples": 96000 + 2048})) == []


def test_sound_that_came_from_nowhere_is_told() -> None:
    silent = SOURCE.model_copy(update={"sound": None})
    assert [check.what for check in agree(silent, SOURCE) if not check.passed] == ["sound"]
