"""Reads a source once: its facts in ffprobe's JSON shape, its video packets, and its fingerprint.

Runs only in a child (`isolate.Task`): libav reads hostile bytes here.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.stream
from pydantic import BaseModel

from framemill.errors import ChildFailed, SourceEncrypted, SourceMissing, SourceUnreadable
from framemill.media.boxes import cut_short
from framemill.media.isolate import Task

log = logging.getLogger(__name__)


class InspectRequest(BaseModel):
    """What to read."""

    path: str
    """A local file."""
    name: str = ""
    """What messages call it; its path where that is empty."""
    packets: bool = True
    """Also list the video packets and hash the file."""
    sha256: str = ""
    """Of the file, where that is known already."""


class Packets(BaseModel):
    """The packets of the chosen video stream in file order, as columns of equal length."""

    pts: list[int | None] = []
    dts: list[int | None] = []
    key: list[bool] = []
    """Marked as a keyframe by container or parser."""
    clean: list[bool] = []
    """A keyframe after which no frame can refer to one before it (H.264: IDR; HEVC: IDR or BLA)."""
    sizes: list[int] = []
    """Bytes."""
    last_duration: int = 0
    """Of the packet that is shown last; 0 when unknown."""
    flawed: int = 0
    """Packets marked corrupt, or to be discarded by an edit list."""
    reconfigured: int = 0
    """Packets that bring new codec parameters: the stream changes on the way."""
    encrypted: int = 0
    """Packets, also of the sound, that take a key (CENC)."""


class SoundTimes(BaseModel):
    """How the packets of the chosen audio stream follow one another."""

    widest_gap_seconds: float = 0.0
    """Widest hole between two of them."""
    backwards: bool = False
    """Whether a time lies clearly before the end of what came before it."""


class Inspection(BaseModel):
    """What one pass over a source found."""

    facts: dict[str, Any]
    """`format`, `streams` and `chapters` as ffprobe's `-of json` has them."""
    video: int | None
    """Index of the first real video stream (no cover art), if any."""
    audio: int | None
    """Index of the default, else the first, audio stream, if any."""
    packets: Packets
    sound: SoundTimes = SoundTimes()
    sha256: str
    """Of the whole file; empty when packets were not asked for."""


def inspect(request: InspectRequest) -> Inspection:
    """Facts, packets and fingerprint of one local file.

    Raises `SourceMissing` when there is no such file, `SourceUnreadable` when it is no media libav can open,
    `SourceEncrypted` when it takes a key.
    """
    name = request.name or request.path
    hashing: Future[str] | None = None
    try:
        # Odd metadata is no reason to refuse a clip: unreadable bytes become U+FFFD.
        with av.open(request.path, metadata_errors="replace") as container, ThreadPoolExecutor(1) as beside:
            hashing = beside.submit(_sha256, request.path) if request.packets and not request.sha256 else None
            video, audio = _choose(container)
            facts = _facts(container, request.path)
            packets, sound = _packets(container, video, audio) if request.packets else (Packets(), SoundTimes())
            chosen = tuple(None if stream is None else int(stream.index) for stream in (video, audio))
    except FileNotFoundError:
        raise SourceMissing(f"There is no file {name}.") from None
    except (PermissionError, IsADirectoryError) as error:
        raise SourceMissing(f"{name} cannot be read: {error.strerror}.") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if lacks := cut_short(Path(request.path)):
            raise SourceUnreadable(f"{name} cannot be read: it is cut short. {lacks}") from None
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceUnreadable(f"{name} is not a media file that can be read: {reason}.") from None
    if packets.encrypted:
        raise SourceEncrypted(f"{name} is encrypted; decrypt it first, keys are not taken.")
    return Inspection(
        facts=facts,
        video=chosen[0],
        audio=chosen[1],
        packets=packets,
        sound=sound,
        sha256=hashing.result() if hashing is not None else request.sha256,
    )


INSPECT = Task("framemill.media.inspect:inspect", InspectRequest, Inspection)
_TRIES = 2  # whoever opens it may have died of something else
_SECONDS = 25.0
_BYTES_A_SECOND = 5 << 20  # a slow disk; a terabyte takes its time, but a prober that hangs must not hang the farm


async def inspected(request: InspectRequest) -> Inspection:
    """`inspect` in a child. A file that the prober twice dies of, or hangs on, is unreadable: `SourceUnreadable`."""
    name = request.name or request.path
    patience = _SECONDS + await asyncio.to_thread(_size, request.path) / _BYTES_A_SECOND
    for left in reversed(range(_TRIES)):
        try:
            return await INSPECT(request, timeout=patience)
        except ChildFailed as error:
            if not left:
                log.warning("%s", error.message, extra={"action": "prober_failed"})
                raise SourceUnreadable(f"{name} cannot be read: the process that opens it fails each time.") from None
    raise AssertionError("unreachable")


def _size(path: str) -> int:
    return Path(path).stat().st_size if Path(path).exists() else 0


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_picture(stream: av.stream.Stream) -> bool:
    return bool(stream.disposition & (av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails))


def _choose(container: Any) -> tuple[Any, Any]:
    """ffmpeg's `0:V:0`, and the default (else first) audio stream."""
    video = next((stream for stream in container.streams.video if not _is_picture(stream)), None)
    sounds = list(container.streams.audio)
    default = next((stream for stream in sounds if stream.disposition & av.stream.Disposition.default), None)
    return video, default or next(iter(sounds), None)


def _packets(container: Any, video: Any, audio: Any) -> tuple[Packets, SoundTimes]:
    """Asked of every packet of a title: hence plain columns and counts, and no fractions."""
    pts: list[int | None] = []
    dts: list[int | None] = []
    sizes: list[int] = []
    key: list[bool] = []
    clean: list[bool] = []
    flawed = reconfigured = encrypted = last_duration = 0
    heard = _Heard(audio.time_base if audio is not None else None)
    codec = video.codec_context.name if video is not None and video.codec_context else ""
    length = _nal_length_size(codec, video) if codec else 0
    pictures = None if video is None else video.index
    latest = None
    try:
        for packet in container.demux([stream for stream in (video, audio) if stream is not None]):
            shown = packet.pts
            if shown is None and packet.size == 0:  # the flush packet at the end
                continue
            beside = [data.data_type for data in packet.iter_sidedata()]  # most have none: asking for each costs more
            encrypted += "encryption_info" in beside
            if packet.stream_index != pictures:
                if shown is not None:
                    heard.add(shown, packet.duration or 0)
                continue
            pts.append(shown)
            dts.append(packet.dts)
            sizes.append(packet.size)
            starts = packet.is_keyframe
            key.append(starts)
            clean.append(starts and _is_clean(codec, bytes(packet), length))
            if shown is not None and (latest is None or shown > latest):
                latest, last_duration = shown, packet.duration or 0
            flawed += packet.is_corrupt or packet.is_discard
            reconfigured += "new_extradata" in beside or "param_change" in beside
    except (av.error.FFmpegError, OSError, IndexError):  # IndexError: a stream turned up on the way (PyAV 18)
        flawed += 1  # cut off or damaged: what decodes is for the decoder to say
    found = Packets(
        pts=pts,
        dts=dts,
        key=key,
        clean=clean,
        sizes=sizes,
        last_duration=last_duration,
        flawed=flawed,
        reconfigured=reconfigured,
        encrypted=encrypted,
    )
    return found, heard.times()


_JITTER_SECONDS = 0.1  # containers round, and phones stutter; swresample's `async` lets as much pass


@dataclass(slots=True)
class _Heard:
    """Follows the packets of an audio stream, in its ticks."""

    time_base: Fraction | None
    end: int | None = None
    widest: int = 0
    backwards: int = 0
    """Most that one begins before the end of what came before it."""

    def add(self, pts: int, duration: int) -> None:
        if self.end is not None:
            gap = pts - self.end
            if gap > self.widest:
                self.widest = gap
            elif -gap > self.backwards:
                self.backwards = -gap
        self.end = pts + duration

    def times(self) -> SoundTimes:
        if self.time_base is None:
            return SoundTimes()
        return SoundTimes(
            widest_gap_seconds=float(self.widest * self.time_base),
            backwards=self.backwards * self.time_base > _JITTER_SECONDS,
        )


def _nal_length_size(codec: str, stream: Any) -> int:
    """Bytes of a NAL unit's length in avcC/hvcC samples; 0 for Annex B start codes (ISO/IEC 14496-15)."""
    extradata = stream.codec_context.extradata if stream.codec_context else None
    at = _LENGTH_SIZE_AT.get(codec)
    if at is None or extradata is None or len(extradata) <= at or extradata[0] != 1:
        return 0
    return int(extradata[at] & 3) + 1


_LENGTH_SIZE_AT = {"h264": 4, "hevc": 21}
_H264_IDR_SLICE = 5
_HEVC_BLA_AND_IDR = range(16, 21)


def _is_clean(codec: str, data: bytes, length: int) -> bool:
    """Whether decoding from this keyframe on needs nothing before it."""
    if codec == "h264":
        return any(header & 0x1F == _H264_IDR_SLICE for header in _nal_headers(data, length))
    if codec == "hevc":
        return any((header >> 1) & 0x3F in _HEVC_BLA_AND_IDR for header in _nal_headers(data, length))
    return True


def _nal_headers(data: bytes, length: int) -> Iterator[int]:
    """The first byte of each NAL unit."""
    at = 0
    if length:
        while at + length < len(data):
            size = int.from_bytes(data[at : at + length], "big")
            yield data[at + length]
            at += length + size
        return
    while (at := data.find(b"\0\0\1", at)) >= 0 and at + 3 < len(data):
        yield data[at + 3]
        at += 3


def _seconds(value: int | None, base: Fraction | None) -> str | None:
    return None if value is None or base is None else f"{float(value * base):.6f}"


def _ratio(value: Fraction | None) -> str:
    return f"{value.numerator}/{value.denominator}" if value else "0/0"


def _known(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _facts(container: Any, path: str) -> dict[str, Any]:
    micro = Fraction(1, av.time_base)
    form = _known(
        filename=path,
        nb_streams=len(container.streams),
        format_name=container.format.name,
        format_long_name=container.format.long_name,
        start_time=_seconds(container.start_time, micro),
        duration=_seconds(container.duration, micro),
        size=str(container.size),
        bit_rate=str(container.bit_rate) if container.bit_rate else None,
        tags=dict(container.metadata) or None,
    )
    chapters = [
        {
            "id": chapter["id"],
            "time_base": _ratio(chapter["time_base"]),
            "start": chapter["start"],
            "start_time": _seconds(chapter["start"], chapter["time_base"]),
            "end": chapter["end"],
            "end_time": _seconds(chapter["end"], chapter["time_base"]),
            "tags": dict(chapter["metadata"]),
        }
        for chapter in container.chapters()
    ]
    return {"streams": [_stream_facts(stream) for stream in container.streams], "chapters": chapters, "format": form}


def _stream_facts(stream: Any) -> dict[str, Any]:
    codec = stream.codec_context
    fields = _known(
        index=stream.index,
        codec_name=codec.codec.canonical_name if codec and codec.codec else None,
        codec_long_name=codec.codec.long_name if codec and codec.codec else None,
        profile=getattr(codec, "profile", None),
        codec_type=stream.type,
        codec_tag_string=_tag(codec),
        time_base=_ratio(stream.time_base),
        start_pts=stream.start_time,
        start_time=_seconds(stream.start_time, stream.time_base),
        duration_ts=stream.duration,
        duration=_seconds(stream.duration, stream.time_base),
        bit_rate=str(codec.bit_rate) if codec and getattr(codec, "bit_rate", None) else None,
        nb_frames=str(stream.frames) if stream.frames else None,
        disposition={flag.name: int(bool(stream.disposition & flag)) for flag in av.stream.Disposition if flag.name},
        tags=dict(stream.metadata) or None,
    )
    if stream.type == "video" and codec is not None:
        fields |= _known(
            width=codec.width,
            height=codec.height,
            coded_width=codec.coded_width,
            coded_height=codec.coded_height,
            pix_fmt=codec.pix_fmt,
            sample_aspect_ratio=_aspect(stream.sample_aspect_ratio),
            display_aspect_ratio=_aspect(stream.display_aspect_ratio),
            r_frame_rate=_ratio(stream.base_rate),
            avg_frame_rate=_ratio(stream.average_rate),
            color_range=_COLOR_RANGE.get(int(codec.color_range)),
            color_space=int(codec.colorspace),
            has_b_frames=int(codec.has_b_frames),
        )
    if stream.type == "audio" and codec is not None:
        fields |= _known(
            sample_fmt=codec.format.name if codec.format else None,
            sample_rate=str(codec.sample_rate),
            channels=codec.layout.nb_channels if codec.layout else None,
            channel_layout=codec.layout.name if codec.layout else None,
        )
    return fields


_COLOR_RANGE = {1: "tv", 2: "pc"}


def _aspect(value: Fraction | None) -> str | None:
    return f"{value.numerator}:{value.denominator}" if value else None


def _tag(codec: Any) -> str | None:
    try:
        tag = getattr(codec, "codec_tag", None)
    except UnicodeDecodeError:  # PyAV takes every tag for letters
        return None
    return tag if isinstance(tag, str) else None
