"""What an encode costs in NEU, Convertrilo's unit of account. One NEU is one credit of the farm's ledger.

    NEU = minutes of the output × rate of its pictures' size × codec × preset × tier × passes × optimize × on-demand

Convertrilo has not published its own table; this one is the farm's, and its operator changes it in framemill.toml:

    [tariffs.convertrilo]
    resolutions = { "1080p" = 1.5 }
    codecs = { av1 = 2.0 }
    on_demand = { high = 1.8 }

Each job carries its tariff, so what is told before, what is reserved and what is charged is reckoned by the same.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from framemill.api.convertrilo.encodes import BOXES, Encode
from framemill.api.tables import read_table
from framemill.jobs.metering import CLASSES, CREDIT, PixelClass, Tariff, charge
from framemill.jobs.settings import OutputSettings, Value

Hurry = Literal["normal", "high"]
"""Of what is asked for on demand."""


def _with(usual: Mapping[str, float]) -> Any:
    """Factors by name: what is said over what is usual."""

    def completed(said: dict[str, float]) -> dict[str, float]:
        strange = sorted(said.keys() - usual.keys())
        if strange:
            raise ValueError(f"there is no {strange[0]!r}; there are {', '.join(usual)}")
        if any(one < 0 or not math.isfinite(one) for one in said.values()):
            raise ValueError("a price is 0 or more")
        return {**usual, **said}

    return Annotated[dict[str, float], AfterValidator(completed), Field(default_factory=lambda: dict(usual))]


class Prices(Value):
    """The table."""

    resolutions: _with({"480p": 0.5, "720p": 1, "1080p": 2, "1440p": 4, "2160p": 8, "4320p": 32})  # type: ignore[valid-type]
    """NEU for a minute of H.264 whose pictures are about that large."""
    codecs: _with({"h264": 1, "h265": 2, "av1": 3})  # type: ignore[valid-type]
    """Times that, and so on."""
    presets: _with({"fast": 1, "standard": 1.25, "slow": 1.75})  # type: ignore[valid-type]
    bitrate_tiers: _with({"low": 1, "medium": 1, "high": 1.25})  # type: ignore[valid-type]
    passes: _with({"1": 1, "2": 1.5})  # type: ignore[valid-type]
    optimize: _with({"none": 1, "vmaf": 1.25})  # type: ignore[valid-type]
    on_demand: _with({"normal": 1.5, "high": 2})  # type: ignore[valid-type]
    least: float = Field(default=0.01, ge=0.001)
    """NEU for the shortest; what is charged is a multiple of it."""
    unknown_minutes: float = Field(default=1.0, gt=0)
    """How long a source counts of which nobody knows yet how long it is."""
    allowance: float = Field(default=1_000_000, ge=0)
    """NEU that an account is told to have that is not counted."""


def prices_of(said: Mapping[str, Any]) -> Prices:
    """The operator's table, completed with what is usual. Raises `InvalidSetting`."""
    return read_table(Prices, said, "tariffs.convertrilo")


def tariff_of(asked: Encode, prices: Prices, hurry: Hurry | None = None) -> Tariff:
    """What the farm charges that encode by; `hurry`: it is asked for on demand."""
    step = max(1, round(prices.least * CREDIT))
    rates = [round(one * CREDIT) for one in prices.resolutions.values()]
    multiplier = _exact(prices.presets[asked.preset])
    multiplier *= _exact(prices.bitrate_tiers[asked.bitrate_tier or "medium"])
    multiplier *= _exact(prices.passes[str(asked.effective_passes)]) * _exact(prices.optimize[asked.optimize])
    multiplier *= multiplier_of(prices, hurry)
    return Tariff(
        classes=tuple(PixelClass(one.name, one.most_pixels, rate) for one, rate in zip(CLASSES, rates, strict=True)),
        codec_factors={name: _exact(one) for name, one in prices.codecs.items()},
        multiplier=multiplier,
        step=step,
        least=step,
    )


def multiplier_of(prices: Prices, hurry: Hurry | None) -> Fraction:
    """What haste costs."""
    return Fraction(1) if hurry is None else _exact(prices.on_demand[hurry])


def cost(asked: Encode, tariff: Tariff, seconds: Fraction | float, size: tuple[int, int] | None = None) -> int:
    """Thousandths of a NEU for that much of it; `size` of its pictures: none, as large as was asked for."""
    settings = _priced(asked.codec)
    return charge(settings, Fraction(seconds), [size or BOXES[asked.resolution]], tariff)


def guessed_cost(asked: Encode, tariff: Tariff, prices: Prices) -> int:
    """Thousandths of a NEU, as long as nobody knows how long the source is."""
    return cost(asked, tariff, prices.unknown_minutes * 60)


def neu(thousandths: int) -> float:
    """As it is told."""
    return thousandths / CREDIT


def thousandths(amount: float) -> int:
    """As the ledger counts it."""
    return round(amount * CREDIT)


def _exact(number: float) -> Fraction:
    return Fraction(Decimal(str(number)))


@lru_cache(maxsize=8)
def _priced(codec: Any) -> OutputSettings:
    """Settings of which the codec alone counts."""
    return OutputSettings(container="mkv", video_codec=codec)
