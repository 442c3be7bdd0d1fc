"""Segments straight from chunks: each a pure function of (packets, plan).

No muxer lives longer than one segment, so segments can be written in any order by anybody. Init segments come out
byte-equal from every one; `tfdt` is absolute. They are files of their own, or lie in one file behind each other.
"""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from pydantic import BaseModel

from framemill.errors import VerificationFailed
from framemill.media.cmaf import fragments, index_box, key_ranges, no_index
from framemill.media.codecnames import codec_name
from framemill.media.isolate import Task
from framemill.media.segments import Cut, Keyframe, SegmentKind, Segments, TrackKind
from framemill.media.stitch import SoundTrack, VideoTrack, stamped
from framemill.media.transport import first_picture_size, transport_segment

#: `delay_moov`: the edit list is written once the first times are known. `frag_discont`: tfdt as stamped, not from 0.
_VIDEO_FLAGS = "frag_keyframe+default_base_moof+delay_moov+frag_discont"
_AUDIO_FLAGS = "default_base_moof+delay_moov+frag_discont"
_AUDIO_INIT_FLAGS = "default_base_moof+delay_moov"
_INIT = "init.mp4"


class SegmentForm(BaseModel):
    """What the segments of a track are, whichever of them are written."""

    kind: SegmentKind = "cmaf"
    one_file: bool = False
    """All of them in one file, instead of a file each."""
    room: int = 0
    """In one file: for the index of so many segments, at most; 0: of as many as there are."""
    origin: int = 0
    """Seconds on a transport stream's clock at which the title begins."""

    @property
    def file(self) -> str:
        """The one that all of them are in."""
        return "media.ts" if self.kind == "ts" else "media.mp4"

    def name(self, number: int) -> str:
        """The file of one of them."""
        if self.one_file:
            return self.file
        return f"{number:05d}.{'ts' if self.kind == 'ts' else 'm4s'}"


class SegmentRequest(BaseModel):
    """Some segments of one track, in a row."""

    folder: str
    """Where `init.mp4` and `00000.m4s`… go, or the one file; it exists."""
    form: SegmentForm = SegmentForm()
    number: int = 0
    """Of the first of them; the init segment is written with that of number 0."""
    before: Segments | None = None
    """Those that are there."""
    closing: bool = True
    """There is no further one: their index can be written."""
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
    """Write the media segments, and the init segment before the first one; what was added to those before."""
    folder = Path(request.folder)
    if request.video is not None:
        cut = _video_segments(request, request.video)
    elif request.audio is not None:
        cut = _sound_segments(request, request.audio)
    else:
        raise VerificationFailed("A track to segment needs pictures or sound.")
    return write_segments(folder, cut, request.number, request.form, request.before, closing=request.closing)


SEGMENT = Task("framemill.media.package:segment", SegmentRequest, Segments)


def write_segments(
    folder: Path, cut: Cut, number: int, form: SegmentForm, before: Segments | None = None, *, closing: bool = True
) -> Segments:
    """Write them, numbered from `number`. Each file appears whole; what is there already is written again.

    A file that holds all of them grows: what is named by no playlist yet may be torn.
    """
    scale = cut.base.denominator
    written = Segments(
        names=[form.name(number + place) for place in range(len(cut.media))],
        durations=cut.durations or [float((end - start) * cut.base) for start, end in pairwise(cut.bounds)],
        sizes=[len(data) for data in cut.media],
        codecs=cut.codecs,
        init=("" if form.kind == "ts" else form.file if form.one_file else _INIT),
        init_size=len(cut.init) if number == 0 else before.init_size if before is not None else 0,
        scale=scale,
        bounds=[bound * cut.base.numerator for bound in cut.bounds],
        keys=cut.keys,
        counters=cut.counters,
        kind=cut.kind,
    )
    if form.one_file:
        return _written_behind(folder / form.file, cut, form, before, written, closing=closing)
    if number == 0 and cut.media and cut.init:
        write_whole(folder / _INIT, cut.init)
    for name, data in zip(written.names, cut.media, strict=True):
        write_whole(folder / name, data)
    return written


def _written_behind(
    path: Path, cut: Cut, form: SegmentForm, before: Segments | None, written: Segments, *, closing: bool
) -> Segments:
    """All in one file: the init segment, the index or the room for it, the segments."""
    room = form.room or len(cut.media)
    indexed = form.kind == "cmaf"
    head = cut.init + (no_index(room) if indexed else b"")
    at = before.bytes_written if before is not None else len(head)
    offsets = [at + sum(written.sizes[:place]) for place in range(len(written.sizes))]
    written = written.model_copy(update={"offsets": offsets})
    with path.open("r+b" if before is not None else "wb") as file:
        if before is None:
            file.write(head)
        file.seek(at)
        file.truncate()
        file.writelines(cut.media)
        if indexed and closing:
            bounds = [*(before.bounds[:-1] if before is not None else []), *written.bounds]
            sizes = [*(before.sizes if before is not None else []), *written.sizes]
            box, size = index_box(written.scale, bounds, sizes, room)
            file.seek(written.init_size)
            file.write(box)
            written = written.model_copy(update={"index": (written.init_size, size)})
    return written


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
    starts = [*request.starts, end]
    ticks = [*track.times, track.times[-1] + track.last_duration]
    inits: list[bytes] = []
    media: list[bytes] = []
    keys: list[Keyframe] = []
    counters = dict(request.before.counters) if request.before is not None else {}
    with av.open(track.chunks[0]) as first:
        template = first.streams.video[0]
        delay = request.delay if template.codec_context.has_b_frames else 0
        packets = stamped(track, (time - delay for time in track.times))
        for _ in range(starts[0]):  # of a segment before, in a chunk that is cut inside one
            next(packets)
        for number, (start, stop) in enumerate(pairwise(starts), request.number):
            # Closed GOPs at every start keep decode and presentation order apart by segment.
            own = [next(packets) for _ in range(stop - start)]
            found = [(packet.size, float(packet.pts * track.time_base)) for packet in own if packet.is_keyframe]
            if request.form.kind == "ts":
                body = transport_segment(template, track.time_base, own, request.form.origin, counters)
                ranges = [(0, first_picture_size(body))]  # there are tables before the first one only
            else:
                options = {"movflags": _VIDEO_FLAGS, "fragment_index": str(number + 1)}
                head, body = fragments(template, track.time_base, own, options)
                inits.append(head)
                ranges = key_ranges(body, [size for size, _ in found])
            media.append(body)
            keys += [
                Keyframe(segment=number, at=at, size=size, seconds=seconds)
                for (at, size), (_, seconds) in zip(ranges, found, strict=False)
            ]
        codecs = codec_name(template)
        kind = TrackKind(range=_RANGES.get(template.codec_context.color_trc, ""))
    bounds = [ticks[start] for start in starts]
    return Cut(inits[0] if inits else b"", media, track.time_base, bounds, codecs, keys, counters, kind=kind)


# ISO/IEC 23091-2: the transfer characteristics of pictures in high dynamic range.
_RANGES = {16: "PQ", 18: "HLG"}


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
        return cut_sound(template, packets, priming(packets[0].pts), track.offset, cuts, request.form)


def priming(first: int) -> int:
    """Ticks of the encoder's priming, which lies before 0; `first`: time of the track's first packet."""
    return -min(first, 0)


def cut_sound(  # noqa: PLR0917
    template: Any,
    packets: Sequence[Any],
    primed: int,
    offset: Fraction,
    cuts: Sequence[Fraction],
    form: SegmentForm,
    before: Segments | None = None,
) -> Cut:
    """Cut packets of sound at those times of the output, in seconds; none of the segments is empty.

    `primed`: the track's priming; `offset`: seconds at which the track begins; `before`: the segments that are there.
    """
    base = template.time_base
    begin = round(offset / base)
    parts = _grouped(packets, [round(cut / base) - begin for cut in cuts])
    durations = [float(sum(packet.duration for packet in part) * base) for part in parts]
    # The priming is decoded, and not heard.
    bounds = [max(part[0].pts + begin, 0) for part in parts]
    bounds += [part[-1].pts + part[-1].duration + begin for part in parts[-1:]]
    init = b""
    media = []
    counters = dict(before.counters) if before is not None else {}
    number = len(before.names) if before is not None else 0
    # The priming lies before 0: the init segment says so in its edit list.
    if number == 0 and parts and form.kind == "cmaf":
        init, _ = fragments(template, base, parts[0], {"movflags": _AUDIO_INIT_FLAGS})
    for place, part in enumerate(parts, number + 1):
        if form.kind == "ts":
            _shift(part, begin)
            media.append(transport_segment(template, base, part, form.origin, counters))
            continue
        # Stamped from the priming on, since a first packet before 0 would wrap the first tfdt round.
        _shift(part, primed + begin)
        options = {"movflags": _AUDIO_FLAGS, "fragment_index": str(place)}
        media.append(fragments(template, base, part, options)[1])
    context = template.codec_context
    kind = TrackKind(channels=context.channels, sample_rate=context.sample_rate)
    return Cut(init, media, base, bounds, codec_name(template), counters=counters, durations=durations, kind=kind)


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
