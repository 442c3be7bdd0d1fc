"""A source as it was read: its facts, its first frames, and the list of its frames."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from framemill.errors import SourceUnreadable
from framemill.jobs.settings import Value
from framemill.media import index as indexing
from framemill.media.index import FirstFrame, FrameIndex
from framemill.media.inspect import fingerprint
from framemill.media.inspection import FileRequest, Inspection, InspectRequest, fingerprinted, inspected

#: Codecs of single pictures, but WebP's: one packet may be a film there.
_NEVER_MOVE = frozenset({"mjpeg", "png", "bmp", "tiff"})


class Source(Value):
    """A source on this machine's disk, read once."""

    path: str
    name: str = ""
    """What its owner calls it: the path or URL that was asked for."""
    inspection: Inspection
    first_picture: FirstFrame | None
    first_sound: FirstFrame | None
    further_sounds: tuple[tuple[int, FirstFrame], ...] = ()
    """(rank, first frame) of other audio streams, where those were asked for."""

    @property
    def sha256(self) -> str:
        """Fingerprint of the file."""
        return self.inspection.sha256

    @property
    def interlaced(self) -> bool:
        """Whether its first picture says that it is made of two fields of different times."""
        return self.first_picture is not None and self.first_picture.interlaced

    @property
    def lone(self) -> bool:
        """Whether it is one picture, of a kind that never moves."""
        form = self.inspection.facts["format"]["format_name"]
        reader = form == "image2" or form.endswith("_pipe")
        return reader and self.picture.get("codec_name") in _NEVER_MOVE and len(self.inspection.packets.pts) == 1

    @property
    def picture(self) -> dict[str, Any]:
        """The facts of the chosen video stream; empty when there is none."""
        return next((s for s in self.inspection.facts["streams"] if s["index"] == self.inspection.video), {})

    @property
    def sound(self) -> dict[str, Any]:
        """The facts of the chosen audio stream; empty when there is none."""
        return next((s for s in self.sounds if s["index"] == self.inspection.audio), {})

    @property
    def sound_rank(self) -> int:
        """The chosen audio stream's place among the audio streams, as ffmpeg's `a:N` counts."""
        return self.sounds.index(self.sound)

    @property
    def first_sounds(self) -> dict[int, FirstFrame]:
        """The first frame of each audio stream that was looked at and can be decoded, by rank."""
        known = dict(self.further_sounds)
        return known if self.first_sound is None else {self.sound_rank: self.first_sound, **known}

    @property
    def sounds(self) -> list[dict[str, Any]]:
        """The facts of every audio stream."""
        return [stream for stream in self.inspection.facts["streams"] if stream["codec_type"] == "audio"]


async def read_source(path: str, name: str | None = None, sha256: str = "") -> Source:
    """Probe, fingerprint (`sha256`: known already) and first frames of a local file, which messages call `name`.

    Raises `SourceMissing`, `SourceUnreadable`, `SourceEncrypted`.
    """
    name = name or path
    # What is in it is known at once; to list the packets of a long title and to hash it takes longer than all else.
    small = await asyncio.to_thread(_is_small, path)
    there = await inspected(InspectRequest(path=path, name=name, packets=small))
    listing = _known(there) if small else inspected(InspectRequest(path=path, name=name))
    file = FileRequest(path=path, name=name)
    hashing = _known(sha256) if sha256 else _hashed(file) if small else fingerprinted(file)
    async with _beside(listing) as packets, _beside(hashing) as hashed:
        source = Source(path=path, name=name, inspection=there, first_picture=None, first_sound=None)
        of_picture = _first(path, None if there.video is None else "0:V:0")
        of_sound = _first(path, None if there.audio is None else f"0:a:{source.sound_rank}")
        async with _beside(of_picture) as first_picture, _beside(of_sound) as first_sound:
            inspection = await packets  # before the first frames: what it says counts, where both fail
            picture, sound = await first_picture, await first_sound
            inspection = inspection.model_copy(update={"sha256": await hashed})
    if inspection.video is None and sound is None:
        raise SourceUnreadable(f"{name} holds neither pictures nor sound that can be decoded.")
    found = {"inspection": inspection, "first_picture": picture, "first_sound": sound}
    return source.model_copy(update=found)


Found = TypeVar("Found")


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, Found]) -> AsyncIterator["asyncio.Task[Found]"]:
    """It is done while the block runs, and has ended when that is left."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def with_sounds(source: Source, ranks: Sequence[int]) -> Source:
    """The source with the first frames of those of its audio streams that were not looked at yet."""
    missing = [rank for rank in ranks if rank not in source.first_sounds and rank < len(source.sounds)]
    found = await asyncio.gather(*(indexing.first_frame(source.path, f"0:a:{rank}") for rank in missing))
    further = [(rank, first) for rank, first in zip(missing, found, strict=True) if first is not None]
    return source.model_copy(update={"further_sounds": (*source.further_sounds, *further)}) if further else source


async def _known(value: Found) -> Found:
    return value


_SMALL = 4 << 20  # bytes that are read and hashed in less time than a process takes to start


def _is_small(path: str) -> bool:
    try:
        return os.stat(path).st_size <= _SMALL
    except OSError:  # whoever opens it says why
        return False


async def _hashed(file: FileRequest) -> str:
    return (await asyncio.to_thread(fingerprint, file)).sha256


async def _first(path: str, stream: str | None) -> FirstFrame | None:
    return None if stream is None else await indexing.first_frame(path, stream)


async def index_source(source: Source, *, decode: bool, linear: bool) -> FrameIndex | None:
    """The frames of a source, from its packets where they can be trusted; None when it has no pictures.

    `decode`: from a decode of the whole in any case; `linear`: and never seek in it. Raises `SourceUnreadable`.
    """
    inspection = source.inspection
    if inspection.video is None:
        return None
    if source.lone and source.first_picture is not None and not decode:
        return indexing.of_still(source.first_picture)
    why = "asked for, or a chunk delivered other frames than the packets promised" if decode else None
    why = why or indexing.mistrust(inspection, source.first_picture)
    if why is None and source.first_picture is not None:
        return indexing.from_packets(inspection.packets, source.first_picture.time_base)
    index = await indexing.by_decode(
        source.path, why or "nothing decodes", inspection.packets, inspection.video, source.name
    )
    return index.model_copy(update={"seek_points": ()}) if linear and index is not None else index
