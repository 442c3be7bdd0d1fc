"""Encoders of older codecs, each of which writes a title in one piece: their options, built and never run.

All but Theora are ffmpeg's own. They know a quantiser instead of a constant rate factor, and MPEG-4, MPEG-2 and Theora
count frames, so their films have a constant rate (`picking.adapted`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from framemill.jobs.choices import Rate
from framemill.jobs.settings import OutputSettings, VideoCodec


class OldCodec(NamedTuple):
    """One of them."""

    name: str
    """What ffmpeg calls its encoder."""
    qualities: tuple[str, str, str]
    """`-q:v` for good, better and best; Theora counts upwards."""
    gop: int
    """Usual number of frames from one keyframe to the next."""
    carrier: str
    """ffmpeg's muxer of the file that it travels to the join in: it must keep the times to the tick."""


OLD_CODECS: Mapping[VideoCodec, OldCodec] = MappingProxyType(
    {
        "mpeg4": OldCodec("mpeg4", ("4", "3", "2"), 240, "mp4"),
        "mpeg2": OldCodec("mpeg2video", ("4", "3", "2"), 15, "mp4"),
        "flv1": OldCodec("flv", ("4", "3", "2"), 120, "nut"),
        "wmv2": OldCodec("wmv2", ("4", "3", "2"), 120, "nut"),
        "theora": OldCodec("libtheora", ("7", "8", "10"), 64, "nut"),
    }
)
_QUALITIES = ("good", "better", "best")


def old_encoder(settings: OutputSettings, rate: Rate) -> dict[str, str | None]:
    """ffmpeg's output options of such an encoder."""
    codec = OLD_CODECS[settings.video_codec]
    options: dict[str, str | None] = {"c:v": codec.name, "threads": "1", "flags:v": "+bitexact"}
    if rate.bitrate is not None:
        options["b:v"] = str(rate.bitrate)
    else:
        options["q:v"] = codec.qualities[_QUALITIES.index(settings.quality or "good")]
    limits = {"maxrate": rate.maxrate, "bufsize": rate.bufsize}
    options |= {name: str(value) for name, value in limits.items() if value is not None}
    options["g"] = str(rate.gop_frames or codec.gop)
    return options


def carrier_of(codec: VideoCodec) -> str:
    """ffmpeg's muxer of a chunk with that codec."""
    return OLD_CODECS[codec].carrier if codec in OLD_CODECS else "mp4"
