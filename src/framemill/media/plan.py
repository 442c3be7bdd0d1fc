"""Where a title is cut: a pure function of (frame index, settings), never of how many workers there are.

Boundaries are frame numbers. A *package* is cut on its segment grid. A *file* has no grid: a boundary moves to a
source keyframe that lies near, where there is no pre-roll to decode and often a scene cut.
"""

import bisect
import itertools
import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from framemill.jobs.settings import OutputSettings, Rung, RunSettings, Value
from framemill.media.index import FrameIndex, SeekPoint
from framemill.media.inspection import Packets

# A chunk is long enough to be cheap (each starts with an IDR frame: 1.4-4.3 % of the bytes at 10 s) and short enough
# to fill the last slot.
CHUNKS_OF_A_TITLE = 16
USUAL_SECONDS = Fraction(15, 2)
LONGEST_SECONDS = 15
# Below this it is not worth a second process.
UNDIVIDED_SECONDS = 2
# How far a boundary of a file moves to meet a scene cut or a source keyframe, as a share of the chunk's effort: the
# more chunks there are, the easier uneven ones fill the slots.
SNAP_OF_A_PART = Fraction(1, 24)
MOST_SNAP = Fraction(1, 3)
# A source keyframe that comes earlier than this share of the usual distance was put there for a scene cut.
EARLY = Fraction(9, 10)
# Above this ratio of decoded to needed frames, neighbouring chunks share one decode.
WASTEFUL = Fraction(3, 2)
# A source that can only be decoded from its start costs (n + 1) / 2 decodes in n groups.
LINEAR_GROUPS = 4
# A package begins with chunks of one segment, two, four…: as many as there are up to a usual chunk of short segments.
SHORT_CHUNKS = 4
# Encoders of one process keep their memory until it ends.
GROUP_CHUNKS = 32
LINEAR_GROUP_CHUNKS = 128
GROUP_BYTES = 512 << 20
ENCODER_BYTES = 16 << 20
LOOKAHEAD_FRAMES = 60


class Chunk(Value):
    """The span one encoder process encodes: frames `first` ≤ n < `end`."""

    number: int
    first: int
    end: int
    idrs: tuple[int, ...] = ()
    """Frames inside the chunk that start a segment, counted from the chunk's first."""
    why: str
    """Why it begins there."""
    effort: int = 0
    """What encoding it takes, in units of the title's own: chunks of a file are begun in the order of effort."""
    shares: tuple[int, ...] = ()
    """Bits per second that it has of the title's, in each rendition (0: all that its quality takes); empty before the
    first of two passes."""

    @property
    def frames(self) -> int:
        """How many frames it holds."""
        return self.end - self.first


class Group(Value):
    """Neighbouring chunks that are encoded from one decode."""

    number: int
    first_chunk: int
    end_chunk: int
    """Half-open, like all ranges here."""
    seek: int | None
    """Time of the keyframe that decoding starts at, in ticks of the index; none: the source's start."""
    decoded: int
    """Frames that pass the decoder."""


class VideoPlan(Value):
    """How the pictures of one output are cut; the same for every rendition."""

    chunks: tuple[Chunk, ...]
    groups: tuple[Group, ...]
    segments: tuple[int, ...] = ()
    """First frame of each segment (packages only)."""
    trim_by: str
    """`pts`, or `number` where the source's times do not increase."""

    def group_chunks(self, group: Group) -> tuple[Chunk, ...]:
        """The chunks of one group."""
        return self.chunks[group.first_chunk : group.end_chunk]


def plan_video(  # noqa: PLR0917
    index: FrameIndex,
    settings: OutputSettings,
    run: RunSettings,
    frame_bytes: int,
    efforts: Sequence[int] = (),
    begin: int | None = None,
    grid: Sequence[int] | None = None,
) -> VideoPlan:
    """Cut a title. `frame_bytes` is the size of one decoded frame; it bounds how many encoders share a process.

    `index`: the frames that are shown; `efforts`: of each of them (see `frame_efforts`); none: all alike; `begin`: the
    time of the source's first frame, where that is not the first that is shown; `grid`: the first frames of segments,
    where those of a longer title decide.
    """
    if grid is not None:
        segments = tuple(sorted({0, *grid}))
    else:
        segments = segment_starts(index, settings.segment_seconds) if settings.container == "package" else ()
    until = list(itertools.accumulate(efforts or [1] * len(index.pts), initial=0))
    starts = {0: settings.undivided} if settings.undivided else chunk_starts(index, run, segments, until)
    capped: tuple[OutputSettings | Rung, ...] = (settings, *settings.ladder)
    buffers = [Fraction(one.bufsize, one.maxrate) for one in capped if one.bufsize and one.maxrate]
    if buffers:
        starts = _apart(index, starts, max(buffers))
    ends = [*list(starts)[1:], len(index.pts)]
    chunks = tuple(
        Chunk(
            number=number,
            first=first,
            end=end,
            idrs=tuple(segment - first for segment in segments if first < segment < end),
            why=why,
            effort=until[end] - until[first],
        )
        for number, ((first, why), end) in enumerate(zip(starts.items(), ends, strict=True))
    )
    return VideoPlan(
        chunks=chunks,
        groups=decode_groups(index, chunks, frame_bytes, _short_ones(chunks) if segments else 0, begin),
        segments=segments,
        trim_by="pts" if index.increasing else "number",
    )


def frame_efforts(index: FrameIndex, packets: Packets, frames: Iterable[int] | None = None) -> list[int]:
    """What encoding each of these frames takes (none: of all), in units of the title's own; empty where the source does
    not tell.

    Half of an encoder's work is the same for every frame, and half goes with the bits that the source has spent there:
    on 1080p film with x264, 0.048 s a frame where the source had 14 kB, 0.100 s where it had 55 kB.
    """
    sizes = {pts: size for pts, size in zip(packets.pts, packets.sizes, strict=False) if pts is not None}
    total, count = sum(sizes.values()), len(index.pts)
    if not total or not index.increasing or len(sizes) < len(packets.pts):
        return []
    wanted = index.pts if frames is None else (index.pts[min(frame, count - 1)] for frame in frames)
    return [total + count * sizes.get(pts, total // count) for pts in wanted]


def segment_starts(index: FrameIndex, seconds: float) -> tuple[int, ...]:
    """First frame of each segment: the first at or after k·seconds, for every k that has a frame of its own."""
    length = Fraction(str(seconds)) / index.time_base
    times = index.rising
    count = math.ceil((times[-1] - times[0] + index.last_duration) / length)
    starts = (bisect.bisect_left(times, times[0] + k * length) for k in range(count))
    return tuple(start for start, _ in itertools.groupby(starts) if start < len(times))


def chunk_starts(index: FrameIndex, run: RunSettings, segments: Sequence[int], until: Sequence[int]) -> dict[int, str]:
    """First frame of each chunk, in order, with why it is there. `until`: the effort of all frames before each."""
    count = len(index.pts)
    if run.chunk_frames is not None:
        return dict.fromkeys(range(0, count, run.chunk_frames), f"every {run.chunk_frames} frames")
    parts = run.chunks or _usual_count(index, run)
    if not segments:
        if run.chunks:
            return _equal(count, parts)
        return _snapped(index, parts, _elapsed(index) if run.chunk_seconds is not None else until)
    asked = run.chunks or run.chunk_seconds is not None
    grid = dict.fromkeys(_thinned(segments, parts) if asked else eased(segments, parts), "segment grid")
    if len(grid) < parts and run.chunks:  # asked for more chunks than there are segments: cut inside them
        grid = _equal(count, parts) | grid
    return {first: grid[first] for first in sorted(grid)}


def _equal(count: int, parts: int) -> dict[int, str]:
    parts = min(parts, count)
    return {part * count // parts: f"one of {parts} equal parts" for part in range(parts)}


def _usual_count(index: FrameIndex, run: RunSettings) -> int:
    """How many chunks a title of that length is cut into; never more than it has frames."""
    times = index.rising
    duration = (times[-1] - times[0] + index.last_duration) * index.time_base
    if run.chunk_seconds is not None:
        count = math.ceil(duration / Fraction(str(run.chunk_seconds)))
        return min(max(1, count), len(times))
    # Pairs, so that a small machine's slots end together.
    count = min(2 * max(1, round(duration / (2 * USUAL_SECONDS))), CHUNKS_OF_A_TITLE)
    count = max(count, math.ceil(duration / LONGEST_SECONDS)) if duration >= UNDIVIDED_SECONDS else 1
    count = min(count, len(times))
    return count if len(index.seek_points) > 1 else min(count, LINEAR_GROUPS)


def _thinned(segments: Sequence[int], parts: int) -> list[int]:
    """`parts` of the segment starts, evenly; all of them when there are fewer."""
    parts = min(parts, len(segments))
    return [segments[part * len(segments) // parts] for part in range(parts)]


def eased(segments: Sequence[int], parts: int) -> list[int]:
    """About `parts` of the segment starts: first one segment, then two, four… up to the usual length, lest whoever
    wants to watch waits for a whole chunk. That is a few chunks more for a title, and no IDR more."""
    usual = Fraction(len(segments), min(parts, len(segments)))
    head: list[int] = []
    at, length = 0, 1
    while length < usual and at + length < len(segments):
        head.append(segments[at])
        at, length = at + length, 2 * length
    rest = segments[at:]
    return [*head, *_thinned(rest, math.ceil(len(rest) / usual))]


def _elapsed(index: FrameIndex) -> list[int]:
    """Ticks before each frame, and at the end."""
    times = index.rising
    return [time - times[0] for time in times] + [times[-1] - times[0] + index.last_duration]


def _snapped(index: FrameIndex, parts: int, until: Sequence[int]) -> dict[int, str]:
    """Parts of equal effort, each boundary moved to a scene cut that lies near, else to a source keyframe."""
    keys = [point.frame for point in index.seek_points]
    wishes = (("scene cut", scene_cuts(index.rising, keys)), ("source keyframe", keys))
    share = Fraction(until[-1], parts)
    reach = min(parts * SNAP_OF_A_PART, MOST_SNAP) * share
    found = {0: "start"}
    for part in range(1, parts):
        target = part * share
        frame = bisect.bisect_left(until, target, hi=len(index.pts))
        for why, places in wishes:
            nearest = _nearest(places, frame, until, target)
            if nearest is not None and abs(until[nearest] - target) <= reach:
                found[nearest] = why
                break
        else:
            if frame < len(index.pts):
                found[frame] = "no source keyframe near"
    return {first: found[first] for first in sorted(found)}


def _nearest(places: Sequence[int], frame: int, until: Sequence[int], target: Fraction) -> int | None:
    """That one of the places beside a frame whose effort before it is nearest to the target."""
    after = bisect.bisect_left(places, frame)
    beside = places[max(after - 1, 0) : after + 1]
    return min(beside, key=lambda place: abs(until[place] - target), default=None)


def scene_cuts(times: Sequence[int], keys: Sequence[int]) -> list[int]:
    """Keyframes that the source's own encoder put there out of turn: where the picture changes, and an IDR is free.

    Encoders that do so (x264's `scenecut` and its kin) else wait for the longest distance they are allowed.
    """
    gaps = [times[after] - times[before] for before, after in itertools.pairwise(keys)]
    usual = max(gaps, default=0)
    return [key for gap, key in zip(gaps, keys[1:], strict=True) if gap < EARLY * usual]


def _apart(index: FrameIndex, starts: dict[int, str], seconds: Fraction) -> dict[int, str]:
    """Only those starts that lie that far behind the one before.

    A chunk of a capped rate must be long enough to fill its buffer again: chunks of a quarter of what the player's
    buffer plays ran it dry, those of half of it and more did not (x264 and x265; noise, bursts, and film).
    """
    times = index.rising
    found: dict[int, str] = {}
    last = None
    for first, why in starts.items():
        if last is None or (times[first] - times[last]) * index.time_base >= seconds:
            found[first] = why
            last = first
    return found


def _short_ones(chunks: Sequence[Chunk]) -> int:
    """How many chunks at the start are short, lest somebody waits: they shall not wait for others in their group."""
    longest = max(chunk.frames for chunk in chunks)
    return sum(1 for _ in itertools.takewhile(lambda chunk: chunk.frames < longest, chunks[:SHORT_CHUNKS]))


def decode_groups(
    index: FrameIndex, chunks: Sequence[Chunk], frame_bytes: int, alone: int = 0, begin_pts: int | None = None
) -> tuple[Group, ...]:
    """Chunks that would decode much more than they need share a decode with those that follow.

    `alone`: so many at the start do not, where the source can be sought in. `begin_pts`: see `plan_video`.
    """
    opening = index.pts[0] if begin_pts is None else begin_pts
    linear = len(index.seek_points) <= 1
    linear_share = min(math.ceil(len(chunks) / LINEAR_GROUPS), LINEAR_GROUP_CHUNKS)
    groups: list[Group] = []
    at = 0
    while at < len(chunks):
        point = seek_point(index.seek_points, chunks[at].first)
        begin = point.frame if point else 0
        end, memory = at, 0
        while end < len(chunks):
            memory += ENCODER_BYTES + min(chunks[end].frames, LOOKAHEAD_FRAMES) * frame_bytes
            if end > at and (memory > GROUP_BYTES or _needs_no_preroll(index, chunks[end])):
                break
            end += 1
            needed = chunks[end - 1].end - chunks[at].first
            cheap = chunks[end - 1].end - begin <= WASTEFUL * needed
            if end - at >= (linear_share if linear else 1 if cheap or at < alone else GROUP_CHUNKS):
                break
        groups.append(
            Group(
                number=len(groups),
                first_chunk=at,
                end_chunk=end,
                seek=point.pts if point and point.pts > opening else None,
                decoded=chunks[end - 1].end - begin,
            )
        )
        at = end
    return tuple(groups)


def _needs_no_preroll(index: FrameIndex, chunk: Chunk) -> bool:
    point = seek_point(index.seek_points, chunk.first)
    return point is not None and point.frame == chunk.first


def seek_point(points: Sequence[SeekPoint], frame: int) -> SeekPoint | None:
    """Where to start decoding for a frame: the keyframe at or before it, or one earlier when that is not clean."""
    at = bisect.bisect_right(points, frame, key=lambda point: point.frame) - 1
    if at < 0:
        return None
    if points[at].clean:
        return points[at]
    return points[at - 1] if at else None


def presentation_times(pts: Iterable[int]) -> list[int]:
    """Output times in ticks: strictly increasing, each at least one tick after the one before.

    Only a source whose times repeat or run backwards is changed; no container can hold those, and no frame is lost.
    """
    found: list[int] = []
    for time in pts:
        found.append(max(time, found[-1] + 1) if found else time)
    return found
