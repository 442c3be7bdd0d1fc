"""CMAF segments and HLS playlists straight from chunks: each a pure function of (packets, plan).

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
import m3u8
from pydantic import BaseModel

from framemill.errors import VerificationFailed
from framemill.media.boxes import top_boxes
from framemill.media.isolate import Task
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


class Segments(BaseModel):
    """What was written."""

    names: list[str]
    durations: list[float]
    """Seconds, as the playlist states them."""
    sizes: list[int]
    codecs: str
    """RFC 6381 name of the track, for the master playlist."""


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
        codecs = _codecs(template)
    return inits[0], media, codecs


def _split(track: VideoTrack, starts: list[int]) -> Iterator[list[Any]]:
    """The packets of each segment; closed GOPs at every start keep decode and presentation order apart by segment."""
    ends = [*starts[1:], len(track.times)]
    packets = stamped(track)
    for start, end in zip(starts, ends, strict=True):
        yield [next(packets) for _ in range(end - start)]


def _audio_segments(request: SegmentRequest) -> tuple[Written, list[float]]:
    track = request.audio
    assert track is not None  # noqa: S101 - the caller looked
    with av.open(track.path, metadata_errors="replace") as source:
        template = source.streams.audio[0]
        base = template.time_base
        packets = [packet for packet in source.demux(template) if packet.size]
        codecs = _codecs(template)
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


def _codecs(stream: Any) -> str:
    """RFC 6381 codecs parameter, from the decoder configuration record."""
    name, extradata = stream.codec_context.name, stream.codec_context.extradata or b""
    if name == "h264" and len(extradata) > 3:
        return "avc1." + extradata[1:4].hex().upper()
    if name == "hevc" and len(extradata) > 12:
        # ISO/IEC 14496-15 E.3: profile space and id, compatibility flags in reverse bit order, tier and level.
        profile = extradata[1] & 31
        flags = int(f"{int.from_bytes(extradata[2:6], 'big'):032b}"[::-1], 2)
        tier = "H" if extradata[1] & 32 else "L"
        constraints = ".".join(f"{byte:X}" for byte in extradata[6:12].rstrip(b"\0"))
        return f"hvc1.{profile}.{flags:X}.{tier}{extradata[12]}" + (f".{constraints}" if constraints else "")
    if "av1" in name and len(extradata) > 2:
        profile, level, tier = extradata[1] >> 5, extradata[1] & 31, "H" if extradata[2] & 128 else "M"
        return f"av01.{profile}.{level:02d}{tier}.{10 if extradata[2] & 64 else 8:02d}"
    return "mp4a.40.2" if name == "aac" else name


class Variant(BaseModel):
    """One line of the master playlist."""

    folder: str
    segments: Segments
    width: int = 0
    height: int = 0


def media_playlist(segments: Segments) -> str:
    """The VOD playlist of one track."""
    playlist = m3u8.M3U8()
    playlist.version = "7"
    playlist.target_duration = max(math.ceil(duration - 0.5) for duration in segments.durations) or 1
    playlist.media_sequence = 0
    playlist.playlist_type = "vod"
    playlist.is_independent_segments = True
    playlist.is_endlist = True
    init = {"uri": "init.mp4"}
    for name, duration in zip(segments.names, segments.durations, strict=True):
        playlist.add_segment(m3u8.Segment(uri=name, duration=round(duration, 6), init_section=init))
    return str(playlist.dumps())


def master_playlist(videos: list[Variant], audio: Variant | None) -> str:
    """The playlist that players open: every rendition with its bandwidth, size and codecs."""
    master = m3u8.M3U8()
    master.version = "7"
    master.is_independent_segments = True
    if audio is not None:
        master.add_media(
            m3u8.Media(
                type="AUDIO", group_id="audio", name="main", default="YES", autoselect="YES",
                uri=f"{audio.folder}/playlist.m3u8",
            )  # fmt: skip
        )
    sound = bandwidth(audio.segments) if audio else (0, 0)
    for video in videos or ([audio] if audio else []):
        peak, average = bandwidth(video.segments)
        codecs = [video.segments.codecs] + ([audio.segments.codecs] if audio and video is not audio else [])
        extra = (0, 0) if video is audio else sound
        info: dict[str, Any] = {
            "bandwidth": peak + extra[0],
            "average_bandwidth": average + extra[1],
            "codecs": ",".join(codecs),
        }
        if video.width:
            info["resolution"] = f"{video.width}x{video.height}"
        if audio is not None and video is not audio:
            info["audio"] = "audio"
        master.add_playlist(
            m3u8.Playlist(f"{video.folder}/playlist.m3u8", stream_info=info, media=master.media, base_uri=None)
        )
    return str(master.dumps())


def bandwidth(segments: Segments) -> tuple[int, int]:
    """(peak of any segment, average) in bits per second (RFC 8216, 4.3.4.2)."""
    pairs = list(zip(segments.sizes, segments.durations, strict=True))
    peak = max((8 * size / duration for size, duration in pairs if duration > 0), default=0)
    total = sum(segments.durations)
    return math.ceil(peak), math.ceil(8 * sum(segments.sizes) / total) if total else 0
