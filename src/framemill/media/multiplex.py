"""Puts tracks that came in files of their own into one, packet by packet and on one clock."""

from collections.abc import Sequence
from pathlib import Path

from framemill.errors import FfmpegFailed, SourceUnreadable
from framemill.media.ffmpeg import ffmpeg

_SYNC = 0x47  # begins every packet of a transport stream (ISO/IEC 13818-1, 2.4.3.3)


async def multiplexed(picture: Path, sounds: Sequence[Path], stem: Path, name: str) -> Path:
    """One file with the streams of all of them. Raises `SourceUnreadable` where they do not go together."""
    with picture.open("rb") as file:
        stream = file.read(1) == bytes([_SYNC])
    # Both hold times as exactly as they came; Matroska would round them to milliseconds.
    target = stem.with_suffix(".ts" if stream else ".mp4")
    clock = ("-muxdelay", "0", "-muxpreload", "0") if stream else ("-avoid_negative_ts", "make_zero")
    inputs = [word for one in (picture, *sounds) for word in ("-i", str(one))]
    maps = [word for rank in range(1, len(sounds) + 1) for word in ("-map", f"{rank}:a")]
    try:
        await ffmpeg(
            [
                *("-nostdin", "-loglevel", "error", "-y"),
                "-copyts",  # or each file would begin at its own zero, and sound beside the picture
                *inputs,
                *("-map", "0:v?", "-map", "0:a?"),
                *maps,
                *("-c", "copy"),
                *clock,
                *("-f", "mpegts" if stream else "mp4", str(target)),
            ]
        )
    except FfmpegFailed as error:
        raise SourceUnreadable(f"The tracks of {name} do not go together: {error.message}") from None
    return target
