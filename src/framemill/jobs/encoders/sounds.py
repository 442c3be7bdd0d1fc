"""What each sound encoder takes: sample rates, channels and bit rates; and why it refuses the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_SPEAKERS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_MPEG_1 = 32_000
"""Hz; MPEG audio below that is another standard (MPEG-2, 13818-3), with lower bit rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundCodec:
    """What one encoder takes."""

    name: str
    """What ffmpeg calls it."""
    rates: tuple[int, ...] = ()
    """Samples a second, the highest first; none: all."""
    layouts: tuple[str, ...]
    """By number of channels, as ffmpeg names them; each encoder knows one for each number."""
    lossless: bool = False
    """It has no bit rate."""
    bands: tuple[tuple[int, int, int], ...] = ()
    """(sample rate up to which it holds, least, most bits a second for each channel), where any figure will do."""
    least: int = 0
    """Bits a second of all channels."""
    figures: tuple[int, ...] = ()
    """Kilobits a second that it knows."""
    low_figures: tuple[int, ...] = ()
    """The same for sample rates below 32 kHz, where they differ."""

    @property
    def channels(self) -> int:
        """Most that it takes."""
        return len(self.layouts)


_LAYER_2 = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_LAYER_3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LOW = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_AAC = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
#: Tried with libvorbis 1.3.7: outside of these it refuses to begin.
_VORBIS = (
    (8000, 8_000, 32_000), (12000, 12_000, 44_000), (16000, 16_000, 86_000), (24000, 16_000, 64_000),
    (32000, 32_000, 150_000), (48000, 32_000, 240_000),
)  # fmt: skip
_AC3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)

#: Rates and layouts: ffmpeg's `-h encoder=NAME`; figures: ISO/IEC 11172-3 and 13818-3, ATSC A/52; AAC: 6144 bits a
#: channel and block of 1024 samples (14496-3); layouts of Opus and Vorbis: RFC 7845, of FLAC: RFC 9639.
SOUND_CODECS: Mapping[str, SoundCodec] = MappingProxyType(
    {
        "aac": SoundCodec(
            name="aac",
            rates=_AAC,
            layouts=("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1"),
            bands=(*((rate, 6_000, 6 * rate) for rate in sorted(_AAC)),),
        ),
        "opus": SoundCodec(
            name="libopus",
            rates=(48000, 24000, 16000, 12000, 8000),
            layouts=_SPEAKERS,
            bands=((48000, 3_000, 256_000),),
        ),
        "mp3": SoundCodec(
            name="libmp3lame",
            rates=(48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000),
            layouts=_SPEAKERS[:2],
            figures=_LAYER_3,
            low_figures=_LOW,
        ),
        "flac": SoundCodec(name="flac", layouts=_SPEAKERS, lossless=True),
        "alac": SoundCodec(
            name="alac",
            layouts=("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1(back)", "7.1(wide)"),
            lossless=True,
        ),
        "ac3": SoundCodec(
            name="ac3",
            rates=(48000, 44100, 32000),
            layouts=("mono", "stereo", "3.0", "quad", "5.0", "5.1"),
            figures=_AC3,
        ),
        "pcm": SoundCodec(name="pcm_s16le", layouts=_SPEAKERS, lossless=True),
        "vorbis": SoundCodec(
            name="libvorbis",
            rates=(48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000),
            layouts=_SPEAKERS,
            bands=_VORBIS,
        ),
        "mp2": SoundCodec(
            name="mp2",
            rates=(48000, 44100, 32000, 24000, 22050, 16000),
            layouts=_SPEAKERS[:2],
            figures=_LAYER_2,
            low_figures=_LOW,
        ),
        "wmav2": SoundCodec(
            name="wmav2",
            rates=(48000, 44100, 32000, 22050, 16000, 11025, 8000),
            layouts=_SPEAKERS[:2],
            bands=((48000, 12_000, 192_000),),
            least=24_000,
        ),
    }
)


def misfit_rate(codec: str, rate: int) -> str:
    """Why that codec does not take so many samples a second; empty where it does."""
    known = SOUND_CODECS[codec].rates
    if not known or rate in known:
        return ""
    return f"{codec} takes {', '.join(map(str, sorted(known)))} samples a second, not {rate}"


def misfit_channels(codec: str, channels: int) -> str:
    """Why that codec does not take so many channels; empty where it does."""
    most = SOUND_CODECS[codec].channels
    return "" if channels <= most else f"{codec} takes at most {most} channels, not {channels}"


def bit_rates(codec: str, rate: int, channels: int) -> tuple[int, ...]:
    """Bits a second that a codec takes for that sample rate and so many channels; (least, most) where any between."""
    known = SOUND_CODECS[codec]
    if known.figures:
        kilobits = known.low_figures if known.low_figures and rate < _MPEG_1 else known.figures
        return tuple(1000 * figure for figure in kilobits)
    least, most = next(((low, high) for limit, low, high in known.bands if rate <= limit), known.bands[-1][1:])
    return max(least * channels, known.least), most * channels


def misfit_bits(codec: str, bits: int, rate: int, channels: int) -> str:
    """Why that codec does not take that bit rate; empty where it does, as it is or as its nearest figure."""
    if SOUND_CODECS[codec].lossless:
        return f"{codec} keeps every sample and has no bit rate (take audio_bitrate away)"
    known = bit_rates(codec, rate, channels)
    if known[0] <= bits <= known[-1]:
        return ""
    sound = f"{codec} with {channels} channel{'s' * (channels > 1)} at {rate} Hz"
    return f"{sound} takes {known[0]} to {known[-1]} bits a second, not {bits}"


def nearest_bits(codec: str, bits: int, rate: int, channels: int) -> int:
    """What that codec takes which is nearest to that bit rate."""
    known = bit_rates(codec, rate, channels)
    if SOUND_CODECS[codec].figures:
        return min(known, key=lambda figure: (abs(figure - bits), figure))
    return min(max(bits, known[0]), known[-1])
