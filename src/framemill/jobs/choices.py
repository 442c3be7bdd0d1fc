"""What the plain words of an output mean to each encoder: one table, each row with its sentence."""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from framemill.jobs.encoders.levels import fitting_level
from framemill.jobs.settings import OutputSettings, Rung, Value


class Rate(Value):
    """What one rendition's encoder is told of speed, quality and rate; none: its usual one."""

    encoder_preset: str | None = None
    crf: float | None = None
    qp: int | None = None
    bitrate: int | None = None
    """Bits per second, on average."""
    maxrate: int | None = None
    """Bits per second."""
    bufsize: int | None = None
    """Bits."""
    gop_frames: int | None = None
    level: str | None = None


class Choice(NamedTuple):
    """A word, what it stands for with each codec, and what it is good for."""

    field: str
    word: str
    says: str
    means: Mapping[str, str]
    """By codec, or by encoder where the codec has two."""


def _row(field: str, word: str, says: str, *means: object) -> Choice:
    return Choice(field, word, says, MappingProxyType(dict(zip(_CODECS, map(str, means), strict=True))))


_CODECS = ("h264", "h265", "av1", "libaom-av1", "vp9")

# Of `bitrate_tier`: kbit/s of 1080p at 30 frames a second. Streaming services' own ladders have about 5 Mbit/s of
# H.264 there (Apple's authoring specification for HLS: 4.5 to 7.8); newer codecs need less for the same picture.
CHOICES: tuple[Choice, ...] = (
    _row("speed", "fast", "Done first: larger files, or a little less sharp.", "veryfast", "veryfast", 10, 8, 5),
    _row("speed", "standard", "What most people take.", "medium", "medium", 8, 6, 2),
    _row("speed", "slow", "Smaller files for about twice the time or more.", "slow", "slow", 5, 4, 1),
    _row("quality", "good", "Looks like the source at the distance films are watched from.", 23, 26, 32, 32, 32),
    _row("quality", "better", "Looks like the source from near; about half as large again.", 20, 23, 27, 27, 27),
    _row("quality", "best", "Good enough to edit or encode again; about twice as large.", 17, 19, 22, 22, 22),
    _row(
        "bitrate_tier",
        "low",
        "kbit/s of 1080p30, for mobile networks: fast motion may show blocks.",
        3000,
        1900,
        1500,
        1500,
        1900,
    ),
    _row("bitrate_tier", "medium", "kbit/s of 1080p30, for usual connections.", 5000, 3200, 2500, 2500, 3200),
    _row("bitrate_tier", "high", "kbit/s of 1080p30, for large screens.", 8500, 5500, 4300, 4300, 5500),
    _row("bit_depth", "8", "Every player shows it.", *["yuv420p"] * 5),
    _row("bit_depth", "10", "Smoother skies; many players know no 10-bit H.264.", *["yuv420p10le"] * 5),
)
_MEANS: Mapping[tuple[str, str], Mapping[str, str]] = MappingProxyType(
    {(choice.field, choice.word): choice.means for choice in CHOICES}
)

_TIER_PIXELS, _TIER_RATE = 1920 * 1080, 30
# Small pictures take more bits a pixel, and frames that follow soon differ less: these powers lie between the rungs of
# common ladders (360p has a tenth of 1080p's bits for a ninth of its pixels and less of its detail; 60 frames a second
# have 1.4 to 1.6 times the bits of 30).
_BY_PIXELS, _BY_RATE = 0.85, 0.6
_LEAST_BITRATE = 40_000
USUAL_FPS = Fraction(25)
"""Where a source does not say how fast it is."""


def means(settings: OutputSettings, field: str) -> str | None:
    """What the word in that field stands for; none: none was said, or the codec has no such words."""
    word = getattr(settings, field)
    return _MEANS[field, str(word)].get(settings.encoder or settings.video_codec) if word is not None else None


def chosen(
    settings: OutputSettings,
    *,
    rung: Rung | None = None,
    size: tuple[int, int] = (1920, 1080),
    fps: Fraction = USUAL_FPS,
) -> Rate:
    """One rendition's rate: what was said of the output, else of its rung, with every word as its figure.

    `size`: width and height of a frame of that rendition; `fps`: its frames a second on average.
    """
    own = rung or Rung(height=16)
    bitrate = settings.bitrate or own.bitrate or tier_bitrate(settings, size[0] * size[1], fps)
    quality = means(settings, "quality")
    crf = settings.crf if settings.crf is not None else own.crf
    if crf is None and quality is not None and bitrate is None and settings.qp is None:
        crf = float(quality)
    gop = settings.gop_frames
    if settings.gop_seconds is not None:
        gop = max(1, round(fps * Fraction(str(settings.gop_seconds))))
    preset = settings.encoder_preset or means(settings, "speed")
    maxrate = settings.maxrate or own.maxrate
    level = settings.level
    if settings.two_passes and bitrate is not None and level is None:
        # The encoder would choose it by each chunk's own share, and chunks of two levels cannot be joined.
        level = fitting_level(settings.video_codec, size, fps, most_share(bitrate, maxrate), preset)
    return Rate(
        encoder_preset=preset,
        crf=crf,
        qp=settings.qp,
        bitrate=bitrate,
        maxrate=maxrate,
        bufsize=settings.bufsize or own.bufsize,
        gop_frames=gop,
        level=level,
    )


def most_share(bitrate: int, maxrate: int | None) -> int:
    """Bits per second that no chunk of a title may have more of, on average."""
    if maxrate is None:
        return MOST_OF_AVERAGE * bitrate
    return max(bitrate, round(MOST_OF_MAXIMUM * maxrate))


MOST_OF_AVERAGE = 4
"""Times the title's bit rate: the hardest chunk of a film takes two to three times the average."""
MOST_OF_MAXIMUM = 0.85
"""Of `maxrate`: an encoder that must leave the player's buffer as it finds it does not come up to all of it."""


def tier_bitrate(settings: OutputSettings, pixels: int, fps: Fraction) -> int | None:
    """Bits per second of a `bitrate_tier` at that size and frame rate, in whole thousands; none: no tier was said."""
    kilobits = means(settings, "bitrate_tier")
    if kilobits is None:
        return None
    share: float = (pixels / _TIER_PIXELS) ** _BY_PIXELS * float(fps / _TIER_RATE) ** _BY_RATE
    return max(_LEAST_BITRATE, round(float(kilobits) * share) * 1000)
