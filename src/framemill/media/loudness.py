"""Loudness by EBU R 128: measured over the whole track first, then met by one gain, so that its dynamics stay.

The gain ends where the loudest moment would go beyond the true peak that is allowed.
"""

import re
from typing import Any

from pydantic import BaseModel

from framemill.errors import FfmpegFailed
from framemill.jobs.settings import OutputSettings
from framemill.media.soundcodecs import AUDIO_CPU_FLAGS

_SILENCE = -69.9
"""LUFS; the gate of R 128 lies at -70, and what is below it has no loudness."""


class Loudness(BaseModel):
    """What was measured."""

    integrated: float
    """LUFS."""
    true_peak: float
    """dBTP."""


def measure_command(sound: Any) -> list[str]:
    """Arguments for ffmpeg that measure a stream of ffmpeg-python; what is found stands in its standard error."""
    measured = sound.filter("ebur128", peak="true", framelog="quiet").output("-", f="null")
    talking = ("-nostdin", "-nostats", "-v", "level+info", "-max_error_rate", "1", *AUDIO_CPU_FLAGS)
    argv: list[str] = measured.global_args(*talking).get_args()
    return argv


def read_loudness(said: str) -> Loudness:
    """The summary of `ebur128`. Raises `FfmpegFailed` where there is none."""
    summary = said[said.rfind("Summary:") :]
    integrated = re.search(r"I:\s+(-?[0-9.]+|-inf|nan) LUFS", summary)
    peak = re.search(r"Peak:\s+(-?[0-9.]+|-inf|nan) dBFS", summary)
    if integrated is None or peak is None:
        raise FfmpegFailed("The loudness of the sound cannot be measured.", command="", stderr=said)
    return Loudness(integrated=float(integrated[1]), true_peak=float(peak[1]))


def gain(settings: OutputSettings, found: Loudness) -> float:
    """Decibels that bring the sound to its loudness, as far as the true peak allows; 0 for silence."""
    if settings.loudness is None or not found.integrated > _SILENCE:
        return 0.0
    return round(min(settings.loudness - found.integrated, settings.true_peak - found.true_peak), 2)


def gain_filter(sound: Any, decibels: float | None) -> Any:
    """The stream that much louder."""
    return sound if not decibels else sound.filter("volume", volume=f"{decibels:.2f}dB")
