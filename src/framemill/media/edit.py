"""Which of a source's frames an output shows, and when: the whole of it, a part, other fields, another frame rate.

The frames that come out are a list of their own (`edited`), on the source's clock. Everything after works on that
list; only the decode knows which of the source's frames a span of it is made of (`span`).
"""

import bisect
import math
from fractions import Fraction

from framemill.errors import SourceUnreadable
from framemill.jobs.settings import OutputSettings, Value
from framemill.media.index import FrameIndex, SeekPoint

#: Frames of the source beside a span that a filter which looks at neighbours gets. bwdif looks at one; a second one
#: costs nothing (recipe: 2 wrong frames a seam without, none with 1).
WINDOW = 2
_FINEST = 1 << 31  # ticks a second that a container can count


class Edit(Value):
    """What of a source is shown. Frames are the source's."""

    first: int
    end: int
    """Half-open, like all ranges here."""
    deinterlace: str = ""
    """bwdif's mode: `send_frame`, or `send_field`, which makes two pictures of each; empty: none."""
    rate: Fraction | None = None
    """Constant frame rate of what is shown, counted from its first frame; none: the times as they are."""

    @property
    def changes_times(self) -> bool:
        """Whether other frames come out than go in."""
        return bool(self.deinterlace) or self.rate is not None


def plan_edit(settings: OutputSettings, index: FrameIndex, *, interlaced: bool) -> Edit | None:
    """The edit that the settings ask for; none: every frame at its own time.

    Raises `SourceUnreadable` where no frame lies between the asked start and end.
    """
    first, end = _clip(settings, index)
    if first >= end:
        raise SourceUnreadable(
            f"No picture lies between {settings.start or 0:g} s and "
            f"{'the end' if settings.until is None else f'{settings.until:g} s'}: the source has "
            f"{float(_length(index)):.3f} s. Set start and end within that."
        )
    wanted = settings.deinterlace
    mode = {"frame": "send_frame", "field": "send_field", "auto": "send_frame" if interlaced else ""}.get(wanted, "")
    edit = Edit(first=first, end=end, deinterlace=mode, rate=_rate(settings, index))
    return None if edit == Edit(first=0, end=len(index.pts)) else edit


def _clip(settings: OutputSettings, index: FrameIndex) -> tuple[int, int]:
    if not settings.clipped:
        return 0, len(index.pts)
    times = index.rising
    start, until = Fraction(str(settings.start or 0)), settings.until
    first = bisect.bisect_left(times, times[0] + start / index.time_base)
    if until is None:
        return first, len(times)
    return first, bisect.bisect_left(times, times[0] + Fraction(str(until)) / index.time_base)


def _length(index: FrameIndex) -> Fraction:
    times = index.rising
    return (times[-1] - times[0] + index.last_duration) * index.time_base


def _rate(settings: OutputSettings, index: FrameIndex) -> Fraction | None:
    rate = settings.rate
    if rate is None or settings.fps_mode == "force":
        return rate
    # A rate a thousandth above the limit is within it: 29.97 is no more than 30, and rounded times say 30.003.
    return rate if len(index.pts) / _length(index) > rate * Fraction(1001, 1000) else None


def edited(index: FrameIndex, edit: Edit | None) -> FrameIndex:
    """The frames that are shown, as if they were a source's.

    Seek points have the number of the first shown frame that decoding from there delivers, and the source's times.
    """
    if edit is None:
        return index
    times = list(index.rising[edit.first : edit.end])
    after = index.pts[edit.end] - times[-1] if edit.end < len(index.pts) else index.last_duration
    base, last = index.time_base, max(after, 1)
    if edit.deinterlace:
        base, times, last = base / 2, *_fields(times, last, both=edit.deinterlace == "send_field")
    if edit.rate is not None:
        base, times, last = _constant(base, times, last, edit.rate)
    shown = FrameIndex(time_base=base, pts=tuple(times), last_duration=last, source=index.source, why=index.why)
    return shown.model_copy(update={"seek_points": _seek_points(index, edit, shown)})


def _fields(times: list[int], last: int, *, both: bool) -> tuple[list[int], int]:
    """Times in half ticks of what bwdif makes of these frames; the last field comes as long after as the one before."""
    if not both:
        return [2 * time for time in times], 2 * last
    ends = [*times[1:], 2 * times[-1] - times[-2] if len(times) > 1 else times[-1] + last]
    pairs = [(2 * time, time + after) for time, after in zip(times, ends, strict=True)]
    return [time for pair in pairs for time in pair], max(1, 2 * (times[-1] + last) - pairs[-1][1])


def _constant(base: Fraction, times: list[int], last: int, rate: Fraction) -> tuple[Fraction, list[int], int]:
    """Times at that rate from the first frame to the end, in ticks that hold both clocks.

    The `fps` filter rounds the end as it rounds each frame: to the nearest (its `round=near`), halves up.
    """
    count = max(1, math.floor((times[-1] + last - times[0]) * base * rate + Fraction(1, 2)))
    fine = Fraction(
        math.gcd(base.numerator * rate.numerator, rate.denominator * base.denominator),
        base.denominator * rate.numerator,
    )
    if fine.denominator > _FINEST:  # nothing counts both clocks: the source's zero is rounded to the new one
        fine = 1 / rate
    start, step = round(times[0] * base / fine), round(1 / rate / fine)
    return fine, [start + number * step for number in range(count)], step


def span(index: FrameIndex, edit: Edit | None, shown: FrameIndex, first: int, end: int) -> tuple[int, int]:
    """The source's frames, half-open, that must be decoded for the shown frames `first` ≤ n < `end`."""
    if edit is None:
        return first, end
    if edit.rate is None:
        each = 2 if edit.deinterlace == "send_field" else 1
        roll = WINDOW if edit.deinterlace else 0
        low, high = edit.first + first // each - roll, edit.first + -(-end // each) + roll
    else:
        # A slot shows the last frame before the middle between it and the next one.
        half = 1 / edit.rate / 2
        begin, stop = shown.seconds(0) + first / edit.rate - half, shown.seconds(0) + end / edit.rate + half
        times = index.rising
        low = bisect.bisect_right(times, begin / index.time_base) - 1 - 2 * WINDOW
        high = bisect.bisect_left(times, stop / index.time_base) + 2 * WINDOW
    return max(low, edit.first), min(high, edit.end)


def source_frame(index: FrameIndex, edit: Edit | None, shown: FrameIndex, number: int) -> int:
    """The source's frame at a shown one (its end included): where two neighbouring decodes meet."""
    if edit is None:
        return number
    if number >= len(shown.pts):
        return edit.end
    at = bisect.bisect_right(index.rising, shown.seconds(number) / index.time_base) - 1
    return min(max(at, edit.first), edit.end)


def _seek_points(index: FrameIndex, edit: Edit, shown: FrameIndex) -> tuple[SeekPoint, ...]:
    found: list[SeekPoint] = []
    numbers = range(len(shown.pts))
    # Of those before the first frame only the last ones are ever gone back to: they all deliver it first.
    first = bisect.bisect_left(index.seek_points, edit.first, key=lambda point: point.frame)
    for point in index.seek_points[max(first - _BACK, 0) :]:
        frame = bisect.bisect_left(numbers, point.frame, key=lambda n: span(index, edit, shown, n, n + 1)[0])
        if frame >= len(shown.pts):
            break
        found.append(point.model_copy(update={"frame": frame}))
    return tuple(found)


_BACK = 3
