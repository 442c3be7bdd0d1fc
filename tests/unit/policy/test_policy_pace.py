"""How quickly a job moves."""

from framemill.policy.pace import WINDOW_SECONDS, Pace, Seen, kept, pace_of


def seen(*points: tuple[float, int], planned: int = 1000) -> list[Seen]:
    found: list[Seen] = []
    for at, frames in points:
        found = kept(found, Seen(at, frames, planned))
    return found


def test_nobody_knows_before_two_looks_that_lie_apart() -> None:
    assert pace_of([]) == pace_of(seen((0, 5))) == pace_of(seen((0, 5), (1, 9))) == Pace()


def test_what_lies_in_the_window_counts() -> None:
    assert pace_of(seen((0, 0), (4, 100))) == Pace(25.0, 36.0)
    assert pace_of(seen((0, 0), (100, 100), (104, 200))) == Pace(25.0, 32.0)
    assert len(seen(*((at, at) for at in range(100)))) == WINDOW_SECONDS + 1


def test_one_that_stands_still_has_no_end() -> None:
    assert pace_of(seen((0, 7), (5, 7))) == Pace(0.0, None)


def test_another_plan_begins_anew() -> None:
    old = seen((0, 0), (4, 400))
    assert kept(old, Seen(5, 0, 1000)) == [Seen(5, 0, 1000)]
    assert kept(old, Seen(5, 500, 900)) == [Seen(5, 500, 900)]
