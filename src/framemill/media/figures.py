"""What the qualities of many frames come to: means, percentiles, the worst second, and around the seams."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from framemill.media.quality import FrameQuality

#: Frames looked at after each seam: a second of film, in which an encoder's rate control finds its level again.
AROUND = 24


@dataclass(frozen=True, slots=True)
class Means:
    """Over all frames, each counting the same."""

    psnr: float
    """Mean of the frames' dB, not the dB of the mean error; equal frames count with libvmaf's cap (60 dB in 8 bits)."""
    ssim: float
    vmaf: float


@dataclass(frozen=True, slots=True)
class Second:
    """The frames of one second: `first` ≤ n < `end`."""

    first: int
    end: int
    vmaf: float
    """Mean."""


@dataclass(frozen=True, slots=True)
class Seam:
    """One seam: the frame that begins behind it, and what the `AROUND` frames from there on are like."""

    frame: int
    vmaf: float
    """Mean."""


@dataclass(frozen=True, slots=True)
class AroundSeams:
    """VMAF over the frames behind all seams together, each frame counted once."""

    seams: int
    vmaf: float
    """Mean."""
    p5: float
    lowest: float
    worst: Seam
    """The seam with the lowest mean."""


def means(frames: Sequence[FrameQuality]) -> Means:
    """Mean of every measure; there must be a frame."""
    return Means(
        psnr=statistics.fmean(frame.psnr for frame in frames),
        ssim=statistics.fmean(frame.ssim for frame in frames),
        vmaf=statistics.fmean(frame.vmaf for frame in frames),
    )


def percentile(values: Iterable[float], percent: int) -> float:
    """The value below which `percent` of the values lie (1 to 99), between two of them in proportion.

    That is numpy's `percentile`; a lone value is every percentile of itself.
    """
    found = list(values)
    return found[0] if len(found) == 1 else statistics.quantiles(found, n=100, method="inclusive")[percent - 1]


def lowest(frames: Sequence[FrameQuality]) -> int:
    """Number of the frame with the lowest VMAF; among equals the one with the lowest PSNR, then the first."""
    return min(range(len(frames)), key=lambda number: (frames[number].vmaf, frames[number].psnr))


def worst_second(frames: Sequence[FrameQuality]) -> Second:
    """The second with the lowest mean VMAF of its frames; a second begins at any frame. The whole, if it is shorter."""
    times = [frame.seconds for frame in frames]
    sums = [0.0, *accumulate(frame.vmaf for frame in frames)]
    film_end = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 0)  # the last lasts as the one before it
    worst, end = None, 0
    for first, time in enumerate(times):
        if time + 1 > film_end:
            break
        while end < len(times) and times[end] < time + 1:
            end += 1
        mean = (sums[end] - sums[first]) / (end - first)
        if worst is None or mean < worst.vmaf:
            worst = Second(first, end, mean)
    return worst or Second(0, len(frames), sums[-1] / len(frames))


def around_seams(frames: Sequence[FrameQuality], seams: Iterable[int]) -> AroundSeams | None:
    """How the frames behind the seams fare; None without a seam. A seam is the number of the first frame behind it.

    The film's start is no seam, and what lies beyond the measured frames is left out.
    """
    inside = sorted({seam for seam in seams if 0 < seam < len(frames)})
    if not inside:
        return None
    values = [frames[number].vmaf for number in behind(inside, len(frames))]
    each = (Seam(seam, statistics.fmean(frame.vmaf for frame in frames[seam : seam + AROUND])) for seam in inside)
    return AroundSeams(
        seams=len(inside),
        vmaf=statistics.fmean(values),
        p5=percentile(values, 5),
        lowest=min(values),
        worst=min(each, key=lambda seam: seam.vmaf),
    )


def behind(seams: Iterable[int], frames: int) -> list[int]:
    """The numbers of the `AROUND` frames behind each seam, each once, in a film of so many frames."""
    return sorted({number for seam in seams for number in range(seam, min(seam + AROUND, frames))})
