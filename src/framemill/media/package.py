"""CMAF segments straight from chunks: each a pure function of (packets, plan).

No muxer lives longer than one segment, so segments can be written in any order by anybody. Init segments come out
byte-equal from every one; `tfdt` is absolute.
"""

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from pydantic import BaseModel

from framemill.errors import VerificationFailed
from framemill.media.boxes import top_boxes
from framemill.media.isolate import Task
from framemill.media.playlists import Segments, codec_name
from framemill.media.stitch import SoundTrack, VideoTrack, stamped

#: `delay_moov`: the edit list is written once the first times are known. `frag_discont`: tfdt as stamped, not from 0.
_VIDEO_FLAGS = "frag_keyframe+default_base_moof+delay_moov+frag_discont"
_AUDIO_FLAGS = "default_base_moof+delay_moov+frag_discont"
_AUDIO_INIT_FLAGS = "default_base_moof+delay_moov"
_ONE_FRAGMENT = "100000000"  # microseconds; longer than any segment


class SegmentRequest(BaseModel):
    """Some segments of one track, in a row."""

    folder: str
    """Where `init.mp4` and `00000.m4s`… go; it exists."""
    number: int = 0
    """Of the first of them; the init segment is written with that of number 0."""
    video: VideoTrack | None = None
    """The chunks that hold them, and the times of all their frames."""
    starts: list[int] = []
    """First frame of each segment, counted in `video`."""
    end: int | None = None
    """The frame behind the last one; none: there is no further one."""
    delay: int = 0
    """See `decode_delay`, of the whole title."""
    audio: SoundTrack | None = None
    cuts: list[Fraction] = []
    """Inner boundaries of the segments in seconds (audio)."""
    segment_seconds: float = 0
    """Length of a segment where there are no pictures to follow (audio)."""


def segment(request: SegmentRequest) -> Segments:
    """Write the media segments, and the init segment before the first one. Each file appears whole."""
    folder = Path(request.folder)
    if request.video is not None:
        cut = _video_segments(request, request.video)
    elif request.audio is not None:
        cut = _sound_segments(request, request.audio)
    else:
        raise VerificationFailed("A track to segment needs pictures or sound.")
    return write_segments(folder, cut, request.number)


SEGMENT = Task("framemill.media.package:segment", SegmentRequest, Segments)


@dataclass(frozen=True, slots=True)
class Cut:
    """Segments of one track before they are files."""

    init: bytes
    media: list[bytes]
    durations: list[float]
    """Seconds."""
    codecs: str


def write_segments(folder: Path, cut: Cut, number: int) -> Segments:
    """Write them, numbered from `number`. Each file appears whole; one that is there already is written again."""
    names = [f"{number + place:05d}.m4s" for place in range(len(cut.media))]
    if number == 0 and cut.media:
        write_whole(folder / "init.mp4", cut.init)
    for name, data in zip(names, cut.media, strict=True):
        write_whole(folder / name, data)
    return Segments(names=names, durations=cut.durations, sizes=[len(data) for data in cut.media], codecs=cut.codecs)


def write_whole(path: Path, data: bytes) -> None:
    """Who reads the file sees all of it, or what was there before."""
    part = path.with_name(f".{path.name}")
    part.write_bytes(data)
    part.replace(path)


# Pictures

#: How many pictures x264 and x265 decode, at most, before one that is shown earlier, where they do so at all (their
#: `num_reorder_frames`: 2 with a pyramid of B-frames, whatever its height, else 1). PyAV tells only whether they may.
MOST_REORDER = 2


def decode_delay(times: Sequence[int], reorder: int = 0) -> int:
    """Ticks by which every picture is decoded before it is shown, in a track that may be shown out of order.

    Unlike in a file the delay is the same at each segment: the one edit list in the init segment takes it off again,
    whichever segment a player starts with. It follows from the plan and from what the encoder *may* do, so that it is
    known before the last chunk is encoded. `reorder`: how deep the chunks really are, lest one is deeper than that.
    """
    depth = min(max(reorder, MOST_REORDER), len(times) - 1)
    return max((after - before for before, after in zip(times, times[depth:], strict=False)), default=0)


def _video_segments(request: SegmentRequest, track: VideoTrack) -> Cut:
    end = len(track.times) if request.end is None else request.end
    bounds = [*request.starts, end]
    ticks = [*track.times, track.times[-1] + track.last_duration]
    inits: list[bytes] = []
    media: list[bytes] = []
    with av.open(track.chunks[0]) as first:
        template = first.streams.video[0]
        delay = request.delay if template.codec_context.has_b_frames else 0
        packets = stamped(track, (time - delay for time in track.times))
        for _ in range(bounds[0]):  # of a segment before, in a chunk that is cut inside one
            next(packets)
        for number, (start, stop) in enumerate(pairwise(bounds), request.number + 1):
            options = {"movflags": _VIDEO_FLAGS, "fragment_index": str(number)}
            # Closed GOPs at every start keep decode and presentation order apart by segment.
            own = [next(packets) for _ in range(stop - start)]
            head, body = _fragments(template, track.time_base, own, options)
            inits.append(head)
            media.append(body)
        codecs = codec_name(template)
    durations = [float((ticks[stop] - ticks[start]) * track.time_base) for start, stop in pairwise(bounds)]
    return Cut(inits[0], media, durations, codecs)


# Sound


def _sound_segments(request: SegmentRequest, track: SoundTrack) -> Cut:
    with av.open(track.path, metadata_errors="replace") as source:
        template: Any = source.streams.audio[0]
        packets = [packet for packet in source.demux(template) if packet.size]
        cuts = request.cuts
        if request.segment_seconds:
            length = Fraction(request.segment_seconds)
            base = template.time_base
            end = (packets[-1].pts + priming(packets[0].pts) + round(track.offset / base)) * base
            cuts = [k * length for k in range(1, math.ceil(end / length))]
        return cut_sound(template, packets, priming(packets[0].pts), track.offset, cuts, 0)


def priming(first: int) -> int:
    """Ticks of the encoder's priming, which lies before 0; `first`: time of the track's first packet."""
    return -min(first, 0)


def cut_sound(  # noqa: PLR0917
    template: Any, packets: Sequence[Any], primed: int, offset: Fraction, cuts: Sequence[Fraction], number: int
) -> Cut:
    """Cut packets of sound at those times of the output, in seconds; none of the segments is empty.

    `primed`: the track's priming; `offset`: seconds at which the track begins; `number`: of the first segment.
    """
    base = template.time_base
    # Segments are stamped from the priming on, since a first packet before 0 would wrap the first tfdt round.
    shift = primed + round(offset / base)
    parts = _grouped(packets, [round(cut / base) - round(offset / base) for cut in cuts])
    # The priming lies before 0: the init segment says so in its edit list.
    init = b""
    if number == 0 and parts:
        init, _ = _fragments(template, base, parts[0], {"movflags": _AUDIO_INIT_FLAGS})
    media = []
    durations = []
    for place, part in enumerate(parts, number + 1):
        durations.append(float(sum(packet.duration for packet in part) * base))
        _shift(part, shift)
        options = {"movflags": _AUDIO_FLAGS, "fragment_index": str(place)}
        media.append(_fragments(template, base, part, options)[1])
    return Cut(init, media, durations, codec_name(template))


def _shift(packets: Iterable[Any], ticks: int) -> None:
    for packet in packets:
        packet.pts = packet.dts = packet.pts + ticks


def _grouped(packets: Iterable[Any], limits: list[int]) -> list[list[Any]]:
    """Each packet in the segment whose end lies after its time; none is empty."""
    parts: list[list[Any]] = [[] for _ in range(len(limits) + 1)]
    at = 0
    for packet in packets:
        while at < len(limits) and packet.pts >= limits[at]:
            at += 1
        parts[at].append(packet)
    return [part for part in parts if part]


def _fragments(template: Any, base: Fraction, packets: Iterable[Any], options: dict[str, str]) -> tuple[bytes, bytes]:
    """The packets as fragmented MP4: (`ftyp` and `moov`, the `moof` and `mdat` pairs)."""
    buffer = io.BytesIO()
    fixed = {"fflags": "+bitexact", "write_btrt": "0", "frag_duration": _ONE_FRAGMENT}
    with av.open(buffer, "w", format="mp4", options=fixed | options) as output:
        stream = output.add_stream_from_template(template, opaque=True)
        if template.codec_context.name == "hevc":
            stream.codec_context.codec_tag = "hvc1"
        if template.type == "audio":  # of as much as was read, which is not always alike: the muxer counts for itself
            stream.codec_context.bit_rate = 0
        stream.time_base = base
        for packet in packets:
            packet.stream = stream
            packet.time_base = base
            output.mux_one(packet)
    data = buffer.getvalue()
    boxes = list(top_boxes(data))
    head = b"".join(data[start:end] for kind, start, end in boxes if kind in {"ftyp", "moov"})
    body = b"".join(data[start:end] for kind, start, end in boxes if kind in {"styp", "moof", "mdat"})
    return head, body
