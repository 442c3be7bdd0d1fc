"""What is made of every original: one package for HLS and DASH, each of its renditions as an MP4, and a poster. Pure.

The ladder is DevStreamCore's own choice, which it does not tell; this one is ours. Constant quality under a cap: a
rendition takes what it needs, and never more than its cap, which is what `bitrate_kbps` tells. Nothing is enlarged: a
rung above the source becomes the source's own size, with the rate of the lowest rung that does.
"""

from collections.abc import Mapping
from typing import Any

from framemill.api.devstreamcore.schemas import Quality
from framemill.services.parts import OutputRequest

CAPS_KBPS: Mapping[int, int] = {
    4320: 40_000,
    2160: 16_000,
    1440: 9_000,
    1080: 5_500,
    720: 3_000,
    480: 1_500,
    360: 900,
    240: 450,
}
"""Most kilobits a second of the pictures, by the rung: the shorter side in pixels."""

HEIGHTS: Mapping[Quality, int] = {
    "original": 4320,
    "8K": 4320,
    "4K": 2160,
    "1440p": 1440,
    "1080p": 1080,
    "720p": 720,
    "480p": 480,
}
"""The highest rung of each quality."""

CRF = 22
"""Quality under the cap; a little better than the encoder's usual 23, since players enlarge."""
AUDIO_BITS = 128_000
PACKAGE, POSTER = "video", "poster.jpg"
"""What the outputs are called."""


def rungs(quality: Quality) -> list[dict[str, int]]:
    """The ladder up to that quality, best first."""
    return [
        {"height": height, "crf": CRF, "maxrate": cap * 1000, "bufsize": cap * 2000}
        for height, cap in CAPS_KBPS.items()
        if height <= HEIGHTS[quality]
    ]


def outputs(quality: Quality) -> tuple[OutputRequest, ...]:
    """What the job makes. The package is the first; the poster may fail without it."""
    package: dict[str, Any] = {
        "container": "package",
        "ladder": rungs(quality),
        "progressive": True,
        "audio_codec": "aac",
        "audio_bitrate": AUDIO_BITS,
    }
    poster = {"container": "jpg", "width": 1920, "height": 1920}
    return OutputRequest(name=PACKAGE, settings=package), OutputRequest(name=POSTER, settings=poster)
