"""Which encoder a sound takes and with which options; built and never run here.

Channels are mixed as libswresample does: each speaker that the fewer ones lack goes to its neighbours at -3 dB (ITU-R
BS.775), and the LFE is left out.
"""

import platform
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from framemill.errors import InvalidSetting
from framemill.jobs.encoders.sounds import SOUND_CODECS, misfit_bits, nearest_bits
from framemill.jobs.settings import AudioCodec, Container, OutputSettings
from framemill.media.options import Options

#: AAC, Opus and resampling give other samples at other SIMD levels; this one every x86-64 machine of use has.
AUDIO_CPU_FLAGS: tuple[str, ...] = ("-cpuflags", "sse4.2") if platform.machine() in {"x86_64", "AMD64"} else ()
#: Codecs, ffmpeg's names, and which sample rates they take (none named: all).
AUDIO_ENCODERS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    codec: (known.name, known.rates) for codec, known in SOUND_CODECS.items()
}
#: ffmpeg's muxer of each container.
MUXERS: Mapping[Container, str] = MappingProxyType(
    {
        "mp4": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm", "ts": "mpegts",
        "mp3": "mp3", "wav": "wav", "ogg": "ogg", "flac": "flac", "m4a": "ipod", "opus": "opus",
        "avi": "avi", "flv": "flv", "mpg": "mpeg", "wmv": "asf", "ogv": "ogv", "3gp": "3gp",
    }
)  # fmt: skip
_CARRIERS: Mapping[Container, str] = MappingProxyType(
    {"mkv": "matroska", "webm": "matroska", "mov": "mov", "avi": "mov", "wmv": "matroska", "ogv": "ogg"}
)
BITS_A_CHANNEL = 64_000
MOST_CHANNELS = 8
_USUAL_RATE = 48_000  # where nobody knows the source's


def audio_encoder(settings: OutputSettings, facts: Mapping[str, Any]) -> Options:
    """The sound's output options; `facts`: of the source's stream, in ffprobe's words.

    Raises `InvalidSetting` where the codec does not take the asked bit rate with what the source has.
    """
    known = SOUND_CODECS[settings.audio_codec]
    options: Options = {"c:a": _encoder_name(settings.audio_codec, facts)}
    rate, channels = output_rate(settings, facts), output_channels(settings, facts)
    if rate:
        options["ar"] = str(rate)
    if _count(facts) > MOST_CHANNELS:  # a mix that no table of layouts describes
        options["ac"] = str(channels)
    if not known.lossless:
        bits, at = settings.audio_bitrate, rate or _USUAL_RATE
        if bits is not None and (why := misfit_bits(settings.audio_codec, bits, at, channels)):
            refused = InvalidSetting(f"audio_bitrate: {why}.")
            refused.param = "audio_bitrate"
            raise refused
        options["b:a"] = str(nearest_bits(settings.audio_codec, bits or BITS_A_CHANNEL * channels, at, channels))
    return options


def output_rate(settings: OutputSettings, facts: Mapping[str, Any]) -> int:
    """Samples a second of the output: as asked, else the source's or the nearest that the codec takes; 0: unknown."""
    rates = SOUND_CODECS[settings.audio_codec].rates
    rate = settings.sample_rate or int(facts.get("sample_rate", 0))
    if rate and rates and rate not in rates:
        rate = min(rates, key=lambda known: (known < rate, abs(known - rate)))
    return rate


def output_channels(settings: OutputSettings, facts: Mapping[str, Any]) -> int:
    """Channels of the output: the asked ones, else the source's, at most what the codec takes."""
    most = min(SOUND_CODECS[settings.audio_codec].channels, MOST_CHANNELS)
    return min(settings.audio_channels or _count(facts) or 2, most)


def channel_layout(settings: OutputSettings, facts: Mapping[str, Any]) -> str | None:
    """The layout that the codec takes for the output's channels; None: ffmpeg's own choice."""
    if not _count(facts) and settings.audio_channels is None:
        return None
    if _count(facts) > MOST_CHANNELS:
        return None
    return SOUND_CODECS[settings.audio_codec].layouts[output_channels(settings, facts) - 1]


def _count(facts: Mapping[str, Any]) -> int:
    """Channels of the source; 0: unknown."""
    return int(facts.get("channels", 0))


def _encoder_name(codec: AudioCodec, facts: Mapping[str, Any]) -> str:
    """PCM has 16 bits, or 24 where the source really has more than 16: a lossy codec's decimals are no such bits."""
    if codec != "pcm":
        return SOUND_CODECS[codec].name
    deep = str(facts.get("sample_fmt", "")).startswith(("s32", "s64"))
    real = str(facts.get("codec_name", "")).startswith(("pcm_f", "pcm_s24", "pcm_s32", "pcm_u24", "pcm_u32"))
    return "pcm_s24le" if deep or real else SOUND_CODECS[codec].name


def carrier(settings: OutputSettings) -> str:
    """The container that the encoded sound travels in."""
    if settings.kind == "sound":
        return MUXERS[settings.container]
    return _CARRIERS.get(settings.container, "mp4")


def unheard_lead(settings: OutputSettings, facts: Mapping[str, Any]) -> float:
    """Seconds by which an AVI would be heard too late: nobody takes its encoder's priming away, so that much of the
    sound makes room for it."""
    if settings.container != "avi" or settings.audio_codec not in _PRIMING:
        return 0.0
    return _PRIMING[settings.audio_codec] / (output_rate(settings, facts) or _USUAL_RATE)


#: Samples that ffmpeg's encoders and decoders put before the first one, as they are seen in MP4's edit lists.
_PRIMING: Mapping[str, int] = MappingProxyType({"mp3": 1105, "aac": 1024, "ac3": 256, "mp2": 481})
