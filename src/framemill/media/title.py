"""A source as it was read, and the whole plan of one output of it: what every worker needs to know, as values."""

import asyncio
import hashlib
import json
from fractions import Fraction
from typing import Any

from framemill.errors import SourceUnreadable
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media import index as indexing
from framemill.media.index import FirstFrame, FrameIndex
from framemill.media.inspect import INSPECT, Inspection, InspectRequest, Packets
from framemill.media.ladder import Picture, pictures
from framemill.media.plan import Chunk, Frozen, VideoPlan, plan_video
from framemill.media.sound import text_tracks

_PROBE_SECONDS = 3600.0  # a terabyte takes its time; a prober that hangs must not hang the farm
_BITS_A_PIXEL = 24  # of a decoded frame, generously: 4:2:0 with 8 bits has 12, with 10 bits 24


class Source(Frozen):
    """A source on this machine's disk, read once."""

    path: str
    inspection: Inspection
    first_picture: FirstFrame | None
    first_sound: FirstFrame | None

    def stream(self, index: int | None) -> dict[str, Any]:
        """The facts of a stream by its index."""
        return next(stream for stream in self.inspection.facts["streams"] if stream["index"] == index)

    @property
    def sound_rank(self) -> int:
        """The chosen audio stream's place among the audio streams, as ffmpeg's `a:N` counts."""
        sounds = [s["index"] for s in self.inspection.facts["streams"] if s["codec_type"] == "audio"]
        return sounds.index(self.inspection.audio)


async def read_source(path: str) -> Source:
    """Probe, fingerprint and first frames of a local file. Raises `SourceMissing` or `SourceUnreadable`."""
    inspection = await INSPECT(InspectRequest(path=path), timeout=_PROBE_SECONDS)
    source = Source(path=path, inspection=inspection, first_picture=None, first_sound=None)

    async def first(stream: str, wanted: bool) -> FirstFrame | None:
        return await indexing.first_frame(path, stream) if wanted else None

    picture, sound = await asyncio.gather(
        first("0:V:0", inspection.video is not None),
        first(f"0:a:{source.sound_rank}" if inspection.audio is not None else "", inspection.audio is not None),
    )
    if inspection.video is None and sound is None:
        raise SourceUnreadable(f"{path} holds neither pictures nor sound that can be decoded.")
    return source.model_copy(update={"first_picture": picture, "first_sound": sound})


async def index_source(source: Source, *, decode: bool, linear: bool) -> FrameIndex | None:
    """The frames of a source, from its packets where they can be trusted; None when it has no pictures.

    `decode`: from a decode of the whole in any case; `linear`: and never seek in it. Raises `SourceUnreadable`.
    """
    inspection = source.inspection
    if inspection.video is None:
        return None
    why = "asked for, or a chunk delivered other frames than the packets promised" if decode else None
    why = why or indexing.mistrust(inspection, source.first_picture)
    if why is None and source.first_picture is not None:
        return indexing.from_packets(inspection.packets, source.first_picture.time_base)
    index = await indexing.by_decode(source.path, why or "nothing decodes", inspection.packets)
    return index.model_copy(update={"seek_points": ()}) if linear else index


class Title(Frozen):
    """The plan of one output: a pure function of the source, its index, the settings and the ffmpeg build."""

    source: Source
    index: FrameIndex | None
    settings: OutputSettings
    build: str
    zero: Fraction
    """Seconds: the start of the earliest selected stream; becomes 0 in the output."""
    video: VideoPlan | None
    pictures: tuple[Picture, ...]
    sound: bool
    texts: tuple[tuple[int, str], ...]
    """(rank among the subtitle streams, language)."""

    def chunk_key(self, rendition: int, chunk: Chunk) -> str:
        """Content address of an encoded chunk: everything that its bytes depend on."""
        assert self.index is not None and self.video is not None  # noqa: S101 - there is a chunk
        return _digest(
            source=self.source.inspection.sha256,
            index=self.index.fingerprint,
            picture=self.pictures[rendition].model_dump(),
            settings=self.settings.model_dump(include=_ENCODER_FIELDS),
            frames=[chunk.first, chunk.end],
            idrs=chunk.idrs,
            grid=bool(self.video.segments),
            build=self.build,
        )

    @property
    def sound_key(self) -> str:
        """Content address of the encoded sound."""
        return _digest(
            source=self.source.inspection.sha256,
            stream=self.source.inspection.audio,
            settings=self.settings.model_dump(include=_SOUND_FIELDS),
            build=self.build,
        )

    def text_key(self, rank: int) -> str:
        """Content address of a converted text track."""
        sha256 = self.source.inspection.sha256
        return _digest(source=sha256, text=rank, container=self.settings.container, zero=str(self.zero))


    @property
    def remux_key(self) -> str:
        """Content address of the source's packets in another container."""
        sha256 = self.source.inspection.sha256
        return _digest(source=sha256, settings=self.settings.model_dump(), build=self.build)


_ENCODER_FIELDS = {"video_codec", "crf", "qp", "encoder_preset", "tune"}
_SOUND_FIELDS = {"container", "audio_codec", "audio_bitrate", "audio_channels", "sample_rate"}


def _digest(**parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def plan_title(
    source: Source, index: FrameIndex | None, settings: OutputSettings, run: RunSettings, build: str
) -> Title:
    """Plan one output. Raises `SourceUnreadable` when nothing of what is asked for is in the source."""
    first = source.first_picture
    has_video = index is not None and first is not None and settings.video_codec != "none"
    has_sound = source.first_sound is not None and settings.audio_codec != "none"
    if not has_video and not has_sound:
        raise SourceUnreadable(f"{source.path} holds nothing of what the output asks for: it has {_holds(source)}.")
    starts = [index.seconds(0)] if has_video and index is not None else []
    if has_sound and source.first_sound is not None:
        starts.append(source.first_sound.seconds)
    video: VideoPlan | None = None
    shown: tuple[Picture, ...] = ()
    if has_video and index is not None and first is not None and settings.video_codec != "copy":
        shown = pictures(settings, first, source.inspection.pix_fmt or "yuv420p")
        video = plan_video(index, settings, run, first.width * first.height * _BITS_A_PIXEL // 8)
    # The packets have served: the index holds what is left to know of them, and workers read titles often.
    light = source.inspection.model_copy(update={"packets": Packets()})
    return Title(
        source=source.model_copy(update={"inspection": light}),
        index=index if has_video else None,
        settings=settings,
        build=build,
        zero=min(starts),
        video=video,
        pictures=shown,
        sound=has_sound,
        texts=tuple(text_tracks(source.inspection.facts, settings)),
    )


def _holds(source: Source) -> str:
    kinds = [name for name, there in (("pictures", source.first_picture), ("sound", source.first_sound)) if there]
    return " and ".join(kinds) or "nothing that can be decoded"
