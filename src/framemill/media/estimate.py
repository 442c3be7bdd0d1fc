"""What a job would take, before anything of it is begun: from the probe's facts and the settings, and nothing else.

An estimate, not a plan: the frames are taken for even, the source for seekable, and what an encoder makes of a picture
for usual.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from framemill.jobs.metering import charge
from framemill.jobs.settings import OutputSettings, RunSettings, Value
from framemill.media.index import FirstFrame, FrameIndex, SeekPoint
from framemill.media.ladder import pictures
from framemill.media.plan import plan_video

SECONDS_A_MEGAPIXEL: Mapping[str, float] = {"h264": 0.03, "h265": 0.1, "av1": 0.07, "vp9": 0.15}
"""Seconds that a usual slot takes for a million pixels, at the encoder's usual speed (`benchmarks/README.md`)."""
SOUND_SECONDS = 0.02
"""And for a second of sound."""
BITS_A_PIXEL: Mapping[str, float] = {"h264": 0.08, "h265": 0.05, "av1": 0.04, "vp9": 0.06}
"""Of usual film at the encoder's usual quality: 1080p at 25 frames a second comes to 4 Mbit/s with H.264."""
SOUND_BITS = 64_000
"""Bits per second and channel."""

_EVEN_FRAMES = 20_000  # the plan of a longer title is made of fewer, longer frames: where it is cut does not change
_KEY_SECONDS = 2
_LONGEST_SECONDS = 30 * 86_400  # of what a hostile file says of itself
_MOST_RATE = 1000


class OutputEstimate(Value):
    """What one output would take."""

    renditions: tuple[tuple[int, int], ...] = ()
    """Width and height of each, best first."""
    frames: int = 0
    """To encode, over all renditions."""
    chunks: int = 0
    """Likewise."""
    duration_seconds: float = 0.0
    slot_seconds: float = 0.0
    """Of one slot, for all of it."""
    size_bytes: int = 0
    credits_milli: int = 0
    """Thousandths of a credit."""


def estimated(facts: Mapping[str, Any], settings: OutputSettings, run: RunSettings) -> OutputEstimate:
    """What that output of a source with those facts (ffprobe's shape) would take."""
    seconds = _duration(facts)
    video, sound = _stream(facts, "video"), _stream(facts, "audio")
    channels = settings.audio_channels or int((sound or {}).get("channels") or 2)
    sound_bits = 0.0 if sound is None or settings.audio_codec == "none" else _sound_bits(settings, sound, channels)
    if settings.video_codec == "copy":
        bits = float(facts.get("format", {}).get("bit_rate") or 0)
        return OutputEstimate(
            duration_seconds=float(seconds),
            slot_seconds=round(float(seconds) * 0.005, 3),
            size_bytes=round(bits * float(seconds) / 8),
            credits_milli=charge(settings, seconds),
        )
    if video is None or not settings.encodes_video:
        heard = settings.model_copy(update={"video_codec": "none"}) if video is None else settings
        return OutputEstimate(
            duration_seconds=float(seconds),
            slot_seconds=round(float(seconds) * SOUND_SECONDS, 3),
            size_bytes=round(sound_bits * float(seconds) / 8),
            credits_milli=charge(heard, seconds),
        )
    rate = _rate(video)
    frames = max(1, round(seconds * rate))
    first = FirstFrame(
        time_base=1 / rate,
        pts=0,
        width=max(2, int(video.get("width") or 2)),
        height=max(2, int(video.get("height") or 2)),
        pix_fmt=str(video.get("pix_fmt") or "yuv420p"),
    )
    sizes = tuple((picture.width, picture.height) for picture in pictures(settings, first))
    pixels = sum(width * height for width, height in sizes)
    bits = settings.bitrate or pixels * float(rate) * BITS_A_PIXEL.get(settings.video_codec, 0.08)
    if settings.maxrate is not None:
        bits = min(bits, settings.maxrate)
    encoding = frames * pixels / 1e6 * SECONDS_A_MEGAPIXEL.get(settings.video_codec, 0.05)
    return OutputEstimate(
        renditions=sizes,
        frames=frames * len(sizes),
        chunks=_chunks(frames, rate, settings, run) * len(sizes),
        duration_seconds=float(seconds),
        slot_seconds=round(encoding + (float(seconds) * SOUND_SECONDS if sound_bits else 0.0), 3),
        size_bytes=round((bits + sound_bits) * float(seconds) / 8),
        credits_milli=charge(settings, seconds, sizes),
    )


def _chunks(frames: int, rate: Fraction, settings: OutputSettings, run: RunSettings) -> int:
    if run.chunk_frames is not None and not settings.undivided:
        return math.ceil(frames / run.chunk_frames)
    step = math.ceil(frames / _EVEN_FRAMES)
    count = math.ceil(frames / step)
    every = max(1, round(_KEY_SECONDS * rate / step))
    index = FrameIndex(
        time_base=step / rate,
        pts=tuple(range(count)),
        last_duration=1,
        seek_points=tuple(SeekPoint(pts=at, frame=at, clean=True) for at in range(0, count, every)),
        source="packets",
        why="",
    )
    planned = len(plan_video(index, settings, run, 1).chunks)
    return min(frames, max(planned, run.chunks or 1)) if not settings.undivided else 1


def _sound_bits(settings: OutputSettings, sound: Mapping[str, Any], channels: int) -> float:
    if settings.audio_codec == "copy":
        return float(sound.get("bit_rate") or SOUND_BITS * channels)
    return settings.audio_bitrate or SOUND_BITS * channels


def _stream(facts: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    found = (
        stream
        for stream in facts.get("streams", ())
        if stream.get("codec_type") == kind and not stream.get("disposition", {}).get("attached_pic")
    )
    return next(found, None)


def _duration(facts: Mapping[str, Any]) -> Fraction:
    told = [facts.get("format", {}).get("duration"), *(stream.get("duration") for stream in facts.get("streams", ()))]
    for one in told:
        try:
            seconds = Fraction(str(one))
        except (ValueError, ZeroDivisionError):
            continue
        if seconds > 0:
            return min(seconds, Fraction(_LONGEST_SECONDS))
    return Fraction(0)


def _rate(video: Mapping[str, Any]) -> Fraction:
    for name in ("avg_frame_rate", "r_frame_rate"):
        try:
            rate = Fraction(str(video.get(name)))
        except (ValueError, ZeroDivisionError):
            continue
        if 0 < rate <= _MOST_RATE:
            return rate
    return Fraction(25)
