"""Curves: what is left of many points, and where things are drawn."""

from xml.etree import ElementTree

import pytest

from framemill.services.curve import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Curve,
    Level,
    Point,
    clock,
    draw,
    thinned,
    time_ticks,
    value_axis,
    value_ticks,
)

FLAT = Curve(title="<flat>", points=[Point(0, 90), Point(10, 90)], seconds=10, low=80, high=100)


def test_few_points_are_all_drawn() -> None:
    assert thinned([3.0, 1.0, 2.0]) == [0, 1, 2]


def test_of_many_points_every_minimum_and_maximum_stays() -> None:
    values = [90.0] * 100_000
    values[31_415], values[92_653] = 12.0, 99.0

    drawn = thinned(values)

    assert len(drawn) <= 4000
    assert drawn == sorted(drawn)
    assert {31_415, 92_653} <= set(drawn)
    assert drawn[0] < 50
    assert drawn[-1] > 99_900


def test_a_point_is_where_its_time_and_value_say() -> None:
    assert (FLAT.x(0), FLAT.x(10), FLAT.y(80), FLAT.y(100)) == (LEFT, RIGHT, BOTTOM, TOP)
    assert FLAT.y(20) == BOTTOM  # never outside


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        (0.3, [0, 0.1, 0.2, 0.3]),
        (3, [0, 0.5, 1, 1.5, 2, 2.5, 3]),
        (30, [0, 5, 10, 15, 20, 25, 30]),
        (5400, [0, 900, 1800, 2700, 3600, 4500, 5400]),
        (1_000_000, [n * 125_000 for n in range(9)]),
    ],
)
def test_times_are_marked_evenly(seconds: float, ticks: list[float]) -> None:
    assert time_ticks(seconds) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (60, 100, [60, 70, 80, 90, 100]),
        (90, 100, [90, 92, 94, 96, 98, 100]),
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (-3, 1, [-3, -2, -1, 0, 1]),
    ],
)
def test_values_are_marked_evenly(low: float, high: float, ticks: list[float]) -> None:
    assert value_ticks(low, high) == pytest.approx(ticks)


def test_the_value_axis_ends_at_whole_steps_and_is_never_empty() -> None:
    assert value_axis(71.5, 100, 10) == (70, 100)
    assert value_axis(100, 100, 10) == (90, 100)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0:00"), (9.96, "0:10"), (61.25, "1:01.2"), (3599.99, "1:00:00"), (3661.5, "1:01:01.5")]
)
def test_a_time_is_said_as_on_a_clock(seconds: float, said: str) -> None:
    assert clock(seconds) == said


def test_a_picture_of_its_own_is_xml_with_all_that_was_asked_for() -> None:
    full = Curve("<t>", FLAT.points, 10, 80, 100, seams=[2, 5], shaded=(3, 4), levels=[Level(85, "P1 & more")])

    root = ElementTree.fromstring(draw(full, standalone=True))  # noqa: S314 - we wrote it

    kinds = {element.get("class"): element for element in root}
    assert root.get("aria-label") == "<t>"
    assert kinds["seams"].get("d") == f"M{full.x(2):.1f} {TOP}V{BOTTOM}M{full.x(5):.1f} {TOP}V{BOTTOM}"
    assert float(str(kinds["shaded"].get("x"))) == pytest.approx(full.x(3), abs=0.1)
    assert kinds["name"].text == "P1 & more"
    assert kinds["curve"].get("d") == f"M{LEFT:.1f} {full.y(90):.1f}L{RIGHT:.1f} {full.y(90):.1f}"


def test_inside_a_page_it_names_no_address() -> None:
    assert "http" not in draw(FLAT)
