"""CMAF segments straight from chunks: each a pure function of (packets, plan).

No muxer lives longer than one segment, so segments can be written in any order by anybody. Init segments come out
byte-equal from every one; `tfdt` is absolute.
"""

import io
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from pydantic import BaseModel

from framemill.errors import VerificationFailed
from framemill.media.boxes import top_boxes
from framemill.media.chunkfile import packets_of, ranks
from framemill.media.isolate import Task
from framemill.media.playlists import Segments, codec_name
from framemill.media.stitch import SoundTrack, VideoTrack, stamped

#: `delay_moov`: the edit list is written once the first times are known. `frag_discont`: tfdt as stamped, not from 0.
_VIDEO_FLAGS = "frag_keyframe+default_base_moof+delay_moov+frag_discont"
_AUDIO_FLAGS = "default_base_moof+delay_moov+frag_discont"
_AUDIO_INIT_FLAGS = "default_base_moof+delay_moov"
_ONE_FRAGMENT = "100000000"  # microseconds; longer than any segment


class SegmentRequest(BaseModel):
    """One track to be cut into segments."""

    folder: str
    """Where `init.mp4` and `00000.m4s`… go; it exists."""
    video: VideoTrack | None = None
    starts: list[int] = []
    """First frame of each segment (video)."""
    audio: SoundTrack | None = None
    cuts: list[Fraction] = []
    """Inner boundaries of the segments in seconds (audio)."""
    segment_seconds: float = 0
    """Length of a segment where there are no pictures to follow (audio)."""


def segment(request: SegmentRequest) -> Segments:
    """Write the init segment and the media segments of one track."""
    folder = Path(request.folder)
    if request.video is not None:
        written = _video_segments(request.video, request.starts)
        ends = [*request.starts[1:], len(request.video.times)]
        times = [*request.video.times, request.video.times[-1] + request.video.last_duration]
        spans = zip(request.starts, ends, strict=True)
        durations = [float((times[end] - times[start]) * request.video.time_base) for start, end in spans]
    elif request.audio is not None:
        written, durations = _audio_segments(request)
    else:
        raise VerificationFailed("A track to segment needs pictures or sound.")
    init, media, codecs = written
    (folder / "init.mp4").write_bytes(init)
    names = [f"{number:05d}.m4s" for number in range(len(media))]
    for name, data in zip(names, media, strict=True):
        (folder / name).write_bytes(data)
    return Segments(names=names, durations=durations, sizes=[len(data) for data in media], codecs=codecs)


SEGMENT = Task("framemill.media.package:segment", SegmentRequest, Segments)

Written = tuple[bytes, list[bytes], str]


def _video_segments(track: VideoTrack, starts: list[int]) -> Written:
    with av.open(track.chunks[0]) as first:
        template = first.streams.video[0]
        inits: list[bytes] = []
        media: list[bytes] = []
        for number, packets in enumerate(_split(track, starts)):
            options = {"movflags": _VIDEO_FLAGS, "fragment_index": str(number + 1)}
            head, body = _fragments(template, track.time_base, packets, options)
            inits.append(head)
            media.append(body)
        codecs = codec_name(template)
    return inits[0], media, codecs


def _split(track: VideoTrack, starts: list[int]) -> Iterator[list[Any]]:
    """The packets of each segment; closed GOPs at every start keep decode and presentation order apart by segment.

    Unlike in a file, every first packet is decoded the same time before it is shown: the one edit list in the init
    segment takes that delay off again, whichever segment a player starts with.
    """
    ends = [*starts[1:], len(track.times)]
    delay = max((at - shown for at, shown in _decoded_and_shown(track)), default=0)
    packets = stamped(track, (time - delay for time in track.times))
    for start, end in zip(starts, ends, strict=True):
        yield [next(packets) for _ in range(end - start)]


def _decoded_and_shown(track: VideoTrack) -> Iterator[tuple[int, int]]:
    """For each packet in decode order: the time of the frame whose turn it is, and its own, in ticks."""
    first = 0
    for path in track.chunks:
        with av.open(path) as container:
            order = ranks([packet.pts for packet in packets_of(container)])
        yield from ((track.times[first + at], track.times[first + rank]) for at, rank in enumerate(order))
        first += len(order)


def _audio_segments(request: SegmentRequest) -> tuple[Written, list[float]]:
    track = request.audio
    assert track is not None  # noqa: S101 - the caller looked
    with av.open(track.path, metadata_errors="replace") as source:
        template: Any = source.streams.audio[0]
        base = template.time_base
        packets = [packet for packet in source.demux(template) if packet.size]
        codecs = codec_name(template)
        # The encoder's priming lies before 0: the whole track's init segment says so in its edit list...
        init, _ = _fragments(template, base, packets, {"movflags": _AUDIO_INIT_FLAGS})
        # ...and the segments are stamped from 0, since a first packet before it would wrap the first tfdt round.
        priming = -min(packets[0].pts, 0)
        offset = round(track.offset / base)
        for packet in packets:
            packet.pts = packet.dts = packet.pts + priming + offset
        cuts = request.cuts
        if request.segment_seconds:
            length = Fraction(request.segment_seconds)
            cuts = [k * length for k in range(1, math.ceil(packets[-1].pts * base / length))]
        limits = [round(cut / base) + priming for cut in cuts]
        parts = _grouped(packets, limits)
        media = [
            _fragments(template, base, part, {"movflags": _AUDIO_FLAGS, "fragment_index": str(number + 1)})[1]
            for number, part in enumerate(parts)
        ]
        durations = [float(sum(packet.duration for packet in part) * base) for part in parts]
    return (init, media, codecs), durations


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
