"""Reads a source: its facts in ffprobe's JSON shape, its video packets, how its sound runs, and its fingerprint.

Runs only in children (`isolate.Task`): libav reads hostile bytes here. The first chunks wait for the pictures and the
fingerprint; where the sound can be read for itself, it is read when it is to be encoded.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
import av.stream

from framemill.errors import SourceEncrypted, SourceMissing, SourceUnreadable
from framemill.media.bombs import refuse_bomb
from framemill.media.inspection import (
    FileRequest,
    Fingerprint,
    Inspection,
    InspectRequest,
    Packets,
    SoundRequest,
    SoundTimes,
)
from framemill.media.readable import reading, why_unreadable


def inspect(request: InspectRequest) -> Inspection:
    """Facts and packets of one local file.

    Raises `SourceMissing` when there is no such file, `SourceUnreadable` when it is no media libav can open,
    `SourceEncrypted` when it takes a key, `SourceTooLarge` when it is a bomb.
    """
    name = request.name or request.path
    with _opened(request.path, name, playlists=request.playlists) as container:
        video, audio = _choose(container)
        facts = _facts(container, request.path)
        refuse_bomb(facts, name)
        apart = video is not None and not _APART.isdisjoint(container.format.name.split(","))
        beside = None if apart else audio
        packets, sound = _packets(container, video, beside) if request.packets else (Packets(), None)
        chosen = tuple(None if stream is None else int(stream.index) for stream in (video, audio))
    _refuse_encrypted(packets.encrypted, name)
    return Inspection(facts=facts, video=chosen[0], audio=chosen[1], packets=packets, sound=sound)


#: Formats that say where each packet lies: of a stream that nobody wants nothing is read. Of the others all is.
_APART = frozenset({"mov", "mp4"})


def follow(request: SoundRequest) -> SoundTimes:
    """How the packets of the sound follow one another, as far as the file can be read. Raises as `inspect` does."""
    name = request.name or request.path
    with _opened(request.path, name, playlists=request.playlists) as container:
        packets, times = _packets(container, None, container.streams[request.stream])
    _refuse_encrypted(packets.encrypted, name)
    return times or SoundTimes()


def fingerprint(request: FileRequest) -> Fingerprint:
    """The file's hash. Raises `SourceMissing`."""
    with _readable(request.name or request.path), open(request.path, "rb") as file:
        return Fingerprint(sha256=hashlib.file_digest(file, "sha256").hexdigest())


@contextmanager
def _opened(path: str, name: str, *, playlists: bool) -> Iterator[Any]:
    try:
        # Odd metadata is no reason to refuse a clip: unreadable bytes become U+FFFD.
        options = dict(reading(path, playlists=playlists))
        with _readable(name), av.open(path, metadata_errors="replace", options=options) as container:
            yield container
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceUnreadable(why_unreadable(path, name, error)) from None


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise SourceMissing(f"There is no file {name}.") from None
    except (PermissionError, IsADirectoryError) as error:
        raise SourceMissing(f"{name} cannot be read: {error.strerror}.") from None


def _refuse_encrypted(packets: int, name: str) -> None:
    if packets:
        raise SourceEncrypted(f"{name} is encrypted; decrypt it first, keys are not taken.")


def _is_picture(stream: av.stream.Stream) -> bool:
    return bool(stream.disposition & (av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails))


def _choose(container: Any) -> tuple[Any, Any]:
    """ffmpeg's `0:V:0`, and the default (else first) audio stream."""
    video = next((stream for stream in container.streams.video if not _is_picture(stream)), None)
    sounds = list(container.streams.audio)
    default = next((stream for stream in sounds if stream.disposition & av.stream.Disposition.default), None)
    return video, default or next(iter(sounds), None)


def _packets(container: Any, video: Any, audio: Any) -> tuple[Packets, SoundTimes | None]:
    """Asked of every packet of a title: hence plain columns and counts, and no fractions."""
    pts: list[int | None] = []
    sizes: list[int] = []
    keys: list[int] = []
    clean: list[int] = []
    flawed = reconfigured = encrypted = last_duration = 0
    heard = None if audio is None else _Heard(audio.time_base, _block(audio))
    codec = video.codec_context.name if video is not None and video.codec_context else ""
    length = _nal_length_size(codec, video) if codec else 0
    pictures = None if video is None else video.index
    latest = None
    try:
        for packet in _only(container, [stream for stream in (video, audio) if stream is not None]):
            shown = packet.pts
            if shown is None and packet.size == 0:  # the flush packet at the end
                continue
            own = packet.stream_index == pictures
            for beside in packet.iter_sidedata():  # most have none: asking for each kind costs more
                kind = beside.data_type
                encrypted += kind == "encryption_info"
                reconfigured += own and kind in {"new_extradata", "param_change"}
            if not own:
                if heard is not None and shown is not None:
                    heard.add(shown, packet.duration or 0)
                continue
            if packet.is_keyframe:
                keys.append(len(pts))
                if _is_clean(codec, bytes(packet), length):
                    clean.append(len(pts))
            pts.append(shown)
            sizes.append(packet.size)
            if shown is not None and (latest is None or shown > latest):
                latest, last_duration = shown, packet.duration or 0
            flawed += packet.is_corrupt or packet.is_discard
    except (av.error.FFmpegError, OSError, IndexError):  # IndexError: a stream turned up on the way (PyAV 18)
        flawed += 1  # cut off or damaged: what decodes is for the decoder to say
    found = Packets(
        pts=pts,
        sizes=sizes,
        keys=keys,
        clean=clean,
        last_duration=last_duration,
        flawed=flawed,
        reconfigured=reconfigured,
        encrypted=encrypted,
    )
    return found, None if heard is None else heard.times()


def _only(container: Any, wanted: Sequence[Any]) -> Iterator[Any]:
    """The packets of those streams; of the others nothing is read, as when ffmpeg encodes only these."""
    kept = {stream.index for stream in wanted}
    for stream in container.streams:
        if stream.index not in kept:
            stream.discard = av.stream.Discard.all
    if wanted:
        yield from container.demux(wanted)


_JITTER_SECONDS = 0.1  # containers round, and phones stutter; swresample's `async` lets as much pass


@dataclass(slots=True)
class _Heard:
    """Follows the packets of an audio stream, in its ticks."""

    time_base: Fraction
    block: Fraction = Fraction(0)
    """Seconds of sound in each packet; 0: they differ, or nobody knows."""
    end: int | None = None
    widest: int = 0
    backwards: int = 0
    """Most that one begins before the end of what came before it."""
    first: int = 0
    count: int = 0
    astray: int = 0
    """Most that one is away from where that many packets lead to, in ticks."""

    def add(self, pts: int, duration: int) -> None:
        self.first = self.first if self.count else pts
        self.astray = max(self.astray, abs(pts - self.first - round(self.count * self.block / self.time_base)))
        self.count += 1
        if self.end is not None:
            gap = pts - self.end
            if gap > self.widest:
                self.widest = gap
            elif -gap > self.backwards:
                self.backwards = -gap
        self.end = pts + duration

    def times(self) -> SoundTimes:
        return SoundTimes(
            widest_gap_seconds=float(self.widest * self.time_base),
            backwards=self.backwards * self.time_base > _JITTER_SECONDS,
            even=bool(self.block) and (self.astray - 1) * self.time_base <= _EVEN_SECONDS,
        )


_EVEN_SECONDS = Fraction(1, 1000)


def _block(audio: Any) -> Fraction:
    codec = audio.codec_context
    size, rate = (codec.frame_size, codec.sample_rate) if codec is not None else (0, 0)
    return Fraction(size, rate) if size and rate and codec.name != "vorbis" else Fraction(0)


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
            **colour_facts(codec),
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


def colour_facts(codec: Any) -> dict[str, str]:
    """What a stream's parameters say of its colours, in ffprobe's words; what they do not say is left out."""
    return _known(
        color_range=_COLOR_RANGE.get(int(codec.color_range)),
        color_space=_MATRIX.get(int(codec.colorspace)),
        color_transfer=_TRANSFER.get(int(codec.color_trc)),
        color_primaries=_PRIMARIES.get(int(codec.color_primaries)),
    )


_COLOR_RANGE = {1: "tv", 2: "pc"}
# ffmpeg's words for the numbers of ITU-T H.273; 2 means that nothing is said.
_MATRIX = {0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
           10: "bt2020c", 11: "smpte2085", 14: "ictcp"}  # fmt: skip
_PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
              10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"}  # fmt: skip
_TRANSFER = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
             10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
             16: "smpte2084", 17: "smpte428", 18: "arib-std-b67"}  # fmt: skip


def _aspect(value: Fraction | None) -> str | None:
    return f"{value.numerator}:{value.denominator}" if value else None


def _tag(codec: Any) -> str | None:
    try:
        tag = getattr(codec, "codec_tag", None)
    except UnicodeDecodeError:  # PyAV takes every tag for letters
        return None
    return tag if isinstance(tag, str) else None
