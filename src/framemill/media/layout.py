"""When everything of an output is shown: what the join and the package follow, known as soon as it is planned."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from framemill.media.encode import output_times
from framemill.media.package import decode_delay
from framemill.media.picking import COUNTING
from framemill.media.playlists import target_duration
from framemill.media.title import Title

_SOUND_BLOCK = 0.1  # seconds, generously: sound is cut between its blocks (AAC: 1024 samples), not where pictures are

_FINEST_RATE = 1001  # the denominator of NTSC's rates


@dataclass(frozen=True)
class Layout:
    """The times of an output's pictures."""

    times: list[int]
    """Of every frame, in ticks, strictly increasing."""
    time_base: Fraction
    last_duration: int
    """Of the last frame, in ticks."""
    starts: tuple[int, ...]
    """First frame of each segment (packages only)."""

    @cached_property
    def cuts(self) -> list[Fraction]:
        """Seconds at which a segment ends and the next one begins."""
        return [self.times[start] * self.time_base for start in self.starts[1:]]

    @cached_property
    def delay(self) -> int:
        """See `decode_delay`."""
        return decode_delay(self.times)

    @cached_property
    def rate(self) -> Fraction:
        """Frames a second, where there are most: of any segment, since times may be rounded."""
        counts = [after - before for before, after in pairwise([*self.starts, len(self.times)])]
        rates = [Fraction(count) / length for count, length in zip(counts, self._lengths, strict=True)]
        return max(rates, default=Fraction(0)).limit_denominator(_FINEST_RATE)

    @cached_property
    def seconds(self) -> float:
        """When the last picture is over."""
        return float((self.times[-1] + self.last_duration) * self.time_base)

    @cached_property
    def target(self) -> int:
        """Seconds that no segment of pictures is longer than."""
        return target_duration(self._durations)

    @cached_property
    def sound_target(self) -> int:
        """Seconds that no segment of the sound beside them is longer than."""
        return target_duration(duration + _SOUND_BLOCK for duration in self._durations)

    @cached_property
    def _durations(self) -> list[float]:
        return [float(length) for length in self._lengths]

    @cached_property
    def _lengths(self) -> list[Fraction]:
        end = self.times[-1] + self.last_duration
        bounds = [*(self.times[start] for start in self.starts), end]
        return [(after - before) * self.time_base for before, after in pairwise(bounds)]


def layout(title: Title, *, heard: bool) -> Layout:
    """Of a title with pictures. `heard`: with sound; without it, the pictures alone say where time begins."""
    film = title.pictured
    index = film.shown
    times, time_base = output_times(index, title.zero if heard else index.seconds(0))
    if title.settings.container in COUNTING and film.edit is not None and film.edit.rate is not None:
        first = round(times[0] * time_base * film.edit.rate)
        times, time_base = list(range(first, first + len(times))), 1 / film.edit.rate
    return Layout(
        times=times,
        time_base=time_base,
        last_duration=max(1, round(index.last_duration * index.time_base / time_base)),
        starts=film.plan.segments,
    )
