"""The level that a stream needs, chosen once for a title: encoders would choose it by each chunk's rate."""

import math
from fractions import Fraction
from typing import NamedTuple


class _Level(NamedTuple):
    name: str
    most_a_second: int
    """Macroblocks (H.264) or luma samples (H.265)."""
    most: int
    """The same of a frame."""
    most_kept: int
    """The same of all frames that are kept."""
    kilobits: int
    """A second."""


# ITU-T H.264, table A-1; the profile High may have a quarter more bits.
_H264 = (
    ("1.0", 1485, 99, 396, 64), ("1.1", 3000, 396, 900, 192), ("1.2", 6000, 396, 2376, 384),
    ("1.3", 11880, 396, 2376, 768), ("2.0", 11880, 396, 2376, 2000), ("2.1", 19800, 792, 4752, 4000),
    ("2.2", 20250, 1620, 8100, 4000), ("3.0", 40500, 1620, 8100, 10000), ("3.1", 108000, 3600, 18000, 14000),
    ("3.2", 216000, 5120, 20480, 20000), ("4.0", 245760, 8192, 32768, 20000), ("4.1", 245760, 8192, 32768, 50000),
    ("4.2", 522240, 8704, 34816, 50000), ("5.0", 589824, 22080, 110400, 135000), ("5.1", 983040, 36864, 184320, 240000),
    ("5.2", 2073600, 36864, 184320, 240000), ("6.0", 4177920, 139264, 696320, 240000),
    ("6.1", 8355840, 139264, 696320, 480000), ("6.2", 16711680, 139264, 696320, 800000),
)  # fmt: skip
# ITU-T H.265, tables A.8 and A.9, main tier; six frames of the largest size are kept.
_H265 = (
    ("1.0", 552960, 36864, 128), ("2.0", 3686400, 122880, 1500), ("2.1", 7372800, 245760, 3000),
    ("3.0", 16588800, 552960, 6000), ("3.1", 33177600, 983040, 10000), ("4.0", 66846720, 2228224, 12000),
    ("4.1", 133693440, 2228224, 20000), ("5.0", 267386880, 8912896, 25000), ("5.1", 534773760, 8912896, 40000),
    ("5.2", 1069547520, 8912896, 60000), ("6.0", 1069547520, 35651584, 60000), ("6.1", 2139095040, 35651584, 120000),
    ("6.2", 4278190080, 35651584, 240000),
)  # fmt: skip
_LEVELS = {
    "h264": tuple(_Level(*row) for row in _H264),
    "h265": tuple(_Level(name, second, frame, 6 * frame, bits) for name, second, frame, bits in _H265),
}
#: Frames that the encoders keep as references, by their preset (their own documentation); four with B-frames.
_KEPT = {"slow": 5, "slower": 8, "veryslow": 16, "placebo": 16}
_USUAL_KEPT = 4
_H265_KEPT = 6


def fitting_level(codec: str, size: tuple[int, int], fps: Fraction, bitrate: int, preset: str | None) -> str | None:
    """The lowest level that holds such a stream, or the highest there is; none: the codec's streams say none here.

    `size`: width and height; `bitrate`: bits per second.
    """
    if codec not in _LEVELS:
        return None
    width, height = size
    h264 = codec == "h264"
    area = math.ceil(width / 16) * math.ceil(height / 16) if h264 else width * height
    kept = area * (_KEPT.get(preset or "", _USUAL_KEPT) if h264 else _H265_KEPT)
    for level in _LEVELS[codec]:
        fits = area <= level.most and kept <= level.most_kept
        if fits and area * fps <= level.most_a_second and bitrate <= 1000 * level.kilobits:
            return level.name
    return _LEVELS[codec][-1].name
