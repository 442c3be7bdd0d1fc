"""The smallest range of frames that still fails, found by trying.

A failure may take more than the frame that shows it: the frames before it, or a number of them. So what is assumed is
only that a range which fails does so inside a longer one, too. First the end is moved as far to the front as it goes,
then the start to the back, each by halves: at most 2·log₂(n) + 2 tries for n frames, whatever the answers.

Where the answers contradict each other (a range passed that holds one which failed), nothing more can be learned: the
smallest range that was seen to fail is as good as it gets. It always is one that was seen to fail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Outcome(NamedTuple):
    """What came of encoding the frames `first` ≤ n < `end` by themselves."""

    first: int
    end: int
    failed: bool


@dataclass(frozen=True)
class Try:
    """Encode these frames next."""

    first: int
    end: int


@dataclass(frozen=True)
class Found:
    """Nothing smaller is known to fail."""

    first: int
    end: int


def next_range(outcomes: Sequence[Outcome]) -> Try | Found:
    """What to try after these outcomes, in any order; the first one is the failure of the whole chunk.

    Raises `ValueError` where nothing has failed.
    """
    failed = [(outcome.end - outcome.first, outcome.first, outcome.end) for outcome in outcomes if outcome.failed]
    if not failed:
        raise ValueError("no range of frames has failed, so there is none to narrow down")
    _, first, end = min(failed)
    passed = [outcome for outcome in outcomes if not outcome.failed]
    # Known to pass: the frames from `first` up to `passes_to`, and those from `passes_from` up to `end`. A range that
    # passed and holds all of what failed leaves nothing to try on either side.
    passes_to = max([first, *(outcome.end for outcome in passed if outcome.first <= first)])
    if passes_to < end - 1:
        return Try(first, (passes_to + end) // 2)
    passes_from = min([end, *(outcome.first for outcome in passed if outcome.end >= end)])
    if passes_from > first + 1:
        return Try((first + passes_from) // 2, end)
    return Found(first, end)
