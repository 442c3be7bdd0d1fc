"""What encoding usually takes: seconds of one slot, and the bits that come out. Figures of usual film, no promises.

Who orders tasks by length and who tells beforehand what a job will take ask here, so that both say the same.
"""

from collections.abc import Mapping
from types import MappingProxyType

from framemill.jobs.choices import Rate
from framemill.jobs.settings import OutputSettings
from framemill.media.ladder import Picture
from framemill.media.options import encoder_of

SECONDS_A_MEGAPIXEL: Mapping[str, float] = MappingProxyType(
    {
        "h264": 0.03, "h265": 0.1, "av1": 0.07, "vp9": 0.15, "libaom-av1": 0.5,
        "mpeg4": 0.01, "mpeg2": 0.01, "flv1": 0.01, "wmv2": 0.01, "theora": 0.02,
    }
)  # fmt: skip
"""Seconds that a usual slot takes for a million pixels, at the encoder's usual speed (`benchmarks/README.md`)."""
BITS_A_PIXEL: Mapping[str, float] = MappingProxyType(
    {
        "h264": 0.08, "h265": 0.05, "av1": 0.04, "vp9": 0.06,
        "mpeg4": 0.2, "mpeg2": 0.3, "flv1": 0.2, "wmv2": 0.2, "theora": 0.2,
    }
)  # fmt: skip
"""Of usual film at the encoder's usual quality: 1080p at 25 frames a second comes to 4 Mbit/s with H.264."""
_USUAL = 0.05
TONE_MAPPING = 0.085
"""Seconds a megapixel: in floats, and mostly memory."""
FIRST_PASS = 0.25
"""Of x264's usual speed: its `superfast`."""

# Beside each encoder's usual speed, which is 1: x264's and x265's own words, and what a step of a number is.
_WORDS: Mapping[str, float] = MappingProxyType(
    {
        "ultrafast": 0.15, "superfast": 0.25, "veryfast": 0.4, "faster": 0.65, "fast": 0.85, "medium": 1.0,
        "slow": 1.8, "slower": 3.5, "veryslow": 6.0, "placebo": 12.0,
    }
)  # fmt: skip
_A_STEP: Mapping[str, float] = MappingProxyType({"av1": 1.5, "vp9": 1.7, "libaom-av1": 2.0})

_HALF = 6.0  # x264, x265: so much more of the quantiser halves the bits; the others count to 63 instead of 51
_FINER: Mapping[str, float] = MappingProxyType({"av1": 63 / 51, "vp9": 63 / 51})
_LOSSLESS = 4.0  # bits a pixel


def picture_seconds(settings: OutputSettings, picture: Picture) -> float:
    """Seconds that a usual slot takes for one frame of that rendition."""
    named = settings.encoder or settings.video_codec
    each = SECONDS_A_MEGAPIXEL.get(named, _USUAL) * _pace(settings, picture.rate)
    if any(one.name == "tonemap" for one in picture.look.steps):
        each += TONE_MAPPING
    return picture.width * picture.height / 1e6 * each


def _pace(settings: OutputSettings, rate: Rate) -> float:
    """How much longer than at the encoder's usual speed."""
    preset, named = rate.encoder_preset, settings.encoder or settings.video_codec
    if preset is None or preset in _WORDS:
        return _WORDS.get(preset or "medium", 1.0)
    usual = encoder_of(settings).preset
    if not preset.isdigit() or not usual.isdigit():
        return 1.0
    return float(_A_STEP.get(named, 1.5) ** (int(usual) - int(preset)))


def picture_bits(settings: OutputSettings, picture: Picture, fps: float) -> float:
    """Bits a second of that rendition."""
    rate, codec = picture.rate, settings.video_codec
    usual = picture.width * picture.height * fps * BITS_A_PIXEL.get(codec, 0.08)
    if rate.bitrate is not None:
        bits = float(rate.bitrate)
    elif rate.qp == 0:
        bits = picture.width * picture.height * fps * _LOSSLESS
    else:
        wanted = rate.crf if rate.qp is None else rate.qp
        below = 0.0 if wanted is None else encoder_of(settings).crf - wanted
        bits = usual * 2 ** (below / (_HALF * _FINER.get(codec, 1.0)))
    return bits if rate.maxrate is None else min(bits, float(rate.maxrate))
