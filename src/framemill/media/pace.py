"""Whether a sound keeps to its own times, and what has to be done where it does not.

Encoders count samples and forget times; so a hole would let all that follows come too early. What is done about it
depends on what it is: a step stays (a lost packet, a cut), and is filled with silence or taken away at once; jitter
returns by itself (clocks of phones, durations that a demuxer guesses), and is left alone; drift grows slowly (a sound
card whose clock is not the computer's), and is stretched away, unheard.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from statistics import median

from framemill.media.index import HashedFrame

SYNC_SECONDS = 0.001
"""What nobody sees or hears, and no output shall be off by."""
_WINDOW_SECONDS = 1.0  # jitter has returned by then
_LONGEST_SILENCE = 60.0  # a wild time stamp is not hours of silence

_MOST_STRETCH = Fraction(1, 200)  # a twelfth of a semitone
_WIDE_SECONDS = 0.1  # beyond that nothing is jitter


def corrections(frames: Sequence[HashedFrame], base: Fraction) -> dict[str, str]:
    """Options of ffmpeg's `aresample` that keep these decoded frames to their times; empty: they do by themselves.

    `base`: of their times, in seconds.
    """
    off = deviations(frames, base)
    lasting = _lasting(off, frames, base)
    if not lasting or max(map(abs, off)) > _LONGEST_SILENCE or max(map(abs, lasting)) <= SYNC_SECONDS:
        return {}
    jitter = max(abs(one - other) for one, other in zip(off, lasting, strict=True))
    moves = (after - before for before, after in pairwise(lasting))
    drift = max(map(abs, accumulate(move for move in moves if abs(move) <= SYNC_SECONDS)), default=0.0)
    if max(jitter, drift) <= SYNC_SECONDS:
        return {"async": "1", "min_hard_comp": f"{SYNC_SECONDS:g}"}
    return {
        "async": str(max(2, round(_MOST_STRETCH / base))),
        "min_comp": f"{max(SYNC_SECONDS / 10, jitter):.4f}",
        "min_hard_comp": f"{min(_WIDE_SECONDS, max(5 * SYNC_SECONDS, 2 * jitter)):.4f}",
    }


def deviations(frames: Sequence[HashedFrame], base: Fraction) -> list[float]:
    """By how many seconds each frame comes later than if all samples before it had followed each other."""
    found = []
    due = frames[0].pts if frames else 0
    for frame in frames:
        found.append(float((frame.pts - due) * base))
        due += frame.duration
    return found


def _lasting(off: Sequence[float], frames: Sequence[HashedFrame], base: Fraction) -> list[float]:
    """What is left of them without jitter: the median of those around each."""
    usual = float(median(frame.duration for frame in frames) * base) if frames else 1.0
    half = max(1, round(_WINDOW_SECONDS / max(usual, 1e-4) / 2))
    return [median(off[max(0, at - half) : at + half + 1]) for at in range(len(off))]
