"""Which frames pictures are taken of, and what a container alone decides of size and rate: pure."""

import math
from bisect import bisect_right
from fractions import Fraction

from framemill.errors import InvalidSetting
from framemill.jobs.settings import OutputSettings
from framemill.media.index import FrameIndex
from framemill.media.sheets import Sheet, sheet_of
from framemill.media.stillcodecs import CODECS

_COUNT, _SHEET_ROWS = 10, 4
_WIDTHS = {"sheet": 320, "storyboard": 160}
_MOST = 1000
_LEAST_EVERY = Fraction(1)

#: Frame rates that MPEG-2 can say (ISO/IEC 13818-2, table 6-4).
_MPEG_RATES = tuple(Fraction(rate) for rate in ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60"))
#: Containers that count frames, and keep no time for each.
COUNTING = frozenset({"avi", "ogv"})
#: Codecs that do.
_COUNTING_CODECS = frozenset({"mpeg4", "mpeg2", "theora"})
_FINEST_RATE = 65_535  # of a rate's numerator: MPEG-4 counts with 16 bits
_GIF_RATE = Fraction(50)
"""GIF counts in hundredths, and players slow down what follows after less than two of them."""


def adapted(settings: OutputSettings, index: FrameIndex) -> OutputSettings:
    """The settings with what the container alone decides: a constant rate where frames are counted, and the size of a
    sheet's pictures where none is asked for. Raises `InvalidSetting` for a rate that it cannot say."""
    changes: dict[str, object] = {}
    together = settings.kind == "picture" and settings.picture in _WIDTHS
    if together and not (settings.width or settings.height or settings.size):
        changes["width"] = _WIDTHS[settings.picture]
    if settings.picture == "animation" and settings.container == "gif" and settings.fps is None:
        changes |= {"fps": str(_GIF_RATE), "fps_mode": "cap"}
    counts = settings.container in COUNTING or settings.video_codec in _COUNTING_CODECS
    if counts and settings.encodes_video:
        changes |= {"fps": str(_counted(settings, index)), "fps_mode": "force"}
    return settings.model_copy(update=changes) if changes else settings


def _counted(settings: OutputSettings, index: FrameIndex) -> Fraction:
    """The constant rate of an output: the one asked for, else the nearest to the source's that can be said."""
    rate, mpeg = settings.rate, settings.video_codec == "mpeg2"
    average = len(index.pts) / length(index)
    if rate is None or (settings.fps_mode == "cap" and average <= rate * Fraction(1001, 1000)):
        average *= 2 if settings.deinterlace == "field" else 1
        return _nearest(average) if mpeg else _near(average)
    if mpeg and rate not in _MPEG_RATES:
        raise InvalidSetting(f"fps={settings.fps}: MPEG-2 knows {', '.join(map(str, _MPEG_RATES))} frames a second.")
    if rate.numerator > _FINEST_RATE or rate.denominator > _FINEST_RATE:
        raise InvalidSetting(f"fps={settings.fps}: {settings.container} takes no fractions that fine.")
    return rate


def _nearest(average: Fraction) -> Fraction:
    return min(_MPEG_RATES, key=lambda known: abs(known - average))


def _near(average: Fraction) -> Fraction:
    """A usual rate where it is one (clocks of containers round), else a fraction that can be written."""
    usual = _nearest(average)
    if abs(usual - average) <= usual / 2000:
        return usual
    return min(max(average.limit_denominator(1001), Fraction(1, 1001)), Fraction(1000))


def length(shown: FrameIndex) -> Fraction:
    """Seconds from the earliest frame to the end of the latest one."""
    return (max(shown.pts) - min(shown.pts) + max(shown.last_duration, 1)) * shown.time_base


def times(settings: OutputSettings, whole: Fraction) -> list[Fraction]:
    """Seconds from the first frame at which pictures are taken. Raises `InvalidSetting` for one beyond the end."""
    if settings.at:
        return [_time(at, whole) for at in settings.at]
    if settings.picture == "frame":
        return [whole / 2]
    if settings.every is not None or (settings.picture == "storyboard" and settings.count is None):
        every = max(_LEAST_EVERY, whole / 100) if settings.every is None else Fraction(str(settings.every))
        count = max(1, math.ceil(whole / every))
        if count > _MOST:
            raise InvalidSetting(f"every={float(every):g} makes {count} pictures, more than {_MOST}: set it higher.")
        return [every * number for number in range(count)]
    count = settings.count or _usual_count(settings)
    if settings.picture == "storyboard":
        return [whole * number / count for number in range(count)]
    return [whole * (2 * number + 1) / (2 * count) for number in range(count)]


def _usual_count(settings: OutputSettings) -> int:
    return settings.columns * (settings.rows or _SHEET_ROWS) if settings.picture == "sheet" else _COUNT


def _time(at: float | str, whole: Fraction) -> Fraction:
    if isinstance(at, str):
        return whole * Fraction(at.removesuffix("%")) / 100
    if at > whole:
        raise InvalidSetting(f"at={at:g} lies beyond the end: the output shows {float(whole):.3f} s of the source.")
    return Fraction(str(at))


def frames_at(settings: OutputSettings, shown: FrameIndex) -> list[int]:
    """The frame on the screen at each of those times, in their order."""
    rising = sorted(shown.pts)
    asked = times(settings, length(shown))
    return [max(0, bisect_right(rising, rising[0] + time / shown.time_base) - 1) for time in asked]


def picked(settings: OutputSettings, shown: FrameIndex) -> tuple[int, ...]:
    """The frames that pictures are taken of, in order, each once: a short title has fewer than were asked for."""
    if settings.picture == "animation":
        return tuple(range(len(shown.pts)))
    return tuple(sorted(set(frames_at(settings, shown))))


def put_together(settings: OutputSettings, count: int) -> Sheet | None:
    """How so many pictures stand together; None: each is a file of its own."""
    return sheet_of(settings, count) if settings.picture in _WIDTHS else None


_EDGE = 128
_FRAME_BITS = 1 << 31
"""ffmpeg takes no frame whose sides, each with an edge of 128 pixels, hold more bits than that at 8 bytes a pixel."""


def check_size(settings: OutputSettings, shown: FrameIndex, width: int, height: int) -> None:
    """Raise `InvalidSetting` where pictures of that size cannot be what is asked for, before anything is drawn."""
    together = put_together(settings, len(picked(settings, shown)))
    if together is not None:
        width, height = together.size(width, height)
    longest = CODECS[settings.container].longest
    if max(width, height) > longest or (width + _EDGE) * (height + _EDGE) * 8 >= _FRAME_BITS:
        raise InvalidSetting(
            f"A {settings.container} of {width}x{height} pixels is too large (at most {longest} a side, and 268 "
            "million in all): set width or height, or fewer columns."
        )
