"""A package that can be played while it is still being encoded: segments in order, and EVENT playlists that name them.

It grows by *spans*: the segments of all renditions, and the sound beside them, that are shown at the same time. What
is written is what the finished package will hold, byte for byte, since a segment is a pure function of its packets and
the plan. Anybody may write the same span once more, be killed at any line, or come late: a lock lets one write at a
time, and who finds more there than he was told of leaves it as it is.
"""

import bisect
import fcntl
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pydantic import BaseModel, ValidationError

from framemill.errors import ChunkMismatch
from framemill.media.isolate import Task
from framemill.media.package import SegmentRequest, cut_sound, segment, write_segments, write_whole
from framemill.media.playlists import Segments, Variant, master_playlist, media_playlist
from framemill.media.soundfile import Fragment, SoundHead, fragments, opened, read_head, ticks

_STATE = ".state.json"
_LOCK = ".lock"
SOUND = "audio"
"""Folder of a package's sound."""


class Growth(BaseModel):
    """What a growing package holds."""

    plan: str = ""
    """Key of the plan that it is made by."""
    spans: int = 0
    tracks: dict[str, Segments] = {}
    """By folder."""
    sound_at: int = 0
    """Byte of the encoded sound from which on what is not yet in a segment lies."""


class GrowVideo(BaseModel):
    """One rendition's share of the next spans."""

    name: str
    width: int
    height: int
    target: int
    """Seconds, for the playlist."""
    sha256: list[str]
    """Of the chunks' files."""
    request: SegmentRequest


class GrowSound(BaseModel):
    """The sound beside them."""

    path: str
    whole: bool
    """Its encoder is done with it."""
    offset: Fraction
    """Seconds at which it begins."""
    begin: Fraction | None
    """Where the next spans begin, in seconds; none: with the title."""
    cuts: list[Fraction]
    """Where each of them ends, in seconds; the title's last one ends with the sound, and has no cut."""
    target: int


class GrowRequest(BaseModel):
    """The next spans of a package."""

    folder: str
    """It exists."""
    plan: str
    have: int
    """Spans that are there."""
    spans: int
    """How many follow now: those that there are pictures of."""
    videos: list[GrowVideo]
    sound: GrowSound | None = None


def read_growth(folder: Path, plan: str) -> Growth:
    """What is there by that plan; what another plan has left does not count."""
    try:
        found = Growth.model_validate_json((folder / _STATE).read_bytes())
    except (FileNotFoundError, ValidationError):
        found = Growth()
    return found if found.plan == plan else Growth(plan=plan)


def grow(request: GrowRequest) -> Growth:
    """Write the next spans, as far as the sound goes; what is there then. Raises `ChunkMismatch` at a damaged chunk."""
    folder = Path(request.folder)
    with _alone(folder):
        state = read_growth(folder, request.plan)
        if state.spans != request.have:
            return state
        more, part = request.spans, None
        if request.sound is not None:
            part = _Heard.read(request.sound, state.sound_at, closing=len(request.sound.cuts) < more)
            more = heard(part.limits, part.begins, more, whole=request.sound.whole) if part is not None else 0
        if not more:
            return state
        tracks = dict(state.tracks)
        for video in request.videos:
            own = folder / video.name
            own.mkdir(exist_ok=True)
            tracks[video.name] = _joined(tracks.get(video.name), segment(_checked(video, more, own)))
        at = state.sound_at
        if part is not None:
            (folder / SOUND).mkdir(exist_ok=True)
            added, at = part.write(folder / SOUND, more, tracks.get(SOUND), at)
            tracks[SOUND] = _joined(tracks.get(SOUND), added)
        _publish(folder, request, tracks)
        state = Growth(plan=request.plan, spans=request.have + more, tracks=tracks, sound_at=at)
        write_whole(folder / _STATE, state.model_dump_json().encode())
        return state


GROW = Task("framemill.media.growing:grow", GrowRequest, Growth)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else writes there meanwhile; the kernel lets go of it with the process, however that ends."""
    with (folder / _LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _checked(video: GrowVideo, spans: int, folder: Path) -> SegmentRequest:
    """What to cut of a rendition, whose chunks are what was written. Raises `ChunkMismatch`."""
    request = video.request
    for path, sha256 in zip(request.video.chunks if request.video is not None else (), video.sha256, strict=True):
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise ChunkMismatch(f"{Path(path).name} is not what was written.")
    end = request.starts[spans] if spans < len(request.starts) else request.end
    return request.model_copy(update={"folder": str(folder), "starts": request.starts[:spans], "end": end})


def _joined(before: Segments | None, added: Segments | None) -> Segments:
    some = [segments for segments in (before, added) if segments is not None]
    return Segments(
        names=[name for segments in some for name in segments.names],
        durations=[duration for segments in some for duration in segments.durations],
        sizes=[size for segments in some for size in segments.sizes],
        codecs=some[-1].codecs if some else "",
    )


def _publish(folder: Path, request: GrowRequest, tracks: dict[str, Segments]) -> None:
    """The playlists, once everything that they name is there; the one that names them last."""
    targets = {video.name: video.target for video in request.videos}
    if request.sound is not None:
        targets[SOUND] = request.sound.target
    heard = {name for name, segments in tracks.items() if segments.names}
    for name in heard:
        text = media_playlist(tracks[name], target=targets[name], growing=True)
        write_whole(folder / name / "playlist.m3u8", text.encode())
    if request.sound is not None and SOUND not in heard:
        return  # it begins later than the pictures: a player must know of it from the start
    variants = [
        Variant(folder=video.name, segments=tracks[video.name], width=video.width, height=video.height)
        for video in request.videos
    ]
    spoken = Variant(folder=SOUND, segments=tracks[SOUND]) if SOUND in heard else None
    write_whole(folder / "master.m3u8", master_playlist(variants, spoken, growing=True).encode())


@dataclass(frozen=True, slots=True)
class _Heard:
    """The sound that is encoded and may not be in a segment yet."""

    sound: GrowSound
    head: SoundHead
    found: list[Fragment]
    begins: list[int]
    """Of each fragment, in ticks from the sound's start."""
    limits: list[int]
    """Of the spans, likewise."""

    @classmethod
    def read(cls, sound: GrowSound, at: int, *, closing: bool) -> "_Heard | None":
        """What there is of it from byte `at` on, as far as it is wanted; none: nothing yet."""
        path = Path(sound.path)
        head = read_head(path)
        if head is None:
            return None
        limits = [ticks(head, cut) - ticks(head, sound.offset) for cut in sound.cuts]
        found: list[Fragment] = []
        for fragment in fragments(path, head, at):
            found.append(fragment)
            if not closing and fragment.tick - head.primed >= limits[-1]:
                break
        return cls(sound, head, found, [fragment.tick - head.primed for fragment in found], limits)

    def write(self, folder: Path, spans: int, before: Segments | None, at: int) -> tuple[Segments | None, int]:
        """Write so many spans: their segments, and the byte from which on the next ones are to be looked for."""
        upper = self.limits[spans - 1] if spans <= len(self.limits) else None
        until = len(self.found) if upper is None else bisect.bisect_left(self.begins, upper)
        if not until:
            return None, at
        lower = None
        if self.sound.begin is not None:
            lower = ticks(self.head, self.sound.begin) - ticks(self.head, self.sound.offset)
        number = len(before.names) if before is not None else 0
        with opened(Path(self.sound.path), self.head, self.found[:until]) as (stream, packets):
            mine = [
                packet
                for packet in packets
                if (lower is None or packet.pts >= lower) and (upper is None or packet.pts < upper)
            ]
            cuts = self.sound.cuts[: spans - 1]
            cut = cut_sound(stream, mine, self.head.primed, self.sound.offset, cuts, number)
        return write_segments(folder, cut, number), self.found[until - 1].start


def heard(limits: Sequence[int], begins: Sequence[int], spans: int, *, whole: bool) -> int:
    """How many of the next `spans` there is all of the sound of.

    `limits`: where each of them ends, but for one that ends with the sound; `begins`: where each piece of the sound
    that is there begins. The sound is there up to where the last piece begins: who knows whether that one was cut.
    """
    if whole:
        return spans
    return sum(limit <= begins[-1] for limit in limits) if begins else 0
