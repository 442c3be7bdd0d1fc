"""What is asked about a source, and what is found in it; the asking, whose reading goes on in children (`inspect`)."""

import asyncio
import logging
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field

from framemill.errors import ChildFailed, SourceUnreadable
from framemill.media.isolate import Task
from framemill.media.readable import are_followed

log = logging.getLogger(__name__)


class InspectRequest(BaseModel):
    """What to read."""

    path: str
    """A local file."""
    name: str = ""
    """What messages call it; its path where that is empty."""
    packets: bool = True
    """Also list the video packets."""
    playlists: bool = Field(default_factory=are_followed)
    """Whether it may be a playlist."""


class Packets(BaseModel):
    """The packets of the chosen video stream, in file order."""

    pts: list[int | None] = []
    """Of each."""
    sizes: list[int] = []
    """Bytes of each."""
    keys: list[int] = []
    """Which of them are marked as keyframes by container or parser, counted from 0."""
    clean: list[int] = []
    """Those of the keyframes after which no frame can refer to one before (H.264: IDR; HEVC: IDR or BLA)."""
    last_duration: int = 0
    """Of the packet that is shown last; 0 when unknown."""
    flawed: int = 0
    """Packets marked corrupt, or to be discarded by an edit list."""
    reconfigured: int = 0
    """Packets that bring new codec parameters: the stream changes on the way."""
    encrypted: int = 0
    """Packets that take a key (CENC), also of the sound where that was read beside them."""


class SoundTimes(BaseModel):
    """How the packets of the chosen audio stream follow one another."""

    widest_gap_seconds: float = 0.0
    """Widest hole between two of them."""
    backwards: bool = False
    """Whether a time lies clearly before the end of what came before it."""
    even: bool = False
    """Whether the packets are as far apart as their samples are long, as far as the container can tell."""


class SoundRequest(BaseModel):
    """The sound to follow."""

    path: str
    """A local file."""
    stream: int
    """Its index in the file."""
    name: str = ""
    """What messages call the file; its path where that is empty."""
    playlists: bool = Field(default_factory=are_followed)
    """Whether it may be a playlist."""


class FileRequest(BaseModel):
    """A file to hash."""

    path: str
    name: str = ""
    """What messages call it; its path where that is empty."""


class Fingerprint(BaseModel):
    """Of a whole file."""

    sha256: str


class Inspection(BaseModel):
    """What was found in a source."""

    facts: dict[str, Any]
    """`format`, `streams` and `chapters` as ffprobe's `-of json` has them."""
    video: int | None
    """Index of the first real video stream (no cover art), if any."""
    audio: int | None
    """Index of the default, else the first, audio stream, if any."""
    packets: Packets
    sound: SoundTimes | None = None
    """None: there is none, or it can be read for itself, and was not yet (see `follow`)."""
    sha256: str = ""
    """Of the whole file; empty until it was hashed."""


INSPECT = Task("framemill.media.inspect:inspect", InspectRequest, Inspection)
FOLLOW = Task("framemill.media.inspect:follow", SoundRequest, SoundTimes)
FINGERPRINT = Task("framemill.media.inspect:fingerprint", FileRequest, Fingerprint)
_TRIES = 2  # whoever opens it may have died of something else
_SECONDS = 25.0
_BYTES_A_SECOND = 5 << 20  # a slow disk; a terabyte takes its time, but a prober that hangs must not hang the farm


async def inspected(request: InspectRequest) -> Inspection:
    """`inspect` in a child. A file that the prober twice dies of, or hangs on, is unreadable: `SourceUnreadable`."""
    return await _patiently(INSPECT, request)


async def followed(request: SoundRequest) -> SoundTimes:
    """`follow` in a child; as `inspected`."""
    return await _patiently(FOLLOW, request)


async def fingerprinted(request: FileRequest) -> str:
    """`fingerprint` in a child; as `inspected`."""
    return (await _patiently(FINGERPRINT, request)).sha256


Asked = TypeVar("Asked", InspectRequest, SoundRequest, FileRequest)
Answer = TypeVar("Answer", bound=BaseModel)


async def _patiently(task: Task[Asked, Answer], request: Asked) -> Answer:
    name = request.name or request.path
    patience = _SECONDS + await asyncio.to_thread(_size, request.path) / _BYTES_A_SECOND
    for left in reversed(range(_TRIES)):
        try:
            return await task(request, timeout=patience)
        except ChildFailed as error:
            if not left:
                log.warning("%s", error.message, extra={"action": "prober_failed"})
                raise SourceUnreadable(f"{name} cannot be read: the process that opens it fails each time.") from None
    raise AssertionError("unreachable")


def _size(path: str) -> int:
    return Path(path).stat().st_size if Path(path).exists() else 0
