"""What a track of a package is cut into: before it is files, and as manifests name it."""

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Literal, TypeAlias

from pydantic import BaseModel

SegmentKind: TypeAlias = Literal["cmaf", "ts"]


class TrackKind(BaseModel):
    """What manifests say of a track beside its codec; 0 or empty: unknown, or of no use."""

    channels: int = 0
    sample_rate: int = 0
    """Hz."""
    range: str = ""
    """Of pictures in high dynamic range: `PQ` or `HLG`."""


class Keyframe(BaseModel):
    """A picture that can be shown by itself, for players that show pictures while they seek."""

    segment: int
    at: int
    """Bytes from the segment's start."""
    size: int
    """Bytes from there on with which it can be decoded (and the init segment, where there is one)."""
    seconds: float
    """When it is shown."""


class Segments(BaseModel):
    """What was written of a track."""

    names: list[str]
    """The file that each is in: one of its own, or the same for all."""
    durations: list[float]
    """Seconds, as the playlist states them."""
    sizes: list[int]
    codecs: str
    """RFC 6381 name of the track, for the manifests."""
    offsets: list[int] = []
    """Byte at which each begins in its file; empty: each is a file."""
    init: str = ""
    """The file that begins with the init segment; empty: none is needed."""
    init_size: int = 0
    """Bytes of the init segment."""
    index: tuple[int, int] | None = None
    """Where the index of the segments lies in their file: first byte, and how many."""
    scale: int = 1
    """Ticks a second."""
    bounds: list[int] = []
    """When each begins, and the last one ends, in ticks."""
    keys: list[Keyframe] = []
    counters: dict[int, int] = {}
    """Of a transport stream: which packet follows next, by PID."""
    kind: TrackKind = TrackKind()

    @property
    def bytes_written(self) -> int:
        """Of the file, where all segments are in one."""
        return self.offsets[-1] + self.sizes[-1] if self.offsets else 0

    @property
    def key_seconds(self) -> list[float]:
        """How long each keyframe stands for all pictures up to the next one."""
        end = self.bounds[-1] / self.scale if self.bounds else 0.0
        return [after - before for before, after in pairwise([*(key.seconds for key in self.keys), end])]


@dataclass(frozen=True, slots=True)
class Cut:
    """Segments of one track before they are files."""

    init: bytes
    media: list[bytes]
    base: Fraction
    """Seconds a tick."""
    bounds: list[int]
    """When each begins, and the last one ends, in ticks; none lies before 0."""
    codecs: str
    keys: list[Keyframe] = field(default_factory=list)
    counters: dict[int, int] = field(default_factory=dict)
    durations: list[float] = field(default_factory=list)
    """Seconds of what is in each."""
    kind: TrackKind = field(default_factory=TrackKind)


def joined(before: Segments | None, added: Segments | None) -> Segments:
    """The segments of a track, and those that follow them."""
    if before is None or added is None:
        return before or added or Segments(names=[], durations=[], sizes=[], codecs="")
    return Segments(
        names=before.names + added.names,
        durations=before.durations + added.durations,
        sizes=before.sizes + added.sizes,
        codecs=added.codecs,
        offsets=before.offsets + added.offsets,
        init=before.init,
        init_size=before.init_size,
        index=added.index,
        scale=added.scale,
        bounds=before.bounds[:-1] + added.bounds,
        keys=before.keys + added.keys,
        counters=added.counters,
        kind=added.kind,
    )
