"""What each of ffmpeg's output options means here: a reader a word, which says the fields that it changes."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from framemill.jobs.encoders.sounds import SOUND_CODECS
from framemill.jobs.encoders.table import ENCODERS
from framemill.jobs.words.filters import filters
from framemill.jobs.words.keys import key_option, params_option
from framemill.jobs.words.said import Changes, Chosen, Reader, Said


def _codec(said: Said, chosen: Chosen) -> Changes:
    video: Changes = {"video_codec": chosen.video} if said.stream in {"", "v"} else {}
    if video and said.value == LIBAOM:
        video["encoder"] = LIBAOM
    return video | ({"audio_codec": chosen.audio} if said.stream in {"", "a"} else {})


def _fixed(changed: Changes) -> Reader:
    return lambda _said, _chosen: changed


LIBAOM = "libaom-av1"
"""AV1's other encoder."""


def _pictures(name: str) -> Reader:
    """A field of the pictures, which its own type reads."""

    def read(said: Said, chosen: Chosen) -> Changes:
        chosen.encoder(said)
        return {name: said.value}

    return read


def _shown(name: str, **more: str) -> Reader:
    """A field of what is shown, of any encoder."""

    def read(said: Said, chosen: Chosen) -> Changes:
        chosen.encoded(said)
        return {name: said.value, **more}

    return read


def _clip(name: str) -> Reader:
    """A time: `12.5`, `00:01:02.5`; ffmpeg's `ms` and `us` are other words for the same."""

    def read(said: Said, _: Chosen) -> Changes:
        match = re.fullmatch("([0-9]{1,12}(?:[.][0-9]{1,9})?)(ms|us|s)", said.value)
        if match is None:
            return {name: said.value}
        return {name: f"{float(match[1]) / {'s': 1, 'ms': 1_000, 'us': 1_000_000}[match[2]]:.9g}"}

    return read


def _both_passes(said: Said, chosen: Chosen) -> Changes:
    chosen.encoder(said)
    if said.value != "2":
        said.refuse("both passes are one job here; say -pass 2, and nothing for the first")
    return {"passes": 2}


def _speed(said: Said, chosen: Chosen) -> Changes:
    encoder = chosen.encoder(said)
    if said.name not in encoder.speed_options:
        said.refuse(f"{encoder.name} has no such option; its speed is -{encoder.speed_options[0]}")
    return {"encoder_preset": said.value}


def _bits(said: Said) -> int:
    """Bits, with ffmpeg's suffixes: `800k`, `2.5M`, `1Mi`."""
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([kKMG]?)(i?)", said.value)
    if match is None or (match[3] and not match[2]):
        said.refuse("it takes bits, such as 800k or 2.5M")
    power = "kMG".index(match[2].replace("K", "k")) + 1 if match[2] else 0
    return round(float(match[1]) * float(1024 if match[3] else 1000) ** power)


def _rate(name: str) -> Reader:
    def read(said: Said, chosen: Chosen) -> Changes:
        chosen.encoded(said)
        bits = _bits(said)
        # `-b:v 0` beside `-crf` is how VP9 is asked for quality alone.
        return {} if name == "bitrate" and bits == 0 else {name: bits}

    return read


def _least_rate(said: Said, chosen: Chosen) -> Changes:
    if chosen.encoder(said).name not in {"libx264", "libx265"}:
        said.refuse("it would ask for a constant bit rate; say -b:v alone")
    _bits(said)
    return {}  # these two encoders do not look at it


def _size(said: Said, chosen: Chosen) -> Changes:
    """`-s`: a box, like every size here; the aspect is kept, and nothing is enlarged."""
    chosen.encoded(said)
    match = re.fullmatch("([0-9]{1,5})x([0-9]{1,5})", said.value)
    if match is None:
        said.refuse("it takes WIDTHxHEIGHT in pixels, such as 1280x720")
    return {"width": match[1], "height": match[2]}


def _faststart(said: Said, _: Chosen) -> Changes:
    if {flag for flag in said.value.split("+") if flag} != {"faststart"}:
        said.refuse("MP4 and MOV are written with +faststart, and with no other flag")
    return {}


def _tag(said: Said, chosen: Chosen) -> Changes:
    encoder = chosen.encoder(said)
    if said.value != encoder.tag:
        said.refuse(f"what {encoder.name} makes is tagged {encoder.tag}, which every player knows")
    return {}


def _sound(name: str, *codecs: str) -> Reader:
    """A field of the sound, for these codecs."""

    def read(said: Said, chosen: Chosen) -> Changes:
        if chosen.audio in {"copy", "none"}:
            said.refuse("no sound is encoded")
        if chosen.audio not in codecs:
            said.refuse(f"{chosen.audio} keeps every sample and has no such option; -c:a aac or libopus has")
        return {name: _bits(said) if name == "audio_bitrate" else said.value}

    return read


_ENCODED = tuple(SOUND_CODECS)
_WITH_A_RATE = tuple(name for name, codec in SOUND_CODECS.items() if not codec.lossless)

#: By name and stream. The first stream of a name is the usual one, where none is said.
READERS: Mapping[tuple[str, str], Reader] = MappingProxyType(
    {
        ("c", ""): _codec,
        ("c", "v"): _codec,
        ("c", "a"): _codec,
        ("vn", "v"): _fixed({"video_codec": "none"}),
        ("an", "a"): _fixed({"audio_codec": "none"}),
        ("sn", "s"): _fixed({"subtitles": "none"}),
        ("dn", "d"): _fixed({}),  # data streams are left out anyway
        ("b", "v"): _rate("bitrate"),
        ("b", "a"): _sound("audio_bitrate", *_WITH_A_RATE),
        ("maxrate", "v"): _rate("maxrate"),
        ("minrate", "v"): _least_rate,
        ("bufsize", "v"): _rate("bufsize"),
        ("crf", "v"): _pictures("crf"),
        ("qp", "v"): _pictures("qp"),
        ("preset", "v"): _speed,
        ("cpu-used", "v"): _speed,
        ("speed", "v"): _speed,
        ("tune", "v"): _pictures("tune"),
        ("profile", "v"): _pictures("profile"),
        ("level", "v"): _pictures("level"),
        ("g", "v"): _pictures("gop_frames"),
        ("pass", "v"): _both_passes,
        ("pix_fmt", "v"): _shown("pix_fmt"),
        ("r", "v"): _shown("fps", fps_mode="force"),
        ("fpsmax", "v"): _shown("fps", fps_mode="cap"),
        ("ss", ""): _clip("start"),
        ("to", ""): _clip("end"),
        ("t", ""): _clip("duration"),
        ("s", "v"): _size,
        ("filter", "v"): filters,
        ("tag", "v"): _tag,
        ("movflags", ""): _faststart,
        ("ac", "a"): _sound("audio_channels", *_ENCODED),
        ("ar", "a"): _sound("sample_rate", *_ENCODED),
        **{(option, "v"): params_option for encoder in ENCODERS.values() for option in encoder.params},
        **{(option, "v"): key_option for encoder in ENCODERS.values() for option in encoder.options},
    }
)
