"""Joins encoded chunks by their packets, without a seam: only the rank of a packet in its chunk is used.

With the planned times `P` of the whole title, decode index `k`, and `d` the deepest reorder of any chunk:
`pts = P[first + rank]`, `dts = P[k - d]` (before the start: `P[0] - (P[d] - P[k])`). That is x264's own rule; it is
valid for uneven times, always increasing, and never later than the pts.
"""

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.stream import Disposition
from pydantic import BaseModel

from framemill.media.boxes import skip_priming
from framemill.media.chunkfile import packets_of, ranks
from framemill.media.index import widest_gap
from framemill.media.isolate import Task
from framemill.media.transport import ts_origin


class VideoTrack(BaseModel):
    """The chunks of one rendition in order, and when each of their frames is shown."""

    chunks: list[str]
    time_base: Fraction
    times: list[int]
    """Of every frame, in ticks, strictly increasing."""
    last_duration: int
    """Of the last frame, in ticks."""
    reorder: int
    """Deepest reorder of any chunk, in frames."""


class SoundTrack(BaseModel):
    """A file with one encoded audio (or text) track that begins at 0, and where 0 lies in the output."""

    path: str
    offset: Fraction
    """Seconds."""
    language: str = ""
    """ISO 639-2, as the source says it; empty: unknown."""
    name: str = ""
    """What players call it."""
    default: bool | None = None
    """Whether players choose it by themselves; none: it is the only one of its kind, and nothing is said."""


class JoinRequest(BaseModel):
    """What to write into one file."""

    video: VideoTrack | None = None
    sounds: list[SoundTrack] = []
    texts: list[SoundTrack] = []
    path: str
    format: str
    """ffmpeg's muxer: mp4, mov, matroska, webm, mpegts."""
    metadata: dict[str, str] = {}


#: Containers whose boxes say where each track begins.
EDITED = frozenset({"mp4", "mov", "3gp", "ipod"})


class Joined(BaseModel):
    """What was written."""

    frames: int
    audio_packets: int
    """Of all tracks."""
    origin: Fraction
    """Seconds on the file's own clock that are the title's 0."""


def decode_times(times: list[int], depth: int) -> Iterator[int]:
    """When each packet is decoded, in decode order; see the module's docstring."""
    depth = min(depth, len(times) - 1)
    for k in range(len(times)):
        yield times[k - depth] if k >= depth else times[0] - (times[depth] - times[k])


def join(request: JoinRequest) -> Joined:
    """Write the file. The sources are files of this farm's own making."""
    primed: dict[int, int] = {}
    with av.open(request.path, "w", format=request.format, options=_muxer_options(request)) as output:
        for key, value in request.metadata.items():
            output.metadata[key] = value
        tracks = []
        if request.video is not None:
            tracks.append(_video(output, request.video))
        edits = request.format in EDITED
        tracks += [_copied(output, track, primed if edits else None) for track in (*request.sounds, *request.texts)]
        origin = _origin(request)
        if origin:
            tracks = [_later(track, origin) for track in tracks]
        counts = dict.fromkeys(range(len(output.streams)), 0)
        # Interleaved by decode time, as players read them; the stream's index settles ties.
        for _, index, packet in heapq.merge(*tracks, key=lambda item: item[:2]):
            counts[index] += 1
            output.mux_one(packet)
    for index, ticks in primed.items():
        skip_priming(Path(request.path), index, ticks)
    pictures = int(request.video is not None)
    return Joined(
        frames=counts[0] if pictures else 0,
        audio_packets=sum(counts[pictures + number] for number in range(len(request.sounds))),
        origin=origin,
    )


JOIN = Task("framemill.media.stitch:join", JoinRequest, Joined)


#: Containers that know no times before 0, where priming lies and what is decoded early.
_FROM_ZERO = frozenset({"mpeg", "flv", "asf"})
_MILLIS = 1000  # what FLV and ASF count in
_PS_DELAY = Fraction(1, 2)  # of a program stream: its clock begins so long before what it shows


def _origin(request: JoinRequest) -> Fraction:
    """By how much everything begins later, so that nothing lies before 0."""
    if request.format not in {"mpegts", *_FROM_ZERO}:
        return Fraction(0)
    video = request.video
    early = Fraction(0) if video is None else -next(decode_times(video.times, video.reorder)) * video.time_base
    if request.format == "mpegts":
        return Fraction(ts_origin(early))
    early = max([Fraction(0), early, *(_primed(track) - track.offset for track in request.sounds)])
    if request.format == "mpeg":  # a whole second is whole on every clock
        return Fraction(math.ceil(early + _PS_DELAY))
    return Fraction(math.ceil(early * _MILLIS), _MILLIS)


def _primed(track: SoundTrack) -> Fraction:
    """Seconds of the encoder's priming, before the track's own 0."""
    with av.open(track.path, metadata_errors="replace") as container:
        stream = container.streams[0]
        first = next((packet for packet in container.demux(stream) if packet.size), None)
        return Fraction(0) if first is None or first.pts is None else -first.pts * Fraction(stream.time_base or 0)


def _later(track: Iterator[tuple[Fraction, int, Any]], seconds: Fraction) -> Iterator[tuple[Fraction, int, Any]]:
    for dts, index, packet in track:
        ticks = round(seconds / packet.time_base)
        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        yield dts, index, packet


#: Microseconds by which a transport stream's packets arrive before they are decoded, as ffmpeg's `-muxdelay` has it.
_TS_DELAY = 700_000


def _muxer_options(request: JoinRequest) -> dict[str, str]:
    options = {"fflags": "+bitexact"}
    if request.format == "mpegts":
        options |= {"max_delay": str(_TS_DELAY), "mpegts_copyts": "1", "avoid_negative_ts": "disabled"}
    if request.format == "mpeg":
        options["avoid_negative_ts"] = "disabled"
    if request.format in EDITED:
        # PyAV's muxer counts edit lists in milliseconds unless told; tracks that start apart would be off by half.
        scales = [request.video.time_base.denominator] if request.video else []
        fine = math.lcm(*scales, 240_000)
        times = request.video.times if request.video else []
        if request.video and any(b - a >= widest_gap(request.video.time_base) for a, b in itertools.pairwise(times)):
            options["video_track_timescale"] = str(
                scales[0]
            )  # libav multiplies small ones, and counts a gap in 31 bits
        options |= {"movflags": "+faststart", "movie_timescale": str(fine if fine < 1 << 31 else 240_000)}
    return options


def _video(output: Any, track: VideoTrack) -> Iterator[tuple[Fraction, int, Any]]:
    with av.open(track.chunks[0]) as first:
        stream = output.add_stream_from_template(first.streams.video[0], opaque=True)
        if first.streams.video[0].codec_context.name == "hevc" and output.format.name != "mpegts":
            stream.codec_context.codec_tag = "hvc1"  # Apple's players refuse libav's default, hev1
    stream.time_base = track.time_base
    packets = stamped(track, decode_times(track.times, track.reorder))
    avc = stream.codec_context.name == "h264" and output.format.name == "avi"
    if avc:
        stream.codec_context.extradata = None  # it would say that lengths stand before the packets' parts
    return _keyed(stream, _start_codes(track.chunks[0], packets) if avc else packets)


def _start_codes(chunk: str, packets: Iterator[Any]) -> Iterator[Any]:
    """H.264 packets as AVI has them: with start codes, and parameter sets before keyframes."""
    with av.open(chunk) as first:
        convert = BitStreamFilterContext("h264_mp4toannexb", first.streams.video[0])
        for packet in packets:
            base, pts, dts, duration = packet.time_base, packet.pts, packet.dts, packet.duration
            for converted in convert.filter(packet):
                converted.time_base, converted.pts, converted.dts, converted.duration = base, pts, dts, duration
                yield converted


def _keyed(stream: Any, packets: Iterator[Any]) -> Iterator[tuple[Fraction, int, Any]]:
    for packet in packets:
        packet.stream = stream
        yield packet.dts * packet.time_base, stream.index, packet


def stamped(track: VideoTrack, dts: Iterator[int]) -> Iterator[Any]:
    """All packets of a rendition in decode order, with the title's times instead of their chunk's, and these `dts`."""
    times = track.times
    ends = [*times[1:], times[-1] + track.last_duration]
    first = 0
    for path in track.chunks:
        with av.open(path) as container:
            packets = list(packets_of(container))
        for rank, packet in zip(ranks([packet.pts for packet in packets]), packets, strict=True):
            packet.time_base = track.time_base
            packet.pts, packet.dts = times[first + rank], next(dts)
            packet.duration = ends[first + rank] - times[first + rank]
            yield packet
        first += len(packets)


def _copied(output: Any, track: SoundTrack, primed: dict[int, int] | None) -> Iterator[tuple[Fraction, int, Any]]:
    """The packets of a track that was encoded whole, moved to where it starts.

    A track that starts late and has priming is put into `primed` (stream index → ticks): its packets are stamped so
    that the priming begins at the offset, and the edit list has to skip it.
    """
    source: Any = av.open(track.path, metadata_errors="replace")
    template = source.streams[0]
    stream = output.add_stream_from_template(template, opaque=True)
    stream.time_base = template.time_base
    if track.language:
        stream.metadata["language"] = track.language
    if track.name:
        stream.metadata["title" if output.format.name == "matroska" else "handler_name"] = track.name
    if track.default is not None:
        stream.disposition = Disposition.default if track.default else Disposition(0)
    packets = _ended(template, (packet for packet in source.demux(template) if packet.size))
    head = list(itertools.islice(packets, 1))
    offset = round(track.offset / template.time_base)
    early = max((-packet.pts for packet in head), default=0)
    if output.format.name == "avi":  # it counts sound from 0, and the encoder was given that much less
        offset += early
    if primed is not None and offset > 0 and early > 0:
        primed[stream.index] = early
        offset += early
    return _shifted(source, itertools.chain(head, packets), stream, template.time_base, offset)


def _ended(stream: Any, packets: Iterator[Any]) -> Iterator[Any]:
    """The last packet lasts no longer than the track: libav tells the length of its samples, padding and all."""
    held = next(packets, None)
    for packet in packets:
        yield held
        held = packet
    if held is not None:
        over = held.pts + held.duration - stream.duration if stream.duration and held.duration else 0
        if 0 < over < held.duration:
            held.duration -= over
        yield held


def _shifted(
    source: Any, packets: Iterable[Any], stream: Any, base: Fraction, offset: int
) -> Iterator[tuple[Fraction, int, Any]]:
    with source:
        for packet in packets:
            packet.stream = stream
            packet.time_base = base
            packet.pts += offset
            packet.dts = packet.pts if packet.dts is None else packet.dts + offset
            yield packet.dts * base, stream.index, packet
