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
from framemill.media.listing import Heard, Listed, Subtitle, Variant
from framemill.media.package import SegmentForm, SegmentRequest, cut_sound, segment, write_segments, write_whole
from framemill.media.playlists import IFRAMES, MASTER, PLAYLIST, iframe_playlist, master_playlist, media_playlist
from framemill.media.segments import Segments, joined
from framemill.media.soundfile import Fragment, SoundHead, fragments, opened, read_head, ticks
from framemill.media.webvtt import TextTrack, write_text

_STATE = ".state.json"
_LOCK = ".lock"


class Growth(BaseModel):
    """What a growing package holds."""

    plan: str = ""
    """Key of the plan that it is made by."""
    spans: int = 0
    tracks: dict[str, Segments] = {}
    """By folder."""
    sound_at: dict[str, int] = {}
    """Byte of each encoded sound from which on what is not yet in a segment lies."""
    text_bytes: dict[str, int] = {}
    """Of each text track."""


class GrowVideo(BaseModel):
    """One rendition's share of the next spans."""

    name: str
    width: int
    height: int
    rate: Fraction
    """Frames a second."""
    target: int
    """Seconds, for the playlist."""
    sha256: list[str]
    """Of the chunks' files."""
    request: SegmentRequest


class GrowSound(BaseModel):
    """A sound beside them."""

    folder: str
    name: str
    """Told to viewers."""
    language: str
    """BCP 47."""
    default: bool
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
    form: SegmentForm


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
    sounds: list[GrowSound] = []
    texts: list[TextTrack] = []
    """All of them are converted already."""
    iframes: bool = False
    """Whether there are playlists of keyframes."""
    seconds: float = 0.0
    """How long the title lasts."""
    origin: int = 0
    """See `SegmentForm`."""


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
        closing = any(len(sound.cuts) < request.spans for sound in request.sounds)
        parts = [_Heard.read(s, state.sound_at.get(s.folder, 0), closing=closing) for s in request.sounds]
        more = min((part.spans(request.spans) if part is not None else 0 for part in parts), default=request.spans)
        if not more:
            return state
        tracks, sound_at, texts = dict(state.tracks), dict(state.sound_at), dict(state.text_bytes)
        for video in request.videos:
            own = folder / video.name
            own.mkdir(exist_ok=True)
            before = tracks.get(video.name)
            tracks[video.name] = joined(before, segment(_checked(video, more, own, before)))
        for part in parts:
            if part is not None:
                name = part.sound.folder
                (folder / name).mkdir(exist_ok=True)
                added, sound_at[name] = part.write(folder / name, more, tracks.get(name), sound_at.get(name, 0))
                tracks[name] = joined(tracks.get(name), added)
        for text in request.texts if not state.spans else []:
            texts[text.folder] = write_text(folder, text, request.seconds, request.origin, hls=True, growing=True)
        _publish(folder, request, tracks, texts)
        state = Growth(plan=request.plan, spans=request.have + more, tracks=tracks, sound_at=sound_at, text_bytes=texts)
        write_whole(folder / _STATE, state.model_dump_json().encode())
        return state


GROW = Task("framemill.media.growing:grow", GrowRequest, Growth)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else writes there meanwhile; the kernel lets go of it with the process, however that ends."""
    with (folder / _LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _checked(video: GrowVideo, spans: int, folder: Path, before: Segments | None) -> SegmentRequest:
    """What to cut of a rendition, whose chunks are what was written. Raises `ChunkMismatch`."""
    request = video.request
    for path, sha256 in zip(request.video.chunks if request.video is not None else (), video.sha256, strict=True):
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise ChunkMismatch(f"{Path(path).name} is not what was written.")
    end = request.starts[spans] if spans < len(request.starts) else request.end
    own = {"folder": str(folder), "starts": request.starts[:spans], "end": end, "before": before, "closing": False}
    return request.model_copy(update=own)


def _publish(folder: Path, request: GrowRequest, tracks: dict[str, Segments], texts: dict[str, int]) -> None:
    """The playlists, once everything that they name is there; the one that names them last."""
    targets = {video.name: video.target for video in request.videos}
    targets |= {sound.folder: sound.target for sound in request.sounds}
    heard = {name for name, segments in tracks.items() if segments.names}
    for name in heard:
        text = media_playlist(tracks[name], target=targets[name], growing=True)
        write_whole(folder / name / PLAYLIST, text.encode())
    if any(sound.folder not in heard for sound in request.sounds):
        return  # it begins later than the pictures: a player must know of it from the start
    for video in request.videos if request.iframes else []:
        text = iframe_playlist(tracks[video.name], target=video.target, growing=True)
        write_whole(folder / video.name / IFRAMES, text.encode())
    listed = Listed(
        videos=[
            Variant(folder=v.name, segments=tracks[v.name], width=v.width, height=v.height, rate=v.rate)
            for v in request.videos
        ],
        sounds=[
            Heard(folder=s.folder, segments=tracks[s.folder], name=s.name, language=s.language, default=s.default)
            for s in request.sounds
        ],
        subtitles=[
            Subtitle(folder=t.folder, name=t.name, language=t.language, default=t.default, size=texts[t.folder])
            for t in request.texts
        ],
        iframes=request.iframes,
        seconds=request.seconds,
    )
    write_whole(folder / MASTER, master_playlist(listed, growing=True).encode())


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

    def spans(self, wanted: int) -> int:
        """How many of the next spans there is all of it of."""
        return heard(self.limits, self.begins, wanted, whole=self.sound.whole)

    def write(self, folder: Path, spans: int, before: Segments | None, at: int) -> tuple[Segments | None, int]:
        """Write so many spans: their segments, and the byte from which on the next ones are to be looked for."""
        upper = self.limits[spans - 1] if spans <= len(self.limits) else None
        until = len(self.found) if upper is None else bisect.bisect_left(self.begins, upper)
        if not until:
            return None, at
        lower = None
        if self.sound.begin is not None:
            lower = ticks(self.head, self.sound.begin) - ticks(self.head, self.sound.offset)
        with opened(Path(self.sound.path), self.head, self.found[:until]) as (stream, packets):
            mine = [
                packet
                for packet in packets
                if (lower is None or packet.pts >= lower) and (upper is None or packet.pts < upper)
            ]
            cuts = self.sound.cuts[: spans - 1]
            cut = cut_sound(stream, mine, self.head.primed, self.sound.offset, cuts, self.sound.form, before)
        number = len(before.names) if before is not None else 0
        added = write_segments(folder, cut, number, self.sound.form, before, closing=False)
        return added, self.found[until - 1].start


def heard(limits: Sequence[int], begins: Sequence[int], spans: int, *, whole: bool) -> int:
    """How many of the next `spans` there is all of the sound of.

    `limits`: where each of them ends, but for one that ends with the sound; `begins`: where each piece of the sound
    that is there begins. The sound is there up to where the last piece begins: who knows whether that one was cut.
    """
    if whole:
        return spans
    return sum(limit <= begins[-1] for limit in limits) if begins else 0
