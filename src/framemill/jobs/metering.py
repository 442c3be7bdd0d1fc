"""What an output costs, in thousandths of a credit: whole numbers, so that sums are exact.

    minutes of the output × rate × multiplier, rounded up to the tariff's step, and never less than its least

The rate of encoded pictures is that of their pixel class times the factor of their codec; each rendition of a ladder
costs its own, and the sound beside them nothing. Without encoded pictures there is a rate for encoded sound, and a
lower one for what is only copied. By the usual tariff a minute of H.264 costs about a credit for a million pixels.

A door that counts otherwise brings a tariff of its own, or only its own rate to `priced`: tokens by a table, whole
credits for seconds of processing.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from pydantic import Field

from framemill.jobs.settings import OutputSettings, Value

CREDIT = 1000
"""Thousandths."""


class PixelClass(NamedTuple):
    """Pictures of about one size."""

    name: str
    most_pixels: int | None
    """Width times height; none: whatever is larger than those before."""
    rate: int
    """Thousandths of a credit for a minute."""


#: Each reaches a little over its usual size, for those that were made for film: 2048×1080, 4096×2160.
CLASSES = (
    PixelClass("sd", 720 * 576, 500),
    PixelClass("hd", 1280 * 720, 1000),
    PixelClass("full_hd", 2048 * 1152, 2000),
    PixelClass("quad_hd", 2560 * 1600, 4000),
    PixelClass("ultra_hd", 4096 * 2304, 8000),
    PixelClass("larger", None, 32_000),
)

#: About what each takes in time, at the presets that are usual here.
CODEC_FACTORS = {
    "h264": Fraction(1), "h265": Fraction(2), "vp9": Fraction(2), "av1": Fraction(3), "theora": Fraction(1),
    "mpeg4": Fraction(1, 2), "mpeg2": Fraction(1, 2), "flv1": Fraction(1, 2), "wmv2": Fraction(1, 2),
}  # fmt: skip


class Tariff(Value):
    """What a minute of output costs."""

    classes: tuple[PixelClass, ...] = CLASSES
    """Smallest first; the last one takes whatever is larger."""
    codec_factors: Mapping[str, Fraction] = Field(default_factory=lambda: dict(CODEC_FACTORS))
    """By video codec; one that is not in it counts as the dearest that is."""
    sound_rate: int = Field(default=100, ge=0)
    """Thousandths of a credit for a minute of encoded sound, without encoded pictures."""
    copy_rate: int = Field(default=50, ge=0)
    """And for a minute that is only copied."""
    flat_rate: int | None = Field(default=None, ge=0)
    """Thousandths of a credit for a minute of anything, whatever is in it; none: by what it is, as above."""
    multiplier: Fraction = Field(default=Fraction(1), ge=0)
    """For haste, or a discount."""
    step: int = Field(default=1, ge=1)
    """Thousandths; what is charged is a multiple of it."""
    least: int = Field(default=1, ge=0)
    """Thousandths; for the shortest output."""


USUAL = Tariff()


def charge(
    settings: OutputSettings, seconds: Fraction | int, sizes: Sequence[tuple[int, int]] = (), tariff: Tariff = USUAL
) -> int:
    """Thousandths of a credit for an output of that length; `sizes`: width and height of each encoded rendition.

    Raises `ValueError` for encoded pictures without a size, and for a length below 0.
    """
    rate = rate_of(settings, sizes, tariff) * tariff.multiplier
    return priced(seconds, rate, step=tariff.step, least=tariff.least)


def rate_of(settings: OutputSettings, sizes: Sequence[tuple[int, int]], tariff: Tariff = USUAL) -> Fraction:
    """Thousandths of a credit for a minute, before multiplier and rounding. Raises `ValueError` as `charge` does."""
    if tariff.flat_rate is not None:
        return Fraction(tariff.flat_rate)
    if settings.encodes_video:
        if not sizes:
            raise ValueError(f"{settings.video_codec} pictures have a size, and it is needed to price them")
        factor = tariff.codec_factors.get(settings.video_codec, max(tariff.codec_factors.values(), default=Fraction(1)))
        return factor * sum(_class_of(width * height, tariff).rate for width, height in sizes)
    return Fraction(tariff.copy_rate if settings.audio_codec in {"copy", "none"} else tariff.sound_rate)


def priced(seconds: Fraction | int, per_minute: Fraction | int, *, step: int = 1, least: int = 1) -> int:
    """Thousandths for that time at that rate, rounded up to a multiple of `step`, and of `least` at the least."""
    if seconds < 0:
        raise ValueError(f"nothing lasts {seconds} s")
    exact = Fraction(seconds) / 60 * per_minute
    return math.ceil(max(exact, Fraction(least)) / step) * step


def affordable(charged: int, spent: int, most: int | None) -> bool:
    """Whether a job that has spent so much may be charged that, too: reaching its cap is allowed, exceeding is not."""
    return most is None or spent + charged <= most


def _class_of(pixels: int, tariff: Tariff) -> PixelClass:
    return next(
        (each for each in tariff.classes if each.most_pixels is None or pixels <= each.most_pixels), tariff.classes[-1]
    )
