"""How quickly a job moves, from when it was seen how far. Pure: seconds are handed in."""

from collections.abc import Sequence
from typing import NamedTuple

WINDOW_SECONDS = 15.0
"""What was seen before that says nothing of now."""
_LEAST_SECONDS = 2.0


class Seen(NamedTuple):
    """How far a job was."""

    at: float
    """Seconds of any clock that does not jump."""
    frames: int
    planned: int


class Pace(NamedTuple):
    """How quickly it moves."""

    frames_per_second: float | None = None
    """None: nobody knows yet."""
    remaining_seconds: float | None = None
    """Until the last frame is encoded."""


def kept(seen: Sequence[Seen], now: Seen) -> list[Seen]:
    """What is to be remembered; another plan, or fewer frames than before, begins anew."""
    if seen and (seen[-1].planned != now.planned or seen[-1].frames > now.frames):
        return [now]
    return [*(one for one in seen if one.at >= now.at - WINDOW_SECONDS), now]


def pace_of(seen: Sequence[Seen]) -> Pace:
    """From what was seen in the window."""
    if len(seen) <= 1 or seen[-1].at - seen[0].at < _LEAST_SECONDS:
        return Pace()
    first, last = seen[0], seen[-1]
    rate = (last.frames - first.frames) / (last.at - first.at)
    if rate <= 0:
        return Pace(0.0)
    return Pace(round(rate, 2), round((last.planned - last.frames) / rate, 1))
