"""The gate of a package's manifests: what they name is there, and is what they say. Read by other code than wrote it.

The XML of DASH is read by the standard library, and playlists line by line; the segments by their boxes.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from pydantic import BaseModel

from framemill.errors import VerificationFailed
from framemill.media.boxes import first_track, fragment_start, top_boxes
from framemill.media.isolate import Task
from framemill.media.listing import MANIFEST, Listed
from framemill.media.playlists import IFRAMES, MASTER
from framemill.media.segments import Segments
from framemill.media.transport import PACKET

_MPD = "{urn:mpeg:dash:schema:mpd:2011}"


class CheckRequest(BaseModel):
    """A package that was written, and what must be in it."""

    folder: str
    listed: Listed
    manifests: tuple[Literal["hls", "dash"], ...]


class Checked(BaseModel):
    """What was read back."""

    named: dict[str, int]
    """How many segments, keyframes and texts each manifest names."""


@dataclass(frozen=True, slots=True)
class Named:
    """A piece of a file that a manifest names."""

    path: Path
    first: int
    size: int | None
    """Bytes; none: to the file's end."""

    def read(self) -> bytes:
        """Raises `VerificationFailed` where the file does not hold so much."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.first)
                data = file.read(-1 if self.size is None else self.size)
        except OSError:
            raise VerificationFailed(f"A manifest names {self.path.name}, which is not there.") from None
        if not data or self.size not in {None, len(data)}:
            raise VerificationFailed(f"A manifest names more of {self.path.name} than there is.")
        return data


def check(request: CheckRequest) -> Checked:
    """Follow every manifest; raises `VerificationFailed` with the first difference."""
    folder, found = Path(request.folder), {}
    if "dash" in request.manifests:
        found["dash"] = _check_dash(folder, request.listed)
    if "hls" in request.manifests:
        found["hls"] = _check_hls(folder, request.listed)
    return Checked(named=found)


CHECK = Task("framemill.media.manifests:check", CheckRequest, Checked)


def _check_dash(folder: Path, listed: Listed) -> int:
    root = ET.parse(folder / MANIFEST).getroot()  # noqa: S314 - of this farm's own making
    rows = {row.get("id", ""): row for row in root.iter(f"{_MPD}Representation")}
    tracks = {track.folder: track.segments for track in listed.tracks}
    texts = [text.folder for text in listed.subtitles]
    if rows.keys() != {*tracks, *texts}:
        raise VerificationFailed(f"The DASH manifest names {sorted(rows)}, not {sorted([*tracks, *texts])}.")
    count = 0
    for name, segments in tracks.items():
        init = Named(folder / name / segments.init, 0, segments.init_size or None).read()
        for at, piece in _dash_pieces(folder, rows[name], segments):
            count += 1
            _check_time(piece, at, init, name)
    for name in texts:
        path = rows[name].findtext(f"{_MPD}BaseURL") or ""
        if not Named(folder / path, 0, None).read().startswith(b"WEBVTT"):
            raise VerificationFailed(f"{path} is no WebVTT.")
    return count + len(texts)


def _dash_pieces(folder: Path, row: ET.Element, segments: Segments) -> Iterator[tuple[Fraction, Named]]:
    """(when it begins, in seconds, and the segment) of each segment of a representation."""
    template = row.find(f"{_MPD}SegmentTemplate")
    if template is None:
        base = row.find(f"{_MPD}SegmentBase")
        path = folder / (row.findtext(f"{_MPD}BaseURL") or "")
        first, last = map(int, (base.get("indexRange", "") if base is not None else "").split("-"))
        yield from _indexed(path, first, Named(path, first, last - first + 1).read())
        return
    scale = int(template.get("timescale", "1"))
    media, number, at = template.get("media", ""), int(template.get("startNumber", "1")), 0
    for step in template.iter(f"{_MPD}S"):
        at = int(step.get("t", at))
        for _ in range(int(step.get("r", "0")) + 1):
            name = media.replace("$RepresentationID$", row.get("id", "")).replace("$Number%05d$", f"{number:05d}")
            yield Fraction(at, scale), Named(folder / name, 0, None)
            number, at = number + 1, at + int(step.get("d", "0"))
    if number != len(segments.names) or Fraction(at, scale) != Fraction(segments.bounds[-1], segments.scale):
        raise VerificationFailed(f"The DASH manifest names {number} segments of {row.get('id')}.")


def _indexed(path: Path, first: int, box: bytes) -> Iterator[tuple[Fraction, Named]]:
    """The segments that a `sidx` (ISO/IEC 14496-12, 8.16.3) names."""
    if box[4:8] != b"sidx":
        raise VerificationFailed(f"{path.name} has no index where the DASH manifest says.")
    scale, at, skip, _, count = struct.unpack_from(">IQQHH", box, 16)
    place = first + len(box) + skip
    for entry in range(count):
        size, length = struct.unpack_from(">II", box, 40 + 12 * entry)
        yield Fraction(at, scale), Named(path, place, size)
        at, place = at + length, place + size


def _check_time(piece: Named, at: Fraction, init: bytes, name: str) -> None:
    """A segment is whole, and its first sample is shown when the manifest says: `tfdt` and composition time, less the
    edit in the init segment. What is shown before 0 is not shown."""
    data = piece.read()
    boxes = [(kind, data[start + 8 : end]) for kind, start, end in top_boxes(data) if end <= len(data)]
    if [kind for kind, _ in boxes[:2]] != ["moof", "mdat"] or len(boxes) % 2:
        raise VerificationFailed(f"What the DASH manifest names at {float(at):.3f} s of {name} is no segment.")
    scale, edit = first_track(next(init[start + 8 : end] for kind, start, end in top_boxes(init) if kind == "moov"))
    found = max(Fraction(fragment_start(boxes[0][1]) - edit, scale), Fraction(0))
    if found != at:
        raise VerificationFailed(
            f"The DASH manifest begins a segment of {name} at {float(at):.6f} s; its boxes say {float(found):.6f} s."
        )


def _check_hls(folder: Path, listed: Listed) -> int:
    master = (folder / MASTER).read_text()
    named = [line for line in master.splitlines() if line and not line.startswith("#")]
    named += re.findall(r'URI="([^"]+)"', master)
    wanted = len(listed.videos) * (1 + listed.iframes) + len(listed.sounds) + len(listed.subtitles)
    if len(set(named)) != wanted:
        raise VerificationFailed(f"The master playlist names {len(set(named))} playlists, not {wanted}.")
    count = 0
    for name in named:
        for piece in _hls_pieces(folder / name):
            count += 1
            _check_piece(piece, name, whole=not name.endswith(IFRAMES))
    return count


def _hls_pieces(playlist: Path) -> Iterator[Named]:
    """The init segment and the segments that a playlist names."""
    span: tuple[int, int] | None = None
    try:
        lines = playlist.read_text().splitlines()
    except OSError:
        raise VerificationFailed(f"The master playlist names {playlist.name}, which is not there.") from None
    for line in lines:
        if line.startswith("#EXT-X-BYTERANGE:"):
            span = _span(line.partition(":")[2])
        elif line.startswith("#EXT-X-MAP:"):
            own = re.search(r'BYTERANGE="([^"]+)"', line)
            size, first = _span(own[1]) if own else (None, 0)
            yield Named(playlist.parent / re.findall(r'URI="([^"]+)"', line)[0], first, size)
        elif line and not line.startswith("#"):
            yield Named(playlist.parent / line, span[1] if span else 0, span[0] if span else None)
            span = None


def _span(words: str) -> tuple[int, int]:
    size, _, first = words.partition("@")
    return int(size), int(first)


def _check_piece(piece: Named, playlist: str, *, whole: bool) -> None:
    """It is what its kind is: boxes of MP4, packets of a transport stream, or a text. Of a keyframe only the beginning
    of a box is named."""
    data = piece.read()
    if data.startswith(b"WEBVTT"):
        return
    if data[4:8] in {b"ftyp", b"moof"}:
        good = max(end for _, _, end in top_boxes(data)) == len(data) or not whole
    else:
        good = len(data) % PACKET == 0 and set(data[::PACKET]) == {_SYNC}
    if not good:
        raise VerificationFailed(f"{piece.path.name} holds no segment where {playlist} says.")


_SYNC = 0x47  # ISO/IEC 13818-1, 2.4.3.2
