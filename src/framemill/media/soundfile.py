"""Reads the sound of a package while its encoder still writes it: an MP4 in fragments, each there as a whole or not.

A file of this farm's own making. Box numbers refer to ISO/IEC 14496-12.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av

from framemill.media.boxes import first_track

_LARGEST_HEAD = 1 << 20  # bytes; a `moov` without samples takes hundreds, a `moof` of a second a few thousand


@dataclass(frozen=True, slots=True)
class Fragment:
    """A `moof` and its `mdat`, by their place in the file."""

    start: int
    end: int
    tick: int
    """Media time of its first sample (`tfdt`, 8.8.12)."""


@dataclass(frozen=True, slots=True)
class SoundHead:
    """What stands before the fragments."""

    data: bytes
    scale: int
    """Ticks a second."""
    primed: int
    """Ticks of priming before time 0."""


def read_head(path: Path) -> SoundHead | None:
    """What the file begins with; none: that is not written yet, or it is no file in fragments."""
    with path.open("rb") as file:
        data = b""
        for kind, start, end in _boxes(file, 0):
            if kind not in {"ftyp", "moov"} or end - start > _LARGEST_HEAD:
                return None
            file.seek(start)
            data += (box := file.read(end - start))
            if kind == "moov":
                return SoundHead(data, *first_track(box[8:]))
    return None


def fragments(path: Path, head: SoundHead, at: int = 0) -> Iterator[Fragment]:
    """The fragments that are there as a whole, from byte `at` on (0: from the first one)."""
    with path.open("rb") as file:
        moof: tuple[int, int] | None = None
        for kind, start, end in _boxes(file, at or len(head.data)):
            if kind == "moof":
                file.seek(start)
                moof = start, _tfdt(file.read(min(end - start, _LARGEST_HEAD)))
            elif kind == "mdat" and moof is not None:
                yield Fragment(moof[0], end, moof[1])
                moof = None


@contextmanager
def opened(path: Path, head: SoundHead, some: Sequence[Fragment]) -> Iterator[tuple[Any, list[Any]]]:
    """The stream, and the packets of those neighbouring fragments, with the times that they have in the whole file."""
    with path.open("rb") as file:
        file.seek(some[0].start)
        body = file.read(some[-1].end - some[0].start)
    container: Any
    with av.open(io.BytesIO(head.data + body)) as container:
        stream = container.streams.audio[0]
        yield stream, [packet for packet in container.demux(stream) if packet.size]


def ticks(head: SoundHead, seconds: Fraction) -> int:
    """Seconds in ticks of the file."""
    return round(seconds * head.scale)


def _boxes(file: BinaryIO, at: int) -> Iterator[tuple[str, int, int]]:
    """(type, start, end) of each box that is there as a whole (4.2)."""
    size = file.seek(0, io.SEEK_END)
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8 or at + length > size:  # noqa: PLR2004 - the header itself
            return
        yield header[4:8].decode("latin-1"), at, at + length
        at += length


def _tfdt(moof: bytes) -> int:
    at = moof.index(b"tfdt") + 4
    wide = moof[at] == 1
    return int(struct.unpack_from(">Q" if wide else ">I", moof, at + 4)[0])
