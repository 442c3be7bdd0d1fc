"""The whole plan of one output: what every worker needs to know, as values."""

import hashlib
import json
from fractions import Fraction
from typing import Any

from framemill.errors import MediaError, SourceDamaged, SourceUnreadable
from framemill.jobs.settings import OutputSettings, RunSettings, Value
from framemill.media.damage import KEEP_HINT
from framemill.media.index import FrameIndex
from framemill.media.inspect import Packets
from framemill.media.ladder import Picture, pictures
from framemill.media.plan import Chunk, VideoPlan, frame_efforts, plan_video
from framemill.media.sound import text_tracks
from framemill.media.source import Source

_BYTES_A_PIXEL = 3  # of a decoded frame, generously: 4:2:0 takes 1.5 with 8 bits, and 3 with 10


class Film(Value):
    """The pictures of an output: the frames, where they are cut, and what each rendition makes of them."""

    index: FrameIndex
    plan: VideoPlan
    pictures: tuple[Picture, ...]


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
    texts: tuple[tuple[int, str], ...]
    """(rank among the subtitle streams, language)."""

    @property
    def pictured(self) -> Film:
        """The film of a title that has one. Raises `MediaError`."""
        if self.film is None:
            raise MediaError("This title has no pictures to encode.")
        return self.film

    def chunk_key(self, rendition: int, chunk: Chunk) -> str:
        """Content address of an encoded chunk: everything that its bytes depend on."""
        film = self.pictured
        return _digest(
            source=self.source.sha256,
            index=film.index.fingerprint,
            picture=film.pictures[rendition].model_dump(),
            settings=self.settings.model_dump(exclude=_NOT_THE_ENCODERS),
            frames=[chunk.first, chunk.end],
            idrs=chunk.idrs,
            grid=bool(film.plan.segments),
            build=self.build,
        )

    @property
    def sound_key(self) -> str:
        """Content address of the encoded sound."""
        settings = self.settings.model_dump(include=_SOUND_FIELDS)
        stream = self.source.inspection.audio
        return _digest(source=self.source.sha256, stream=stream, settings=settings, build=self.build)

    def text_key(self, rank: int) -> str:
        """Content address of a converted text track."""
        return _digest(
            source=self.source.sha256,
            text=rank,
            container=self.settings.container,
            zero=str(self.zero),
            build=self.build,
        )

    @property
    def remux_key(self) -> str:
        """Content address of the source's packets in another container."""
        return _digest(source=self.source.sha256, settings=self.settings.model_dump(), build=self.build)


# What a chunk's bytes do not depend on, or is told by the picture, the frames and the grid. Every other field counts,
# so that a new one is never forgotten.
_NOT_THE_ENCODERS = {
    *("container", "segment_seconds", "subtitles"),
    *("audio_codec", "audio_bitrate", "audio_channels", "sample_rate"),
    *("width", "height", "pix_fmt", "ladder"),
}
_SOUND_FIELDS = {"container", "audio_codec", "audio_bitrate", "audio_channels", "sample_rate"}


def _digest(**parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def plan_title(
    source: Source, index: FrameIndex | None, settings: OutputSettings, run: RunSettings, build: str
) -> Title:
    """Plan one output. Raises `SourceUnreadable` when nothing of what is asked for is in the source."""
    if index is not None and index.damage is not None and index.damage.harms and run.on_damage == "refuse":
        raise SourceDamaged(f"{source.name} is damaged: {index.damage}. {KEEP_HINT}")
    starts = []
    film = None
    first = source.first_picture
    if first is not None and settings.video_codec == "copy":
        starts.append(first.seconds)
    elif first is not None and index is not None and settings.encodes_video:
        starts.append(index.seconds(0))
        film = Film(
            index=index,
            plan=plan_video(
                index,
                settings,
                run,
                first.width * first.height * _BYTES_A_PIXEL,
                frame_efforts(index, source.inspection.packets),
            ),
            pictures=pictures(settings, first),
        )
    sound = source.first_sound is not None and settings.audio_codec != "none"
    if sound and source.first_sound is not None:
        starts.append(source.first_sound.seconds)
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
        sound=sound,
        texts=tuple(text_tracks(source.inspection.facts, settings)),
    )


def _holds(source: Source) -> str:
    kinds = [name for name, there in (("pictures", source.first_picture), ("sound", source.first_sound)) if there]
    return " and ".join(kinds) or "nothing that can be decoded"
