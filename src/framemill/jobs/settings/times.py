"""Times and rates as people write them."""

import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_CLOCK = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]{1,9})?)", re.ASCII)


def normal_seconds(given: Any) -> Any:
    """Seconds from ffmpeg's `[HH:]MM:SS[.m]`; what is a number already stays, for the field's own type to read."""
    match = _CLOCK.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is None:
        return given
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)


def normal_rate(given: Any) -> Any:
    """A frame rate as a fraction in lowest terms: `30000/1001` from that or from 29.97, `25` from 25.0.

    Decimals within 0.005 of a rate over 1.001 mean that one, as everywhere in video (SMPTE ST 428-11, ATSC A/53).
    """
    text = str(given).strip()
    if isinstance(given, bool) or not re.fullmatch(r"[0-9]{1,9}(?:/[0-9]{1,9}|\.[0-9]{1,9})?", text, re.ASCII):
        return given
    try:
        rate = Fraction(text)
    except ZeroDivisionError:
        return given
    whole = round(rate * Fraction(1001, 1000))
    slow = Fraction(whole * 1000, 1001)
    if "." in text and rate.denominator != 1 and whole in _SLOWED and abs(rate - slow) < Fraction(5, 1000):
        rate = slow
    return str(rate)


_SLOWED = frozenset({24, 30, 48, 60, 90, 120, 240})

Seconds = Annotated[float, BeforeValidator(normal_seconds), Field(ge=0, le=1_000_000)]
"""Seconds, or `HH:MM:SS.mmm`."""
FrameRate = Annotated[str, BeforeValidator(normal_rate), Field(pattern=r"^[1-9][0-9]{0,8}(/[1-9][0-9]{0,8})?$")]
"""Frames a second: `25`, `29.97`, `30000/1001`."""
