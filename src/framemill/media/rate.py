"""Whether a player's buffer ever runs empty: the leaky bucket that a capped rate promises to keep."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

from framemill.jobs.choices import USUAL_FPS
from framemill.jobs.settings import Value
from framemill.media.index import FrameIndex

#: How full the buffer is when playing begins: what x264 and x265 presume (`vbv-init`).
INITIAL = Fraction(9, 10)


def frames_a_second(index: FrameIndex) -> Fraction:
    """How fast the frames are shown on average."""
    shown = (max(index.pts) - min(index.pts) + index.last_duration) * index.time_base
    return len(index.pts) / shown if shown > 0 else USUAL_FPS


class Bucket(Value):
    """How a stream fared with a buffer of that size, filled at that rate."""

    underflows: int
    """Packets that were not there whole when they were due."""
    first_underflow: int | None
    """The first of them, counted from 0."""
    lowest_bits: int
    """What the buffer held after the worst packet was taken; negative: what was missing."""
    peak_rate: int
    """Bits in the busiest second."""


def leaky_bucket(
    sizes_bytes: Sequence[int], durations_seconds: Sequence[float | Fraction], rate: int, buffer: int
) -> Bucket:
    """Play packets in decode order from a buffer of `buffer` bits that fills with `rate` bits a second.

    `durations_seconds`: from the time a packet is decoded to the time of the next; both lists are of one length. The
    buffer begins nine tenths full, each packet leaves it at once, and it never holds more than it can: the model of
    annex C of H.264 and H.265, as recipes of encoders count it (`f = 0.9 B; f -= 8 s; f = min(B, f + R t)`).
    """
    durations = [Fraction(duration) for duration in durations_seconds]
    # Exact, and in whole numbers: a title has hundreds of thousands of packets, and sums of fractions are slow.
    second = math.lcm(INITIAL.denominator, *{duration.denominator for duration in durations})
    ticks = [duration.numerator * (second // duration.denominator) for duration in durations]
    full = buffer * second
    fullness = full * INITIAL.numerator // INITIAL.denominator
    lowest, dry = fullness, []
    for number, (size, tick) in enumerate(zip(sizes_bytes, ticks, strict=True)):
        fullness -= 8 * size * second
        lowest = min(lowest, fullness)
        if fullness < 0:
            dry.append(number)
        fullness = min(full, fullness + rate * tick)
    return Bucket(
        underflows=len(dry),
        first_underflow=dry[0] if dry else None,
        lowest_bits=lowest // second,
        peak_rate=_peak(sizes_bytes, ticks, second),
    )


def lasts(sizes_bytes: Sequence[int], durations_seconds: Sequence[float | Fraction], rate: int, buffer: int) -> bool:
    """Whether a chunk leaves a player's buffer as full as it may find it: a quarter, with which its encoder begins.

    Where every chunk does, the whole never runs dry; one that does not may be saved by what others leave over, which
    `leaky_bucket` tells in the end.
    """
    fullness = Fraction(buffer, 4)
    for size, duration in zip(sizes_bytes, durations_seconds, strict=True):
        fullness -= 8 * size
        if fullness < 0:
            return False
        fullness = min(Fraction(buffer), fullness + rate * Fraction(duration))
    return fullness >= Fraction(buffer, 4)


def _peak(sizes: Sequence[int], ticks: Sequence[int], second: int) -> int:
    """Bits of the packets that are decoded within any one second."""
    times = list(accumulate(ticks, initial=0))
    first = held = most = 0
    for number, size in enumerate(sizes):
        held += size
        while times[number] - times[first] >= second:
            held -= sizes[first]
            first += 1
        most = max(most, held)
    return 8 * most
