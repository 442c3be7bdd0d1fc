"""The whole plan of one output: what every worker needs to know, as values."""

import bisect
import hashlib
import json
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

from pydantic import model_validator

from framemill.errors import MediaError, SourceDamaged, SourceUnreadable
from framemill.jobs.settings import OutputSettings, RunSettings, Value
from framemill.jobs.settings.packaging import PackageSettings
from framemill.jobs.settings.pieces import PieceSettings
from framemill.jobs.settings.sound import SoundSettings
from framemill.jobs.settings.stills import StillSettings
from framemill.media.copying import check_copied
from framemill.media.damage import KEEP_HINT
from framemill.media.drawing import Step, before_size
from framemill.media.edit import Edit, edited, plan_edit, source_frame
from framemill.media.index import FirstFrame, FrameIndex
from framemill.media.inspection import Packets
from framemill.media.ladder import Picture, batches, pictures
from framemill.media.laid import Laid
from framemill.media.picking import adapted, check_size
from framemill.media.plan import Chunk, Group, VideoPlan, frame_efforts, plan_video
from framemill.media.rate import frames_a_second
from framemill.media.soundcodecs import carrier
from framemill.media.source import Source
from framemill.media.tracks import Voice, text_tracks, voices

_BYTES_A_PIXEL = 3  # of a decoded frame, generously: 4:2:0 takes 1.5 with 8 bits, and 3 with 10


class Span(NamedTuple):
    """A part of a source, in seconds on its own clock."""

    begin: Fraction
    end: Fraction | None
    """None: to its end."""


class Film(Value):
    """The pictures of an output: the frames, where they are cut, and what each rendition makes of them."""

    index: FrameIndex
    """The source's frames."""
    edit: Edit | None = None
    """Which of them are shown, and when; none: each at its own time."""
    steps: tuple[Step, ...] = ()
    """What happens to each frame before every rendition gets its size."""
    laid: Laid = Laid()
    """What is laid over the frames."""
    plan: VideoPlan
    """Counts the frames that are shown."""
    pictures: tuple[Picture, ...]

    @cached_property
    def shown(self) -> FrameIndex:
        """The frames that are shown."""
        return edited(self.index, self.edit)

    @property
    def batches(self) -> tuple[range, ...]:
        """Renditions that one process encodes from one decode."""
        return batches([picture.width * picture.height for picture in self.pictures])

    @property
    def span(self) -> Span:
        """From the first picture that is shown to the end of the last one; exact to the frame, also after a clip."""
        shown = self.shown
        last = len(shown.pts) - 1
        return Span(shown.seconds(0), shown.seconds(last) + shown.last_duration * shown.time_base)


class Title(Value):
    """The plan of one output: a pure function of the source, its index, the settings and the ffmpeg build."""

    source: Source
    settings: OutputSettings
    build: str
    zero: Fraction
    """Seconds: the start of the earliest selected stream; becomes 0 in the output."""
    film: Film | None
    """None: no pictures are encoded."""
    sound: bool
    voices: tuple[Voice, ...] = ()
    """The sounds; of an output that joins several inputs they are one, and each part has its own."""
    texts: tuple[tuple[int, str], ...]
    """(rank among the subtitle streams, language)."""
    parts: tuple["Title", ...] = ()
    """Of an output that joins several inputs: the plan of each, in order. Its own film counts through all of theirs."""
    apart: bool = False
    """Its parts are not joined: each is a file of its own, of the same source."""
    index: FrameIndex | None = None
    """The frames of that source; written once, and not with each of its parts."""
    dub: "Title | None" = None
    """Of such a part: the plan of another input's sound, which is heard with its pictures instead of its own."""
    joined: bool = False
    """It is such a part: what an encoder's buffer model begins with is what the part before has left."""

    @model_validator(mode="before")
    @classmethod
    def _shares_index(cls, said: Any) -> Any:
        if not isinstance(said, dict) or said.get("index") is None:
            return said
        index = FrameIndex.model_validate(said["index"])
        parts = [
            {**part, "film": {**part["film"], "index": index}} if isinstance(part, dict) else part
            for part in said["parts"]
        ]
        return {**said, "index": index, "parts": parts}

    def to_json(self) -> bytes:
        """As it is kept; `model_validate_json` reads it."""
        shared = {"parts": {"__all__": {"film": {"index"}}}} if self.index is not None else None
        return self.model_dump_json(exclude=shared).encode()

    @property
    def reels(self) -> tuple["Title", ...]:
        """The plans by which sources are decoded: its parts, or itself."""
        return self.parts or (self,)

    @property
    def speaker(self) -> "Title":
        """The plan by which its sound is made."""
        return self.dub or self

    def part_of(self, group: int) -> tuple["Title", Group]:
        """The plan by which a group of chunks is encoded, and the group as that plan has it."""
        for reel in self.reels:
            groups = reel.pictured.plan.groups
            if group < len(groups):
                return reel, groups[group]
            group -= len(groups)
        raise MediaError("The plan has no such group of chunks.")

    def part_at(self, frame: int) -> tuple["Title", int]:
        """The plan by which a frame is encoded, and which of the title's frames is its first."""
        at = bisect.bisect_right(self.begins, frame) - 1
        return self.reels[at], self.begins[at]

    @cached_property
    def begins(self) -> list[int]:
        """The first frame of each of its reels, in the title's own frames."""
        return list(accumulate((len(part.pictured.shown.pts) for part in self.reels[:-1]), initial=0))

    @property
    def sound_starts(self) -> tuple[Fraction, ...]:
        """Seconds of the output at which each of its sounds begins."""
        if self.parts:  # each is as long as its pictures, so the whole begins with them
            return (Fraction(0),) if self.sound else ()
        return tuple(voice.begin - self.zero for voice in self.voices)

    @property
    def sound_keys(self) -> tuple[str, ...]:
        """Content address of each encoded sound: everything that its bytes depend on."""
        if self.apart:
            return tuple(key for part in self.parts for key in part.sound_keys)
        if self.parts:
            return (self._joined_key,) if self.sound else ()
        return tuple(self._voice_key(voice) for voice in self.voices)

    @property
    def text_end(self) -> Fraction | None:
        """Seconds of the source at which texts are cut; none: they are not."""
        return _cut(self.source, self.settings, self.film)[1]

    @property
    def span(self) -> Span:
        """What part of the source is shown."""
        if self.film is not None:
            return self.film.span
        return _asked_span(self.source, self.settings)

    @property
    def pictured(self) -> Film:
        """The film of a title that has one. Raises `MediaError`."""
        if self.film is None:
            raise MediaError("This title has no pictures to encode.")
        return self.film

    def chunk_key(self, rendition: int, chunk: Chunk) -> str:
        """Content address of an encoded chunk: everything that its bytes depend on."""
        if self.parts:  # an input is encoded as if it were alone: what it gives is another job's as well
            part, first = self.part_at(chunk.first)
            own = {"first": chunk.first - first, "end": chunk.end - first}
            return part.chunk_key(rendition, chunk.model_copy(update=own))
        film = self.pictured
        capped = self.joined and film.pictures[rendition].rate.maxrate is not None
        share = {"share": chunk.shares[rendition]} if chunk.shares else {}
        return _digest(
            source=self.source.sha256,
            index=film.index.fingerprint,
            edit=None if film.edit is None else film.edit.model_dump(mode="json"),
            steps=[step.model_dump() for step in film.steps],
            laid=film.laid.content,
            picture=film.pictures[rendition].model_dump(),
            settings=self.settings.model_dump(exclude=_NOT_THE_ENCODERS),
            frames=[chunk.first, chunk.end],
            idrs=chunk.idrs,
            grid=bool(film.plan.segments),
            build=self.build,
            **share,
            **({"joined": True} if capped else {}),
        )

    @property
    def _joined_key(self) -> str:
        lengths = [str(part.film.span) if part.film is not None else None for part in self.parts]
        return _digest(joined=[part.speaker.sound_keys[:1] for part in self.parts], lengths=lengths)

    def _voice_key(self, voice: Voice) -> str:
        settings = self.settings
        wanted = settings.model_dump(include=_SOUND_FIELDS if settings.loudness is None else _LOUD_FIELDS)
        return _digest(
            source=self.source.sha256,
            voice=voice.model_dump(mode="json", exclude={"language", "name", "default"}),
            settings=wanted,
            carrier=carrier(settings),
            growing=settings.container == "package",
            build=self.build,
        )

    def text_key(self, rank: int) -> str:
        """Content address of a converted text track."""
        return _digest(
            source=self.source.sha256,
            text=rank,
            container=self.settings.container,
            zero=str(self.zero),
            end=str(self.text_end),
            build=self.build,
        )

    @property
    def remux_key(self) -> str:
        """Content address of the source's packets in another container."""
        return _digest(source=self.source.sha256, settings=self.settings.model_dump(), build=self.build)

    @property
    def whole_key(self) -> str:
        """Content address of an output that one process writes."""
        film = self.film
        return _digest(
            source=self.source.sha256,
            film=None if film is None else film.model_dump(mode="json", exclude={"index", "plan"}),
            index=None if film is None else film.index.fingerprint,
            settings=self.settings.model_dump(exclude=set(PieceSettings.model_fields)),
            build=self.build,
        )


# What a chunk's bytes do not depend on, or is told by the edit, the steps, the picture, the frames and the grid. Every
# other field counts, so that a new one is never forgotten.
_TOLD_BY_THE_PLAN = {
    *("start", "end", "duration", "fps", "fps_mode", "deinterlace", "crop", "crop_edges", "rotate", "flip", "denoise"),
    "sharpen",
    *("size", "width", "height", "fit", "upscale", "pix_fmt", "bit_depth", "overlays", "burn_subtitles"),
    *("color_matrix", "tone_map"),
}
_NOT_THE_ENCODERS = {
    *_TOLD_BY_THE_PLAN,
    "hardware",
    *SoundSettings.model_fields,
    *PackageSettings.model_fields,
    *StillSettings.model_fields,
    *PieceSettings.model_fields,
}
# What a sound's bytes depend on; its place, the cut and the way it travels are said beside them.
_SOUND_FIELDS = {"audio_codec", "audio_bitrate", "audio_channels", "sample_rate"}
_LOUD_FIELDS = {*_SOUND_FIELDS, "loudness", "true_peak"}


def _digest(**parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


_NOTHING_LAID = Laid()


class Place(NamedTuple):
    """What the plan of a part follows, since it is joined to others."""

    pictures: tuple[Picture, ...]
    grid: tuple[int, ...] | None
    """First frames of segments (packages only), counted in the part."""


def plan_title(  # noqa: PLR0917
    source: Source,
    index: FrameIndex | None,
    settings: OutputSettings,
    run: RunSettings,
    build: str,
    place: Place | None = None,
    laid: Laid = _NOTHING_LAID,
) -> Title:
    """Plan one output; `laid`: what the settings ask to lay over it, made ready.

    Raises `SourceUnreadable` when nothing of what is asked for is in the source.
    """
    refuse_damaged(source, index, run)
    check_copied(settings, source.picture or None, source.sound or None)
    starts = []
    film = None
    first = source.first_picture
    if first is not None and settings.video_codec == "copy":
        starts.append(first.seconds)
    elif first is not None and index is not None and settings.shows_pictures:
        film = _film(source, first, index, settings, run, place, laid)
        starts.append(film.shown.seconds(0))
    spoken = voices(source, settings, *_cut(source, settings, film))
    starts += [voice.begin for voice in spoken]
    if not starts:
        raise SourceUnreadable(f"{source.name} holds nothing of what the output asks for: it has {_holds(source)}.")
    # The packets have served: the index holds what is left to know of them, and workers read titles often.
    light = source.inspection.model_copy(update={"packets": Packets()})
    return Title(
        source=source.model_copy(update={"inspection": light}),
        settings=settings,
        build=build,
        zero=min(starts),
        film=film,
        sound=bool(spoken),
        voices=spoken,
        texts=tuple(text_tracks(source.inspection.facts, settings)),
        joined=place is not None,
    )


def refuse_damaged(source: Source, index: FrameIndex | None, run: RunSettings) -> None:
    """Raise `SourceDamaged` where what is lost is not to be borne."""
    if index is not None and index.damage is not None and index.damage.harms and run.on_damage == "refuse":
        raise SourceDamaged(f"{source.name} is damaged: {index.damage}. {KEEP_HINT}")


def _asked_span(source: Source, settings: OutputSettings) -> Span:
    """The part that is asked for, counted from the first picture, else from where the sound begins."""
    first = source.first_picture or source.first_sound
    begin = Fraction(0) if first is None else first.seconds
    until = settings.until
    start = begin if settings.start is None else begin + Fraction(str(settings.start))
    return Span(start, None if until is None else begin + Fraction(str(until)))


def _cut(source: Source, settings: OutputSettings, film: Film | None) -> tuple[Fraction | None, Fraction | None]:
    """Seconds of the source at which sound and texts are cut; none: they are not. With pictures, where those are."""
    asked = _asked_span(source, settings)
    if film is None:
        return asked.begin if settings.start is not None else None, asked.end
    shown, whole = film.span, film.edit is None or film.edit.end == len(film.index.pts)
    begin = shown.begin if settings.start is not None else None
    return begin, None if asked.end is None else asked.end if whole else shown.end


_IN_ONE_PIECE = RunSettings(chunks=1)


def _film(  # noqa: PLR0917
    source: Source,
    first: FirstFrame,
    index: FrameIndex,
    settings: OutputSettings,
    run: RunSettings,
    place: Place | None,
    laid: Laid,
) -> Film:
    settings = adapted(settings, index)
    edit = plan_edit(settings, index, interlaced=source.interlaced)
    if edit is not None and edit.changes_times and not index.increasing:
        run = _IN_ONE_PIECE  # filters that count follow such times in their own way
    if laid.undivided:
        run = _IN_ONE_PIECE
    if laid.bitmaps is not None:  # what is shown now may have come long before
        index = index.model_copy(update={"seek_points": ()})
    shown = edited(index, edit)
    frames = None if edit is None else (source_frame(index, edit, shown, n) for n in range(len(shown.pts)))
    efforts = frame_efforts(index, source.inspection.packets, frames)
    begin = index.pts[0] if edit else None
    frame_bytes = first.width * first.height * _BYTES_A_PIXEL
    plan = plan_video(shown, settings, run, frame_bytes, efforts, begin, place.grid if place else None)
    steps = before_size(settings, first.width, first.height)
    drawn = place.pictures if place else pictures(settings, first, frames_a_second(shown))
    if settings.kind == "picture":
        check_size(settings, shown, drawn[0].width, drawn[0].height)
    laid.refuse_dazzling(*(picture.look.dynamic for picture in drawn))
    return Film(index=index, edit=edit, steps=steps, laid=laid, plan=plan, pictures=drawn)


def _holds(source: Source) -> str:
    kinds = [name for name, there in (("pictures", source.first_picture), ("sound", source.first_sound)) if there]
    return " and ".join(kinds) or "nothing that can be decoded"
