"""HLS playlists, written by a library from what was segmented (RFC 8216)."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import m3u8

from framemill.media.listing import Heard, Listed, Subtitle, Variant
from framemill.media.segments import Segments

MASTER = "master.m3u8"
PLAYLIST = "playlist.m3u8"
IFRAMES = "iframes.m3u8"

# RFC 8216, 7: an init segment beside pictures that are no I-frames, and byte ranges and I-frames of a stream.
_CMAF_VERSION, _TS_VERSION = "7", "4"


def target_duration(durations: Iterable[float]) -> int:
    """Whole seconds that no segment is longer than when it is rounded (RFC 8216, 4.3.3.1)."""
    return max((math.ceil(duration - 0.5) for duration in durations), default=0) or 1


def media_playlist(segments: Segments, *, target: int = 1, growing: bool = False) -> str:
    """The VOD playlist of one track; or, while it grows, the EVENT playlist that will become it.

    `target`: seconds that no segment will be longer than, as far as the plan tells: the playlist may not change its
    mind about that (RFC 8216, 6.2.1).
    """
    playlist = _playlist(segments, max(target, target_duration(segments.durations)), growing=growing)
    playlist.is_independent_segments = True
    ranges = [f"{size}@{at}" for size, at in zip(segments.sizes, segments.offsets, strict=False)]
    for place, (name, duration) in enumerate(zip(segments.names, segments.durations, strict=True)):
        playlist.add_segment(_segment(segments, name, duration, ranges[place] if ranges else None))
    return str(playlist.dumps())


def iframe_playlist(segments: Segments, *, target: int = 1, growing: bool = False) -> str:
    """The keyframes of one track by their byte ranges, for seeking with pictures (RFC 8216, 4.3.3.6)."""
    durations = segments.key_seconds
    playlist = _playlist(segments, max(target, target_duration(durations)), growing=growing)
    playlist.is_i_frames_only = True
    for key, duration in zip(segments.keys, durations, strict=True):
        at = key.at + (segments.offsets[key.segment] if segments.offsets else 0)
        playlist.add_segment(_segment(segments, segments.names[key.segment], duration, f"{key.size}@{at}"))
    return str(playlist.dumps())


def text_playlist(file: str, seconds: float, *, growing: bool = False) -> str:
    """A text track in one piece, which is there as a whole from the beginning.

    Beside pictures that grow it does not say that it has ended: Shaka Player would take that for all of them.
    """
    whole = Segments(names=[file], durations=[seconds], sizes=[0], codecs="wvtt")
    return str(_filled(_playlist(whole, target_duration([seconds]), growing=growing), whole).dumps())


def _playlist(segments: Segments, target: int, *, growing: bool) -> Any:
    playlist = m3u8.M3U8()
    playlist.version = _CMAF_VERSION if segments.init else _TS_VERSION
    playlist.target_duration = target
    playlist.media_sequence = 0
    playlist.playlist_type = "event" if growing else "vod"
    playlist.is_endlist = not growing
    return playlist


def _filled(playlist: Any, segments: Segments) -> Any:
    for name, duration in zip(segments.names, segments.durations, strict=True):
        playlist.add_segment(_segment(segments, name, duration, None))
    return playlist


def _segment(segments: Segments, name: str, duration: float, byterange: str | None) -> Any:
    init = {"uri": segments.init} if segments.init else None
    if init is not None and segments.offsets:
        init["byterange"] = f"{segments.init_size}@0"
    return m3u8.Segment(uri=name, duration=round(duration, 6), init_section=init, byterange=byterange)


#: What the heaviest segment so far is multiplied by, while heavier ones may still come.
EARLY_MARGIN = 2


def master_playlist(listed: Listed, *, growing: bool = False) -> str:
    """The playlist that players open: every rendition with its bandwidth, size and codecs.

    A growing package states twice the peak of what is there: a constant quality promises no rate, and a player that
    is told too much takes a smaller rendition, while one that is told too little stalls. All renditions are
    overstated alike, so their order holds; the figure only ever grows. An average is not stated before it is known.
    """
    master = m3u8.M3U8()
    master.version = _CMAF_VERSION if any(track.segments.init for track in listed.tracks) else _TS_VERSION
    master.is_independent_segments = True
    beside = listed.sounds if listed.videos or len(listed.sounds) > 1 else []
    for heard in beside:
        master.add_media(_sound(heard))
    for text in listed.subtitles if listed.videos else []:
        master.add_media(_text(text))
    margin = EARLY_MARGIN if growing else 1
    peak, average = _heaviest([heard.segments for heard in beside])
    if not listed.videos:  # sound alone: its packets are the variant's
        peak, average = 0, 0
    groups = ({"audio": "audio"} if beside else {}) | ({"subtitles": "subtitles"} if listed.subtitles else {})
    spoken = list(dict.fromkeys(heard.segments.codecs for heard in beside)) if listed.videos else []
    for video in listed.videos or [_alone(heard) for heard in listed.sounds[:1]]:
        info = _stream_info(video, [video.segments.codecs, *spoken], (peak, average), margin)
        if growing:
            del info["average_bandwidth"]
        master.add_playlist(
            m3u8.Playlist(f"{video.folder}/{PLAYLIST}", stream_info=info | groups, media=master.media, base_uri=None)
        )
    for video in listed.videos if listed.iframes else []:
        master.add_iframe_playlist(_iframes(video, margin))
    return str(master.dumps())


def _stream_info(video: Variant, codecs: Sequence[str], beside: tuple[int, int], margin: int) -> dict[str, Any]:
    peak, average = bandwidth(video.segments)
    info: dict[str, Any] = {
        "bandwidth": margin * (peak + beside[0]),
        "average_bandwidth": average + beside[1],
        "codecs": ",".join(codecs),
    }
    if video.width:
        info["resolution"] = f"{video.width}x{video.height}"
    if video.rate:
        info["frame_rate"] = round(float(video.rate), 3)
    if video.segments.kind.range:
        info["video_range"] = video.segments.kind.range
    return info


def _iframes(video: Variant, margin: int) -> Any:
    durations = video.segments.key_seconds
    rates = [8 * key.size / seconds for key, seconds in zip(video.segments.keys, durations, strict=True) if seconds]
    info: dict[str, Any] = {
        "bandwidth": margin * math.ceil(max(rates, default=0)),
        "codecs": video.segments.codecs,
        "video_range": video.segments.kind.range or None,
    }
    if video.width:
        info["resolution"] = f"{video.width}x{video.height}"
    return m3u8.IFramePlaylist(base_uri=None, uri=f"{video.folder}/{IFRAMES}", iframe_stream_info=info)


def _alone(heard: Heard) -> Variant:
    return Variant(folder=heard.folder, segments=heard.segments)


def _sound(heard: Heard) -> Any:
    return m3u8.Media(
        type="AUDIO",
        group_id="audio",
        name=heard.name,
        language=heard.language or None,
        default="YES" if heard.default else "NO",
        autoselect="YES",
        channels=str(heard.segments.kind.channels or "") or None,
        uri=f"{heard.folder}/{PLAYLIST}",
    )


def _text(text: Subtitle) -> Any:
    return m3u8.Media(
        type="SUBTITLES",
        group_id="subtitles",
        name=text.name,
        language=text.language or None,
        default="YES" if text.default else "NO",
        autoselect="YES",
        uri=f"{text.folder}/{PLAYLIST}",
    )


def _heaviest(tracks: Iterable[Segments]) -> tuple[int, int]:
    """Of the tracks that one may choose from, the (peak, average) of the heaviest."""
    rates = [bandwidth(segments) for segments in tracks]
    return max((peak for peak, _ in rates), default=0), max((average for _, average in rates), default=0)


def bandwidth(segments: Segments) -> tuple[int, int]:
    """(peak of any segment, average) in bits per second (RFC 8216, 4.3.4.2)."""
    pairs = list(zip(segments.sizes, segments.durations, strict=True))
    peak = max((8 * size / duration for size, duration in pairs if duration > 0), default=0)
    total = sum(segments.durations)
    return math.ceil(peak), math.ceil(8 * sum(segments.sizes) / total) if total else 0
