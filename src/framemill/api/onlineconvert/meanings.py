"""What options mean: the farm's output settings of a conversion. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from framemill.errors import InvalidSetting
from framemill.jobs.encoders.sounds import SOUND_CODECS, misfit_bits
from framemill.jobs.settings import Container
from framemill.jobs.settings.kinds import FITTINGS, usual_audio, usual_video

Options = Mapping[str, Any]
Settings = dict[str, Any]


def settings_of(target: str, container: Container, options: Options) -> Settings:
    """The settings of an output of that container. Raises `InvalidSetting` about options that do not go together."""
    match target:
        case "cut-video":
            return _cut(options)
        case "thumbnail":
            return _shape(options) | _stills(options)
        case "compress":
            return _shape(options) | _smaller(container, options)
        case "hls":
            return _hls(options) | _film(container, options) | _archived(options)
        case _ if FITTINGS[container].kind == "picture":
            return _shape(options) | _span(options) | _picture(container, options)
        case _:
            return _film(container, options)


def option_meant(error: InvalidSetting, options: Options) -> str | None:
    """The option that an error is about, by the setting that was made of it: that is what its client knows."""
    words = [error.param.partition(".")[0]] if error.param else re.findall("[a-z_]+", error.message)
    found = (name for word in words for name in _MADE_OF.get(word, (word,)) if name in options)
    return next(found, error.param)


_MADE_OF = {
    "crop": ("crop_width", "crop_height", "crop_origin_x", "crop_origin_y"),
    "crop_edges": ("crop_top", "crop_bottom", "crop_left", "crop_right"),
    "fit": ("resize_handling",),
    "width": ("width", "size"),
    "height": ("height", "size"),
    "fps": ("framerate",),
    "crf": ("constant_rate_factor",),
    "bitrate": ("video_bitrate",),
    "encoder_options": ("bframes",),
    "audio_channels": ("channels", "channel"),
    "sample_rate": ("frequency",),
    "audio_codec": ("audio_codec", "disable_audio"),
    "picture_quality": ("quality",),
    "loudness": ("normalize",),
    "at": ("time",),
    "cut_spans": ("cut_points",),
    "cut_seconds": ("length",),
    "cut_count": ("number_of_parts",),
    "segment_seconds": ("segment_length",),
}


def _film(container: Container, options: Options) -> Settings:
    return _shape(options) | _span(options) | _seen(options) | _heard(container, options)


def _shape(options: Options) -> Settings:
    found = {name: options[name] for name in ("width", "height", "rotate") if name in options} | _box(options)
    if "width" in found or "height" in found:
        found["upscale"] = True  # who names a size wants that one
    return found | _crop(options)


def _box(options: Options) -> Settings:
    """Width and height where they are not both said, and how a picture is put into them."""
    ratio = options.get("aspect_ratio")
    width, height = options.get("width"), options.get("height")
    if ratio is not None:
        if (width is None) == (height is None):
            raise _unfit("aspect_ratio", "it takes either width or height beside it, from which the other follows")
        across, down = map(int, ratio.split(":"))
        sides = {"height": round(width * down / across)} if width is not None else {}
        if height is not None:
            sides = {"width": round(height * across / down)}
        return {**sides, "fit": "fill" if options.get("resize_handling") == _CROP else "stretch"}
    if options.get("resize_handling") == _CROP:
        if width is None or height is None:
            raise _unfit("resize_handling", f"{_CROP} takes width and height")
        return {"fit": "fill"}
    return {}


_CROP = "keep_aspect_ratio_crop"
_EDGES = ("crop_top", "crop_right", "crop_bottom", "crop_left")
_FRAME = ("crop_width", "crop_height", "crop_origin_x", "crop_origin_y")


def _crop(options: Options) -> Settings:
    edges = [name for name in _EDGES if name in options]
    frame = [name for name in _FRAME if name in options]
    if edges and frame:
        raise _unfit(edges[0], f"{edges[0]} and {frame[0]} exclude each other")
    if edges:
        return {"crop_edges": ":".join(str(options.get(name, 0)) for name in _EDGES)}
    if not frame:
        return {}
    if "crop_width" not in options or "crop_height" not in options:
        raise _unfit(frame[0], "a crop takes crop_width and crop_height")
    if ("crop_origin_x" in options) != ("crop_origin_y" in options):
        raise _unfit(frame[-1], "crop_origin_x and crop_origin_y go together")
    return {"crop": ":".join(str(options[name]) for name in _FRAME if name in options)}


def _span(options: Options) -> Settings:
    return {name: options[name] for name in ("start", "end") if name in options}


def _seen(options: Options) -> Settings:
    found: Settings = {name: options[name] for name in ("video_codec", "tune", "profile") if name in options}
    if "video_bitrate" in options:
        found["bitrate"] = options["video_bitrate"] * 1000
    if "constant_rate_factor" in options:
        found["crf"] = options["constant_rate_factor"]
    if "framerate" in options:
        found["fps"] = _rate(options)
    if "bframes" in options:
        found["encoder_options"] = {"bframes": str(options["bframes"])}
    return found


def _rate(options: Options) -> str:
    return f"{options['framerate']:.9g}"


def _heard(container: Container, options: Options) -> Settings:
    said = [name for name in _SOUND if options.get(name, False) is not False]
    if options.get("disable_audio"):
        if said:
            raise _unfit(said[0], f"{said[0]} and disable_audio exclude each other")
        return {"audio_codec": "none"}
    found: Settings = {"audio_codec": options["audio_codec"]} if "audio_codec" in options else {}
    if "audio_bitrate" in options:
        found["audio_bitrate"] = options["audio_bitrate"] * 1000
    if "frequency" in options:
        found["sample_rate"] = options["frequency"]
    mixed = {options[name] for name in ("channel", "channels") if name in options}
    if len(mixed) > 1:
        raise _unfit("channel", "channel and channels say different things")
    if mixed:
        found["audio_channels"] = _CHANNELS[mixed.pop()]
    elif "audio_bitrate" in found and _for_one(container, options, found["audio_bitrate"]):
        found["audio_channels"] = 1
    if options.get("normalize"):
        found["loudness"] = _LOUDNESS
    return found


def _for_one(container: Container, options: Options, bits: int) -> bool:
    """Whether so few bits a second are enough for one channel, and not for two."""
    codec = options.get("audio_codec", usual_audio(container))
    if codec not in SOUND_CODECS or SOUND_CODECS[codec].lossless:
        return False
    rate = options.get("frequency", _USUAL_RATE)
    return bool(misfit_bits(codec, bits, rate, 2)) and not misfit_bits(codec, bits, rate, 1)


_USUAL_RATE = 48_000
_LOUDNESS = -23.0
"""LUFS, of EBU R 128."""


_CHANNELS = {"mono": 1, "stereo": 2}
_SOUND = ("audio_codec", "audio_bitrate", "frequency", "channel", "channels", "normalize")


def _hls(options: Options) -> Settings:
    """Without a size there are several renditions; what names one, names one."""
    found: Settings = {"segments": "ts", "manifests": ("hls",)}
    if {"width", "height", "aspect_ratio", "video_bitrate", "constant_rate_factor"} & options.keys():
        found["ladder"] = ()
    if "segment_length" in options:
        found["segment_seconds"] = options["segment_length"]
    return found


def _archived(options: Options) -> Settings:
    """Several files are one zip, unless they may be several outputs."""
    most = options.get("allow_multiple_outputs_threshold")
    if not options.get("allow_multiple_outputs"):
        if most is not None:
            raise _unfit("allow_multiple_outputs_threshold", "it takes allow_multiple_outputs beside it")
        return {"archive": True}
    return {} if most is None else {"archive_above": most}


def _picture(container: Container, options: Options) -> Settings:
    found: Settings = {"picture_quality": options["quality"]} if "quality" in options else {}
    if "framerate" in options:
        found |= {"fps": _rate(options), "fps_mode": "cap"}
    return {**found, "picture": "animation"} if container == "gif" else found


def _stills(options: Options) -> Settings:
    found: Settings = {"picture_quality": options["quality"]} if "quality" in options else {}
    if "size" in options:
        if both := {"width", "height"} & options.keys():
            raise _unfit("size", f"size and {min(both)} exclude each other")
        width, height = map(int, options["size"].split("x"))
        found |= {"width": width, "height": height, "upscale": True}
    if "time" in options:
        if "count" in options:
            raise _unfit("count", "count and time exclude each other")
        found["at"] = (_seconds(options["time"]),)
    if options.get("count", 1) > 1:
        found |= {"picture": "thumbnails", "count": options["count"]} | _archived(options)
    return found


def _seconds(said: str) -> float:
    """Of `HH:MM:SS.mmm`, or of seconds."""
    found = 0.0
    for part in said.split(":"):
        found = 60 * found + float(part)
    return found


def _cut(options: Options) -> Settings:
    ways = [name for name in ("cut_points", "length", "number_of_parts") if name in options]
    if len(ways) > 1:
        raise _unfit(ways[1], f"{ways[0]} and {ways[1]} exclude each other")
    if not ways and "end_video" not in options:
        raise _unfit("cut_points", "say which parts: cut_points, length, number_of_parts or end_video")
    found: Settings = {"end": options["end_video"]} if "end_video" in options else {}
    match ways:
        case ["cut_points"]:
            if "end_video" in options:
                raise _unfit("end_video", "cut_points and end_video exclude each other: each part has its own end")
            found["cut_spans"] = [{"start": one["start"], "end": one["end"]} for one in options["cut_points"]]
        case ["length"]:
            found["cut_seconds"] = options["length"]
        case ["number_of_parts"]:
            found["cut_count"] = options["number_of_parts"]
    return found | _archived(options) if ways else found


_LEVELS = {"low": 0, "medium": 1, "high": 2}
_FACTORS: Mapping[str, tuple[int, int, int]] = {"h264": (24, 28, 32), "h265": (27, 31, 35), "vp9": (34, 40, 46)}
"""Constant rate factors: each is about two thirds of the bytes of the one before."""
_FILM_BITS, _SOUND_BITS = (128_000, 96_000, 64_000), (192_000, 128_000, 64_000)
_PICTURES = (80, 65, 45)


def _smaller(container: Container, options: Options) -> Settings:
    """Smaller by its kind; what keeps every sample or pixel keeps them."""
    quality = options.get("quality")
    if quality is not None and "compression_level" in options:
        raise _unfit("quality", "quality and compression_level exclude each other")
    level = _LEVELS[options.get("compression_level", "medium")] if quality is None else (100 - quality) // 34
    fitting = FITTINGS[container]
    if fitting.kind == "picture":
        return {"picture_quality": quality or _PICTURES[level]}
    codec = usual_audio(container)
    bits = (_FILM_BITS if fitting.video else _SOUND_BITS)[level]
    found: Settings = {} if SOUND_CODECS[codec].lossless else {"audio_bitrate": bits}
    if not fitting.video:
        return found
    factors = _FACTORS.get(usual_video(container))
    if factors is None:  # older encoders have no such factor: what they take at least is a word
        return {**found, "quality": "good"}
    return {**found, "crf": factors[level] if quality is None else _factor(factors, quality)}


def _factor(factors: tuple[int, int, int], quality: int) -> int:
    """The levels lie at 75, 50 and 25 of 100."""
    best, _, least = factors
    return round(best + (75 - quality) * (least - best) / 50)


def _unfit(name: str, message: str) -> InvalidSetting:
    error = InvalidSetting(f"{name}: {message}.")
    error.param = name
    return error
