"""The list of frames that a whole decode of the source delivers: every plan stands on it.

Two levels. The packets *are* the frames only where that was proven (`trusted`); everywhere else one decode-only
pass over the whole source is the truth, and its hashes let each chunk prove that seeking changed nothing.
"""

import hashlib
import math
import operator
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from framemill.errors import ChildFailed, DecoderMissing, MediaError, SourceUnreadable
from framemill.media import ffmpeg
from framemill.media.colour import Colour, read_colour
from framemill.media.damage import LOCATE, Complaints, Damage, LocateRequest, assess, complaints
from framemill.media.inspection import Inspection, Packets

# One packet, one frame, and a keyframe to start from: seen on every catalogue clip of these codecs that has no other
# flaw. Field-coded H.264 and HEVC are found out by the frames that a chunk delivers.
PROVEN_CODECS = frozenset(
    {"h264", "hevc", "av1", "vp8", "vp9", "mpeg2video", "mpeg4", "mjpeg", "prores", "dnxhd", "ffv1"}
)
PROVEN_FORMATS = frozenset({"mov", "mp4", "matroska", "webm", "mpegts"})


class SeekPoint(BaseModel):
    """A keyframe that decoding can start at."""

    model_config = ConfigDict(frozen=True)

    pts: int
    frame: int
    """Its number in presentation order."""
    clean: bool
    """No frame after it refers to one before it, and none with an earlier time follows it in the file."""


class FrameIndex(BaseModel):
    """Every frame of a source in the order of a whole decode."""

    model_config = ConfigDict(frozen=True)

    time_base: Fraction
    pts: tuple[int, ...]
    """Time of each frame, in `time_base`. Not sorted where the source's own times run backwards."""
    last_duration: int
    """How long the last frame is shown, in `time_base`."""
    seek_points: tuple[SeekPoint, ...] = ()
    """In presentation order; empty where the source must be decoded from its start."""
    hashes: tuple[str, ...] = ()
    """murmur3 of each decoded frame (decode index only)."""
    source: Literal["packets", "decode"]
    why: str
    """Why it was taken from there, one sentence."""
    complaints: tuple[str, ...] = ()
    """What the decoder complained of during a whole decode, the first lines."""
    damage: Damage | None = None
    """What a whole decode has lost, if anything."""

    @cached_property
    def increasing(self) -> bool:
        """Whether the times are strictly increasing."""
        return all(map(operator.lt, self.pts, self.pts[1:]))

    @cached_property
    def rising(self) -> Sequence[int]:
        """The times, made to never run backwards, so that they can be searched."""
        return self.pts if self.increasing else tuple(accumulate(self.pts, max))

    @cached_property
    def encodable(self) -> bool:
        """Whether encoders and the chunks' own container can hold these times: growing, and no gap beyond 31 bits."""
        widest = widest_gap(self.time_base)  # once: in fractions it takes longer than all else
        gaps = list(map(operator.sub, self.pts[1:], self.pts))
        return not gaps or (min(gaps) > 0 and max(gaps) < widest)

    @cached_property
    def fingerprint(self) -> str:
        """Names this list of frames; part of every chunk's key."""
        columns = f"{self.time_base}|{self.source}|{','.join(map(str, self.pts))}|{','.join(self.hashes)}"
        return hashlib.sha256(columns.encode()).hexdigest()[:32]

    @cached_property
    def numbers(self) -> dict[int, int]:
        """Frame number by time, where the times do not repeat."""
        return {pts: number for number, pts in enumerate(self.pts)}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """The index with other values; what was worked out of the old ones does not come along."""
        return type(self).model_validate({**dict(self), **(update or {})})

    def seconds(self, frame: int) -> Fraction:
        """Time of a frame in seconds."""
        return self.pts[frame] * self.time_base


_SAMPLE_BITS = 31  # of a duration or a composition offset in MP4, with its sign (ISO/IEC 14496-12, 8.6.1)
_FINEST_COARSE = 20_000  # ticks a second, at most, that libav's muxer makes of a coarser video track


def widest_gap(time_base: Fraction) -> int:
    """Ticks between two frames that MP4 cannot hold any more."""
    return int((1 << _SAMPLE_BITS) / max(Fraction(1), _FINEST_COARSE * time_base))


class FirstFrame(BaseModel):
    """Where a stream begins when this ffmpeg decodes it, and what its first picture is."""

    model_config = ConfigDict(frozen=True)

    time_base: Fraction
    pts: int
    width: int = 0
    height: int = 0
    """Size after rotation, in pixels."""
    sample_aspect_ratio: str = "0/1"
    pix_fmt: str = ""
    color_range: str = "unknown"
    """`tv`, `pc` or `unknown`, as ffmpeg's `showinfo` says."""
    colour: Colour = Colour()
    interlaced: bool = False
    """Whether the picture says that it is made of two fields of different times."""

    @property
    def seconds(self) -> Fraction:
        """Its time in seconds."""
        return self.pts * self.time_base


def mistrust(inspection: Inspection, first: FirstFrame | None) -> str | None:
    """Why the packets cannot stand for the frames, or None when they can."""
    packets = inspection.packets
    stream = next(stream for stream in inspection.facts["streams"] if stream["index"] == inspection.video)
    codec = stream.get("codec_name", "unknown")
    formats = set(inspection.facts["format"]["format_name"].split(","))
    reasons: tuple[tuple[bool, str], ...] = (
        (codec not in PROVEN_CODECS, f"for {codec} it is not proven that a packet is a frame"),
        (not formats & PROVEN_FORMATS, f"packets of {'/'.join(sorted(formats))} carry no frame times to rely on"),
        (not packets.pts, "the stream has no packets"),
        (None in packets.pts, "packets without a time"),
        (len(set(packets.pts)) < len(packets.pts), "two packets with one time"),
        (packets.flawed > 0, f"{packets.flawed} packets are corrupt, cut off or hidden by an edit list"),
        (packets.reconfigured > 0, "the stream changes its parameters on the way"),
        (packets.keys[:1] != [0], "the first packet is no keyframe"),
        (_leads(packets), "pictures before the first keyframe"),
    )
    found = next((reason for holds, reason in reasons if holds), None)
    if found is None and (first is None or first.pts != min(pts for pts in packets.pts if pts is not None)):
        return "the first decoded frame is not the first packet"
    if found is None and first is not None and first.time_base != Fraction(stream["time_base"]):
        return "the decoder counts in another time base"
    return found


def from_packets(packets: Packets, time_base: Fraction) -> FrameIndex:
    """The index of a source whose packets can be trusted (`mistrust` is None)."""
    times = sorted(pts for pts in packets.pts if pts is not None)
    return FrameIndex(
        time_base=time_base,
        pts=tuple(times),
        last_duration=packets.last_duration or _usual_gap(times, time_base),
        seek_points=seek_points(packets, times),
        source="packets",
        why="every packet has its own time and the codec is proven",
    )


def of_still(first: FirstFrame) -> FrameIndex:
    """The index of a source that is one picture, which was decoded already."""
    return FrameIndex(
        time_base=first.time_base,
        pts=(first.pts,),
        last_duration=_usual_gap((first.pts,), first.time_base),
        source="packets",
        why="a picture is one frame",
    )


def seek_points(packets: Packets, frames: Sequence[int]) -> tuple[SeekPoint, ...]:
    """The keyframes of a packet list that are frames of the index, each with whether decoding may start right there.

    `frames`: the times of the index, strictly increasing.
    """
    times = [pts for pts in packets.pts if pts is not None]
    if len(times) < len(packets.pts):  # without a time nobody can tell what follows a keyframe
        return ()
    clean = set(packets.clean)
    found = []
    earliest: float = math.inf  # of what follows in the file: below the keyframe's own, that is a leading picture
    end = len(times)
    for at in reversed(packets.keys):
        earliest, end = min(earliest, min(times[at + 1 : end], default=math.inf)), at + 1
        pts = times[at]
        frame = bisect_left(frames, pts)
        if frame < len(frames) and frames[frame] == pts:
            found.append(SeekPoint(pts=pts, frame=frame, clean=at in clean and earliest >= pts))
    return tuple(sorted(found, key=lambda point: point.frame))


def _usual_gap(times: Sequence[int], time_base: Fraction) -> int:
    """The last gap between two frames; a lone frame is shown for 1/25 s, as ffmpeg does."""
    gaps = [b - a for a, b in pairwise(times) if b > a]
    return gaps[-1] if gaps else max(1, round(Fraction(1, 25) / time_base))


def _leads(packets: Packets) -> bool:
    """Pictures shown before the first keyframe: their references are missing, and decoders differ on them."""
    return (
        bool(packets.pts)
        and packets.pts[0] is not None
        and min(p for p in packets.pts if p is not None) < packets.pts[0]
    )


async def first_frame(source: str, stream: str) -> FirstFrame | None:
    """The first decoded frame of a stream (`0:V:0`, `0:a:1`), or None when nothing decodes."""
    one = ["-frames:a", "1"] if ":a:" in stream else ["-frames:v", "1", "-vf", "showinfo=checksum=0"]
    talking = ["-nostdin", "-v", "info", "-nostats", "-copyts", "-threads", "1"]
    finished = await ffmpeg.run([ffmpeg.binary(), *talking, "-i", source, "-map", stream, *one, *FRAMEHASH])
    header, rows = parse_framehash(finished.stdout.decode())
    if not rows:
        return None
    shown = dict(reversed(_SHOWN.findall(finished.stderr)))  # of the first picture, if a second one is told of
    if ":a:" not in stream and "fmt" not in shown:
        raise MediaError("ffmpeg does not name the pixel format; unset FRAMEMILL_FFMPEG to use the bundled one.")
    width, _, height = header.get("dimensions", "0x0").partition("x")
    return FirstFrame(
        time_base=Fraction(header["tb"]),
        pts=rows[0].pts,
        width=int(width),
        height=int(height),
        sample_aspect_ratio=header.get("sar", "0/1"),
        pix_fmt=shown.get("fmt", ""),
        color_range=shown.get("color_range", "unknown"),
        colour=read_colour(finished.stderr) if ":a:" not in stream else Colour(),
        interlaced=(_FIELDS.findall(finished.stderr) or ["P"])[0] != "P",
    )


_FIELDS = re.compile(r"showinfo.*? i:([PTB]) ")
_SHOWN = re.compile(r"showinfo.*?\b(fmt|color_range):(\w+)")


#: The options of every decode whose times and pixels must agree: absolute times, and one thread, because damaged
#: streams decode differently by the number of threads.
DECODE = ("-nostdin", "-v", "level+warning", "-max_error_rate", "1", "-copyts", "-threads", "1")
#: One line a frame: its time and murmur3 (the fastest 128-bit hash ffmpeg has) of its pixels.
FRAMEHASH = ("-fps_mode", "passthrough", "-enc_time_base", "filter", "-f", "framehash", "-hash", "murmur3", "-")


async def by_decode(source: str, why: str, packets: Packets, stream: int, name: str) -> FrameIndex | None:
    """The index taken from one decode of the whole source; None when it shows nothing, and nothing is wrong with it.

    `stream`: the index in the file of what ffmpeg calls `0:V:0`; `name`: what messages call the file.

    Raises `SourceUnreadable` when no frame comes out and the decoder complains, `DecoderMissing` when there is none.
    """
    finished = await ffmpeg.run([ffmpeg.binary(), *DECODE, "-i", source, "-map", "0:V:0", *FRAMEHASH])
    header, rows = parse_framehash(finished.stdout.decode())
    said = complaints(finished.stderr)
    if not rows and finished.status == 0 and not said.lines:
        return None
    if not rows:
        reason = said.lines[0] if said.lines else "the decoder gave no reason"
        if _UNKNOWN_CODEC in finished.stderr:
            raise SourceUnreadable(f"No frame of {name} can be decoded: nobody knows the codec of its pictures.")
        if _NO_DECODER in finished.stderr:
            raise DecoderMissing(
                f"This ffmpeg cannot decode the pictures of {name}: {reason}. Set FRAMEMILL_FFMPEG to one that can."
            )
        raise SourceUnreadable(f"No frame of {name} can be decoded: {reason}.")
    pts = tuple(row.pts for row in rows)
    increasing = all(a < b for a, b in pairwise(pts))
    return FrameIndex(
        time_base=Fraction(header["tb"]),
        pts=pts,
        last_duration=rows[-1].duration or _usual_gap(pts, Fraction(header["tb"])),
        seek_points=seek_points(packets, pts) if increasing and not said.lines else (),
        hashes=tuple(row.digest for row in rows),
        source="decode",
        why=why,
        complaints=said.lines[:_LINES],
        damage=await _located(source, stream, said) if said.of_damage else None,
    )


_NO_DECODER = "no decoder found for"
_UNKNOWN_CODEC = f"{_NO_DECODER}: none"
_LINES = 20  # of complaints that are kept
_LOCATE_SECONDS = 6 * 3600.0  # a whole decode in one thread


async def _located(source: str, stream: int, said: Complaints) -> Damage:
    """What is lost where; only that something is, when the child that looks for it fails."""
    try:
        found = await LOCATE(LocateRequest(path=source, stream=stream), timeout=_LOCATE_SECONDS)
    except ChildFailed:
        return Damage(unplaced=said.patched + said.refused, cut_short=said.cut_short, said=said.lines[:5])
    return assess(found, said)


async def decoded(path: str, stream: str) -> tuple[list["HashedFrame"], Complaints]:
    """Every frame that a decode of one stream (`0:V:0`, `0:a:1`) delivers, and what the decoder complained of."""
    every = [*DECODE, "-i", path, "-map", stream, *FRAMEHASH]
    finished = await ffmpeg.run([ffmpeg.binary(), *every])
    _, rows = parse_framehash(finished.stdout.decode())
    said = complaints(finished.stderr)
    if finished.status and not said.lines:  # it was killed, and had no time to say why
        said = said.model_copy(update={"lines": (f"ffmpeg ended with exit status {finished.status}",)})
    return rows, said


class HashedFrame(NamedTuple):
    """One line of a framehash: times in the stream's time base."""

    pts: int
    duration: int
    digest: str


def parse_framehash(text: str) -> tuple[dict[str, str], list[HashedFrame]]:
    """Header fields of stream 0, and the frames, of ffmpeg's `-f framehash` output."""
    header: dict[str, str] = {}
    rows: list[HashedFrame] = []
    for line in text.splitlines():
        if line.startswith("#"):
            key, _, value = line[1:].partition(":")
            header[key.removesuffix(" 0")] = value.strip()
        elif line:
            fields = [field.strip() for field in line.split(",")]
            rows.append(HashedFrame(pts=int(fields[2]), duration=int(fields[3]), digest=fields[5]))
    return header, rows
