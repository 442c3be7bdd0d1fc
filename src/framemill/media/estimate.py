"""What a job would take, before anything of it is begun: from the probe's facts and the settings, and nothing else.

An estimate, not a plan: the frames are taken for even, the source for seekable, and what an encoder makes of a picture
for usual.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from framemill.errors import InvalidSetting
from framemill.jobs.encoders.sounds import SOUND_CODECS
from framemill.jobs.metering import charge
from framemill.jobs.settings import OutputSettings, RunSettings, Value
from framemill.media.colour import UNKNOWN, told_colour
from framemill.media.effort import FIRST_PASS, SECONDS_A_MEGAPIXEL, picture_bits, picture_seconds
from framemill.media.index import FirstFrame, FrameIndex, SeekPoint
from framemill.media.ladder import pictures
from framemill.media.picking import times
from framemill.media.plan import plan_video

SOUND_SECONDS = 0.02
"""And for a second of sound."""
JOIN_SECONDS = 2e-5
"""A stitcher's for a frame that it joins and verifies."""
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
    seconds = shown_seconds(settings, told_seconds(facts))
    video, sound = _stream(facts, "video"), _stream(facts, "audio")
    if settings.kind == "picture" and video is not None:
        return _stills(settings, video, seconds)
    if settings.video_codec == "copy":
        bits = float(facts.get("format", {}).get("bit_rate") or 0)
        return OutputEstimate(
            duration_seconds=float(seconds),
            slot_seconds=round(float(seconds) * COPY_SECONDS, 3),
            size_bytes=round(bits * float(seconds) / 8),
            credits_milli=charge(settings, seconds),
        )
    heard = _tracks(settings, facts) if sound is not None and settings.audio_codec != "none" else []
    sound_bits = sum(_sound_bits(settings, one) for one in heard)
    sound_seconds = len(heard) * float(seconds) * SOUND_SECONDS * (2 if settings.loudness is not None else 1)
    if video is None or not settings.encodes_video:
        silent = settings.model_copy(update={"video_codec": "none"}) if video is None else settings
        return OutputEstimate(
            duration_seconds=float(seconds),
            slot_seconds=round(sound_seconds, 3),
            size_bytes=round(sound_bits * float(seconds) / 8) * (1 + settings.progressive),
            credits_milli=charge(silent, seconds),
        )
    rate = _shown_rate(settings, video)
    frames = max(1, round(seconds * rate))
    drawn = pictures(settings, _first(video, rate), rate)
    sizes = tuple((picture.width, picture.height) for picture in drawn)
    bits = sum(picture_bits(settings, picture, float(rate)) for picture in drawn)
    if settings.progressive:  # all of it once more, and the first sound in every file
        bits, sound_bits = 2 * bits, sound_bits + len(drawn) * _sound_bits(settings, heard[0]) if heard else 0
    encoding = frames * sum(picture_seconds(settings, picture) for picture in drawn)
    if settings.two_passes:
        pixels = sum(width * height for width, height in sizes)
        encoding += frames * pixels / 1e6 * SECONDS_A_MEGAPIXEL["h264"] * FIRST_PASS
    return OutputEstimate(
        renditions=sizes,
        frames=frames * len(sizes),
        chunks=0 if settings.kind == "whole" else _chunks(frames, rate, settings, run) * len(sizes),
        duration_seconds=float(seconds),
        slot_seconds=round(encoding + sound_seconds, 3),
        size_bytes=round((bits + sound_bits) * float(seconds) / 8),
        credits_milli=charge(settings, seconds, sizes),
    )


COPY_SECONDS = 0.005
"""And to copy a second of everything."""
PICTURES_A_SECOND = 25
"""Pictures cost what so many of them would as a second that is copied."""
_STILL_SECONDS = 0.1  # to find a picture and to write it
_BYTES_A_PIXEL = {"jpg": 0.25, "webp": 0.15, "png": 1.8, "gif": 0.6, "bmp": 3.0, "tiff": 2.5}


def _stills(settings: OutputSettings, video: Mapping[str, Any], seconds: Fraction) -> OutputEstimate:
    rate = _shown_rate(settings, video)
    frames = max(1, round(seconds * rate))
    if settings.picture != "animation":
        try:
            frames = min(frames, max(1, len(times(settings, seconds))))
        except InvalidSetting:  # beyond what the source says of its length: the plan knows better
            frames = 1
    first = _first(video, rate)
    sizes = tuple((picture.width, picture.height) for picture in pictures(settings, first, rate))
    pixels = frames * sum(width * height for width, height in sizes)
    decoded = first.width * first.height * SECONDS_A_DECODED
    return OutputEstimate(
        renditions=sizes,
        duration_seconds=float(seconds),
        slot_seconds=round(frames * _STILL_SECONDS + float(seconds * rate) * decoded * (frames > 1), 3),
        size_bytes=round(pixels * _BYTES_A_PIXEL.get(settings.container, 1.0)),
        credits_milli=charge(settings, Fraction(frames, PICTURES_A_SECOND)),
    )


SECONDS_A_DECODED = 4e-9
"""A pixel that is decoded and not encoded."""


def _first(video: Mapping[str, Any], rate: Fraction) -> FirstFrame:
    return FirstFrame(
        time_base=1 / rate,
        pts=0,
        width=max(2, int(video.get("width") or 2)),
        height=max(2, int(video.get("height") or 2)),
        pix_fmt=str(video.get("pix_fmt") or "yuv420p"),
        color_range=str(video.get("color_range") or UNKNOWN),
        colour=told_colour(video),
    )


def _shown_rate(settings: OutputSettings, video: Mapping[str, Any]) -> Fraction:
    """Frames a second of the output."""
    rate = _rate(video) * (2 if settings.deinterlace == "field" else 1)
    wanted = settings.rate
    return rate if wanted is None or (settings.fps_mode == "cap" and wanted >= rate) else wanted


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


def _tracks(settings: OutputSettings, facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The audio streams that the output has."""
    found = [stream for stream in facts.get("streams", ()) if stream.get("codec_type") == "audio"]
    if settings.audio_tracks == "first":
        return found[:1]
    if settings.audio_tracks == "all":
        return found
    return [found[rank] for rank in settings.audio_tracks if rank < len(found)]


_LOSSLESS_SHARE = {"pcm": 1.0, "flac": 0.6, "alac": 0.6}
"""Of the samples' own bits."""
_SAMPLE_BITS, _SAMPLE_RATE = 16, 48_000


def _sound_bits(settings: OutputSettings, sound: Mapping[str, Any]) -> float:
    channels = settings.audio_channels or int(sound.get("channels") or 2)
    if settings.audio_codec == "copy":
        return float(sound.get("bit_rate") or SOUND_BITS * channels)
    if settings.audio_codec in _LOSSLESS_SHARE:
        rate = settings.sample_rate or int(sound.get("sample_rate") or _SAMPLE_RATE)
        return rate * channels * _SAMPLE_BITS * _LOSSLESS_SHARE[settings.audio_codec]
    return float(settings.audio_bitrate or SOUND_BITS * min(channels, SOUND_CODECS[settings.audio_codec].channels))


def _stream(facts: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    found = (
        stream
        for stream in facts.get("streams", ())
        if stream.get("codec_type") == kind and not stream.get("disposition", {}).get("attached_pic")
    )
    return next(found, None)


def shown_seconds(settings: OutputSettings, whole: Fraction) -> Fraction:
    """How much an output shows of a source that is so long; parts of it may be shown several times."""
    if settings.cut_spans:
        spans = ((Fraction(str(one.start)), min(whole, Fraction(str(one.end)))) for one in settings.cut_spans)
        return sum((max(end - start, Fraction(0)) for start, end in spans), start=Fraction(0))
    start = Fraction(str(settings.start or 0))
    until = whole if settings.until is None else min(whole, Fraction(str(settings.until)))
    return max(until - start, Fraction(0))


def told_seconds(facts: Mapping[str, Any]) -> Fraction:
    """How long a source is, as it says itself; 0: it does not."""
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
