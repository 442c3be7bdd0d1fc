"""HLS playlists, written by a library from what was segmented (RFC 8216)."""

import math
from collections.abc import Iterable
from typing import Any

import m3u8
from pydantic import BaseModel


class Segments(BaseModel):
    """What was written."""

    names: list[str]
    durations: list[float]
    """Seconds, as the playlist states them."""
    sizes: list[int]
    codecs: str
    """RFC 6381 name of the track, for the master playlist."""


class Variant(BaseModel):
    """One line of the master playlist."""

    folder: str
    segments: Segments
    width: int = 0
    height: int = 0


def target_duration(durations: Iterable[float]) -> int:
    """Whole seconds that no segment is longer than when it is rounded (RFC 8216, 4.3.3.1)."""
    return max((math.ceil(duration - 0.5) for duration in durations), default=0) or 1


def media_playlist(segments: Segments, *, target: int = 1, growing: bool = False) -> str:
    """The VOD playlist of one track; or, while it grows, the EVENT playlist that will become it.

    `target`: seconds that no segment will be longer than, as far as the plan tells: the playlist may not change its
    mind about that (RFC 8216, 6.2.1).
    """
    playlist = m3u8.M3U8()
    playlist.version = "7"
    playlist.target_duration = max(target, target_duration(segments.durations))
    playlist.media_sequence = 0
    playlist.playlist_type = "event" if growing else "vod"
    playlist.is_independent_segments = True
    playlist.is_endlist = not growing
    init = {"uri": "init.mp4"}
    for name, duration in zip(segments.names, segments.durations, strict=True):
        playlist.add_segment(m3u8.Segment(uri=name, duration=round(duration, 6), init_section=init))
    return str(playlist.dumps())


#: What the heaviest segment so far is multiplied by, while heavier ones may still come.
EARLY_MARGIN = 2


def master_playlist(videos: list[Variant], audio: Variant | None, *, growing: bool = False) -> str:
    """The playlist that players open: every rendition with its bandwidth, size and codecs.

    A growing package states twice the peak of what is there: a constant quality promises no rate, and a player that
    is told too much takes a smaller rendition, while one that is told too little stalls. All renditions are
    overstated alike, so their order holds; the figure only ever grows. An average is not stated before it is known.
    """
    master = m3u8.M3U8()
    master.version = "7"
    master.is_independent_segments = True
    if audio is not None:
        master.add_media(
            m3u8.Media(
                type="AUDIO",
                group_id="audio",
                name="main",
                default="YES",
                autoselect="YES",
                uri=f"{audio.folder}/playlist.m3u8",
            )
        )
    margin = EARLY_MARGIN if growing else 1
    sound = bandwidth(audio.segments) if audio else (0, 0)
    for video in videos or ([audio] if audio else []):
        peak, average = bandwidth(video.segments)
        codecs = [video.segments.codecs] + ([audio.segments.codecs] if audio and video is not audio else [])
        extra = (0, 0) if video is audio else sound
        info: dict[str, Any] = {
            "bandwidth": margin * (peak + extra[0]),
            "codecs": ",".join(codecs),
        }
        if not growing:
            info["average_bandwidth"] = average + extra[1]
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


def codec_name(stream: Any) -> str:
    """The RFC 6381 codecs parameter of a track, read from its decoder configuration record."""
    name, record = stream.codec_context.name, stream.codec_context.extradata or b""
    if name == "h264":
        return "avc1." + record[1:4].hex().upper()
    if name == "hevc":
        return _hevc_name(record)
    if "av1" in name:  # AV1 in ISOBMFF, 5: profile, level, tier, bit depth
        tier, depth = ("H" if record[2] & 128 else "M"), (10 if record[2] & 64 else 8)
        return f"av01.{record[1] >> 5}.{record[1] & 31:02d}{tier}.{depth:02d}"
    return "mp4a.40.2" if name == "aac" else str(name)


def _hevc_name(record: bytes) -> str:
    """ISO/IEC 14496-15, E.3: profile, its compatibility flags in reverse bit order, tier and level, constraints."""
    flags = int(f"{int.from_bytes(record[2:6], 'big'):032b}"[::-1], 2)
    tier = "H" if record[1] & 32 else "L"
    constraints = "".join(f".{byte:X}" for byte in record[6:12].rstrip(b"\0"))
    return f"hvc1.{record[1] & 31}.{flags:X}.{tier}{record[12]}{constraints}"
