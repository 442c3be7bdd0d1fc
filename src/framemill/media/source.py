"""A source as it was read: its facts, its first frames, and the list of its frames."""

import asyncio
from typing import Any

from framemill.errors import SourceUnreadable
from framemill.jobs.settings import Value
from framemill.media import index as indexing
from framemill.media.index import FirstFrame, FrameIndex
from framemill.media.inspect import Inspection, InspectRequest, inspected


class Source(Value):
    """A source on this machine's disk, read once."""

    path: str
    name: str = ""
    """What its owner calls it: the path or URL that was asked for."""
    inspection: Inspection
    first_picture: FirstFrame | None
    first_sound: FirstFrame | None

    @property
    def sha256(self) -> str:
        """Fingerprint of the file."""
        return self.inspection.sha256

    @property
    def sound(self) -> dict[str, Any]:
        """The facts of the chosen audio stream; empty when there is none."""
        return next((s for s in self._sounds if s["index"] == self.inspection.audio), {})

    @property
    def sound_rank(self) -> int:
        """The chosen audio stream's place among the audio streams, as ffmpeg's `a:N` counts."""
        return self._sounds.index(self.sound)

    @property
    def _sounds(self) -> list[dict[str, Any]]:
        return [stream for stream in self.inspection.facts["streams"] if stream["codec_type"] == "audio"]


async def read_source(path: str, name: str | None = None, sha256: str = "") -> Source:
    """Probe, fingerprint (`sha256`: known already) and first frames of a local file, which messages call `name`.

    Raises `SourceMissing`, `SourceUnreadable`, `SourceEncrypted`.
    """
    name = name or path
    # What is in it is known at once; the packets of a long title take longer than the first frames.
    there = await inspected(InspectRequest(path=path, name=name, packets=False))
    source = Source(path=path, name=name, inspection=there, first_picture=None, first_sound=None)

    async def first(stream: str | None) -> FirstFrame | None:
        return None if stream is None else await indexing.first_frame(path, stream)

    firsts = asyncio.gather(
        first(None if there.video is None else "0:V:0"),
        first(None if there.audio is None else f"0:a:{source.sound_rank}"),
    )
    try:
        inspection = await inspected(InspectRequest(path=path, name=name, sha256=sha256))
        picture, sound = await firsts
    finally:
        firsts.cancel()
        await asyncio.gather(firsts, return_exceptions=True)  # what the inspection says counts, where both fail
    if inspection.video is None and sound is None:
        raise SourceUnreadable(f"{name} holds neither pictures nor sound that can be decoded.")
    found = {"inspection": inspection, "first_picture": picture, "first_sound": sound}
    return source.model_copy(update=found)


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
    index = await indexing.by_decode(
        source.path, why or "nothing decodes", inspection.packets, inspection.video, source.name
    )
    return index.model_copy(update={"seek_points": ()}) if linear and index is not None else index
