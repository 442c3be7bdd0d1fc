"""Reads the few ISO-BMFF boxes that say when a track starts, which demuxers hide behind their own arithmetic.

Box numbers refer to ISO/IEC 14496-12.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from framemill.errors import VerificationFailed

_CONTAINERS = {"trak", "mdia", "minf", "stbl", "edts", "traf"}
_LARGEST_MOOV = 1 << 30


@dataclass(frozen=True, slots=True)
class TrackStart:
    """Of one track of a progressive MP4: its kind, and the presentation time of its first sample in seconds."""

    handler: str
    """`vide`, `soun`, `text`, `sbtl`."""
    seconds: Fraction


def top_boxes(data: bytes) -> Iterator[tuple[str, int, int]]:
    """(type, start, end) of each box in a row of boxes (4.2)."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        yield data[at + 4 : at + 8].decode("latin-1"), at, at + (size or len(data) - at)
        at += size or len(data)


def cut_short(path: Path) -> str:
    """What an ISO-BMFF file lacks at its end, in a sentence; empty where it is whole, or none."""
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            header = file.read(16)
            kind = header[4:8].decode("latin-1")
            if at == 0 and kind not in _FIRST:
                return ""
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            end = at + length if length else size
            if end > size:
                return f"Its box {kind!r} should end at byte {end}, the file ends at {size}; copy it again."
            at = max(end, at + 8)
    return ""


def first_track(moov: bytes) -> tuple[int, int]:
    """Of the first track in the body of a `moov`: its time scale, and the media time at which its edit list begins."""
    start, end = next((start, end) for kind, start, end in top_boxes(moov) if kind == "trak")
    leaves = _first_leaves(moov[start + 8 : end])
    begins = (time for _, time in _edits(leaves.get("elst", b"")) if time >= 0)
    return _scale(leaves["mdhd"]), next(begins, 0)


def fragment_start(moof: bytes) -> int:
    """Media time at which the first sample in the body of a `moof` is shown: its decode time (`tfdt`, 8.8.12), and how
    much later that is (`trun`, 8.8.8)."""
    leaves = _first_leaves(moof)
    tfdt, trun = leaves["tfdt"], leaves["trun"]
    decoded = struct.unpack_from(">Q" if tfdt[0] == 1 else ">I", tfdt, 4)[0]
    flags = int.from_bytes(trun[1:4], "big")
    if not flags & _COMPOSED:
        return int(decoded)
    before = sum(4 for bit in (0x1, 0x4, 0x100, 0x200, 0x400) if flags & bit)
    return int(decoded + struct.unpack_from(">i", trun, 8 + before)[0])


_COMPOSED = 0x800  # sample-composition-time-offsets-present

_FIRST = {"ftyp", "moov", "mdat", "free", "skip", "wide"}


def track_starts(path: Path) -> list[TrackStart]:
    """When each track of a file starts, from `elst` and the first `ctts` entry; empty when there is no `moov`."""
    with path.open("rb") as file:
        moov = _read_top(file, "moov")
    movie_scale = 1000
    found = []
    for kind, start, end in top_boxes(moov):
        body = moov[start + 8 : end]
        if kind == "mvhd":
            movie_scale = _scale(body)
        if kind == "trak":
            found.append(_track_start(_first_leaves(body), movie_scale))
    return found


def skip_priming(path: Path, track: int, ticks: int) -> None:
    """Make the second edit of a track (by its place in `moov`) begin `ticks` of its time scale later, in place.

    libav's muxer writes an empty edit for a track that starts late, and then forgets that an encoder's first samples
    are priming. Raises `VerificationFailed` where the edit list is not the one it writes.
    """
    with path.open("r+b") as file:
        moov = bytearray(_read_top(file, "moov"))
        place = file.tell() - len(moov)
        traks = [(start, end) for kind, start, end in top_boxes(bytes(moov)) if kind == "trak"]
        start, end = traks[track]
        at = bytes(moov).find(b"elst", start, end) + 4
        wide = moov[at] == 1
        layout = ">Qq" if wide else ">Ii"
        entry = at + 8 + struct.calcsize(layout + "hh")
        duration, media_time = struct.unpack_from(layout, moov, entry)
        if struct.unpack_from(">I", moov, at + 4)[0] != _EMPTY_THEN_MEDIA or media_time != 0:
            raise VerificationFailed(f"Track {track} of {path.name} has an edit list that nobody here wrote.")
        movie_scale, scale = _scales(bytes(moov), bytes(moov[start + 8 : end]))
        struct.pack_into(layout, moov, entry, duration - round(Fraction(ticks * movie_scale, scale)), ticks)
        file.seek(place)
        file.write(moov)


_EMPTY_THEN_MEDIA = 2


def _scales(moov: bytes, trak: bytes) -> tuple[int, int]:
    """The movie's and the track's time scales."""
    movie = next(moov[start + 8 : end] for kind, start, end in top_boxes(moov) if kind == "mvhd")
    return _scale(movie), _scale(_first_leaves(trak)["mdhd"])


def _scale(header: bytes) -> int:
    """Of an `mvhd` (8.2.2) or `mdhd` (8.4.2) box."""
    return int(struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0])


def _read_top(file: BinaryIO, wanted: str) -> bytes:
    while header := file.read(8):
        size, kind, begun = int.from_bytes(header[:4], "big"), header[4:8].decode("latin-1"), 8
        if size == 1:
            size, begun = int.from_bytes(file.read(8), "big"), 16
        if kind == wanted:
            return file.read(min(size - begun, _LARGEST_MOOV))
        if size == 0:
            break
        file.seek(size - begun, 1)
    return b""


def _first_leaves(data: bytes) -> dict[str, bytes]:
    """The first leaf box of each type; QuickTime's `minf` holds a second `hdlr`."""
    return dict(reversed(list(_leaves(data))))


def _leaves(data: bytes) -> Iterator[tuple[str, bytes]]:
    for kind, start, end in top_boxes(data):
        if kind in _CONTAINERS:
            yield from _leaves(data[start + 8 : end])
        else:
            yield kind, data[start + 8 : end]


def _track_start(boxes: dict[str, bytes], movie_scale: int) -> TrackStart:
    scale = _scale(boxes["mdhd"])
    handler = boxes["hdlr"][8:12].decode("latin-1")  # 8.4.3
    ctts = boxes.get("ctts", b"")  # 8.6.1.3
    composition = struct.unpack_from(">i", ctts, 12)[0] if ctts else 0
    empty, media_time = Fraction(0), 0
    for duration, time in _edits(boxes.get("elst", b"")):
        if time >= 0:
            media_time = time
            break
        empty += Fraction(duration, movie_scale)
    return TrackStart(handler, empty + max(Fraction(composition - media_time, scale), Fraction(0)))


def _edits(elst: bytes) -> Iterator[tuple[int, int]]:
    """(duration in the movie's scale, media time; -1: nothing is shown) of each edit (8.6.6)."""
    if not elst:
        return
    layout = ">Qqhh" if elst[0] == 1 else ">Iihh"
    for number in range(struct.unpack_from(">I", elst, 4)[0]):
        duration, time, _, _ = struct.unpack_from(layout, elst, 8 + number * struct.calcsize(layout))
        yield duration, time
