"""What each of ffmpeg's output options means here: a reader a word, which says the fields that it changes."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from framemill.jobs.encoders.table import ENCODERS
from framemill.jobs.words.keys import key_option, params_option
from framemill.jobs.words.said import Changes, Chosen, Reader, Said


def _codec(said: Said, chosen: Chosen) -> Changes:
    video = {"video_codec": chosen.video} if said.stream in {"", "v"} else {}
    return video | ({"audio_codec": chosen.audio} if said.stream in {"", "a"} else {})


def _fixed(changed: Changes) -> Reader:
    return lambda _said, _chosen: changed


def _pictures(name: str) -> Reader:
    """A field of the pictures, which its own type reads."""

    def read(said: Said, chosen: Chosen) -> Changes:
        chosen.encoder(said)
        return {name: said.value}

    return read


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
        chosen.encoder(said)
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
    chosen.encoder(said)
    match = re.fullmatch("([0-9]{1,5})x([0-9]{1,5})", said.value)
    if match is None:
        said.refuse("it takes WIDTHxHEIGHT in pixels, such as 1280x720")
    return {"width": match[1], "height": match[2]}


def _filters(said: Said, chosen: Chosen) -> Changes:
    """`-vf scale=W:H` and nothing else: a box, in which -1 and -2 mean what the aspect says."""
    chosen.encoder(said)
    given = {"w": "", "h": ""}
    name, _, arguments = said.value.partition("=")
    if name != "scale" or not re.fullmatch("[a-z0-9_=:-]+", arguments):
        said.refuse("of ffmpeg's filters only scale=W:H is taken, alone")
    for place, argument in enumerate(arguments.split(":")):
        key, sign, value = argument.rpartition("=")
        key = _SCALE_KEYS.get(key, key) if sign else ("w", "h", "the third place")[min(place, 2)]
        if key in given and re.fullmatch("-1|-2|[1-9][0-9]{0,4}", value):
            given[key] = value
        elif (key, value) not in {("force_original_aspect_ratio", "decrease"), ("force_divisible_by", "2")}:
            said.refuse(
                "of scale's arguments W and H in pixels (or -1, -2) and force_original_aspect_ratio=decrease are taken"
            )
    sizes = {"width": given["w"], "height": given["h"]}
    if not any(value[:1].isdigit() for value in sizes.values()) or "" in sizes.values():
        said.refuse("scale takes W:H, one of them in pixels")
    return {name: value if value[0] != "-" else None for name, value in sizes.items()}


_SCALE_KEYS = MappingProxyType({"width": "w", "height": "h"})


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


_ENCODED = ("aac", "opus", "flac", "alac")

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
        ("b", "a"): _sound("audio_bitrate", "aac", "opus"),
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
        ("pix_fmt", "v"): _pictures("pix_fmt"),
        ("s", "v"): _size,
        ("filter", "v"): _filters,
        ("tag", "v"): _tag,
        ("movflags", ""): _faststart,
        ("ac", "a"): _sound("audio_channels", *_ENCODED),
        ("ar", "a"): _sound("sample_rate", *_ENCODED),
        **{(option, "v"): params_option for encoder in ENCODERS.values() for option in encoder.params},
        **{(option, "v"): key_option for encoder in ENCODERS.values() for option in encoder.options},
    }
)
