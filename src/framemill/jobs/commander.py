"""Presets of other farms in the two JSON shapes of Open Encoder, read into output settings.

`{"raw": [...]}` is ffmpeg's own words. The other shape is a form's template, as ffmpeg-commander exports it: its fields
are turned into the same words, so that one allow-list judges both. Each field of the form is in `FIELDS`: it becomes
words, or nothing because it says what is so anyway, or it is refused with the reason.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from framemill.errors import InvalidSetting
from framemill.jobs.encoders.notation import shown
from framemill.jobs.settings import Container, OutputSettings
from framemill.jobs.words.reading import changes, read_words


class Preset(NamedTuple):
    """What a preset of another farm asks for."""

    settings: OutputSettings
    told: tuple[str, ...] = ()
    """What is made otherwise than there, a sentence each."""


def read_preset(data: str | Mapping[str, Any], output: str = "") -> Preset:
    """The settings that a preset's `data` asks for; `output`: the name of its file, whose suffix says the container.

    Raises `InvalidSetting` or `UnknownSetting`, naming the word or the field that is refused.
    """
    given = _loaded(data)
    raw = given.get("raw")
    if raw is not None and not (isinstance(raw, list) and all(isinstance(item, str) for item in raw)):
        raise InvalidSetting('raw is a list of texts, such as ["-c:v libx264", "-crf 23"].')
    if raw:
        return _settings([word for item in raw for word in item.split()], _container("", output), ())
    words, container, told = _form(given)
    return _settings(words, _container(_unset(container), output), told)


def _loaded(data: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except json.JSONDecodeError as error:
            raise InvalidSetting(f"The preset is no JSON: {error.msg} at character {error.pos}.") from None
    if not isinstance(data, Mapping):
        raise InvalidSetting("A preset is an object with raw, or with format, video, audio and filter.")
    return data


def _settings(words: Sequence[str], container: Container, told: tuple[str, ...]) -> Preset:
    """Two words are said otherwise here: `-f` names the container, and `-y` goes without saying."""
    rest, named = _own_words(words)
    base = OutputSettings(container=_container(named, "") if named else container)
    found = changes(read_words(rest), base, {})
    sized = {"width", "height"} & {name for name, value in found.items() if value is not None}
    enlarged = {"upscale": True} if sized else {}  # there a size is the size, whatever the source has
    try:
        given = {**base.model_dump(exclude_unset=True), **found, **enlarged}
        return Preset(OutputSettings.model_validate(given), told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidSetting(f"The preset: {first['msg'].removeprefix('Value error, ')}.") from None


def _own_words(words: Sequence[str]) -> tuple[list[str], str]:
    rest, container = [], ""
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "-f" and left:
            container = left.pop(0)
        elif word != "-y":
            rest.append(word)
    return rest, container


#: What ffmpeg calls the containers, where that is not our name.
_FORMATS = MappingProxyType(
    {"matroska": "mkv", "mpegts": "ts", "asf": "wmv", "mpeg": "mpg", "ipod": "m4a", "adts": "m4a", "m4v": "mp4"}
)


def _container(name: str, output: str) -> Container:
    """The container by its name, else by the file's suffix, else MP4."""
    _, _, file = output.rpartition("/")
    suffix = file.rpartition(".")[2].lower() if "." in file else ""
    wanted = name.lower() or suffix or "mp4"
    wanted = _FORMATS.get(wanted, wanted)
    for known in get_args(Container):
        if wanted == known != "package":
            found: Container = known
            return found
    raise InvalidSetting(f"{shown(wanted)!r} is no container that is written here; there are {', '.join(_CONTAINERS)}.")


_CONTAINERS = tuple(name for name in get_args(Container) if name != "package")


class _Said(NamedTuple):
    """One field of the form with its value, beside all the others."""

    field: str
    value: str
    form: Mapping[str, str]

    def refuse(self, why: str) -> InvalidSetting:
        """The error that names the field."""
        return InvalidSetting(f"{self.field}={shown(self.value)}: {why}.")

    def of(self, field: str) -> str:
        """Another field's value; empty where it is unset."""
        return _unset(self.form.get(field, ""))


_Field = Callable[[_Said], list[str]]
"""The words that a field becomes; raises `InvalidSetting` where it cannot."""
_DROPPED = frozenset({"video.codec", "audio.codec"})
"""Where `none` means that nothing of it is wanted."""
_UNSET = frozenset({"", "auto", "none", "source", "false", "null"})


def _unset(value: str) -> str:
    return "" if value.lower() in _UNSET else value


def _form(given: Mapping[str, Any]) -> tuple[list[str], str, tuple[str, ...]]:
    form = dict(_flat(given))
    unknown = sorted(form.keys() - FIELDS.keys())
    if unknown:
        raise InvalidSetting(f"{shown(unknown[0])}: a preset has no such field; there are {', '.join(sorted(FIELDS))}.")
    words: list[str] = []
    chain: list[str] = []
    for field, read in FIELDS.items():
        value = form.get(field, "")
        value = value if field in _DROPPED and value.lower() == "none" else _unset(value)
        said = read(_Said(field, value, form)) if value else []
        if said[:1] == [_FILTER]:  # of several ffmpeg takes the last one: they are one chain
            chain += said[1:]
        else:
            words += said
    if chain:
        words += [_FILTER, ",".join(chain)]
    return words, form.get("format.container", ""), tuple(_told(form))


_FILTER = "-vf"


#: Other names of the same groups and fields: today's ffmpeg-commander, and what the form itself has by two names.
_GROUPS = MappingProxyType({"filters": "filter"})
_ALIASES = MappingProxyType(
    {
        "audio.sample_rate": "audio.sampleRate", "video.gop_size": "video.gopsize", "video.gopSize": "video.gopsize",
        "video.pixelFormat": "video.pixel_format", "video.frameRate": "video.frame_rate",
        "video.codecOptions": "video.codec_options", "format.start_time": "format.startTime",
        "format.stop_time": "format.stopTime", "audio.channels": "audio.channel",
    }
)  # fmt: skip


def _flat(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """`group.field` and its value as text, each by one name; `raw` that is empty and `output` aside."""
    for group, fields in given.items():
        if group in {"raw", "output"}:
            continue
        name = _GROUPS.get(group, group)
        if fields is None:
            continue
        if not isinstance(fields, Mapping):
            raise InvalidSetting(f"{shown(str(group))} is a group of fields.")
        for field, value in fields.items():
            path = f"{name}.{field}"
            if isinstance(value, Mapping | list):
                raise InvalidSetting(f"{shown(path)} is one value.")
            text = str(value).lower() if isinstance(value, bool) else "" if value is None else f"{value}".strip()
            yield _ALIASES.get(path, path), text


def _nothing(_: _Said) -> list[str]:
    return []


def _refused(why: str, *usual: str) -> _Field:
    """Not taken, but for the values that change nothing."""

    def read(said: _Said) -> list[str]:
        if said.value.lower() in usual:
            return []
        raise said.refuse(why)

    return read


def _pictures(option: str) -> _Field:
    """A word of the encoder's; a form keeps its fields when the pictures are copied or left out."""
    return lambda said: [option, said.value] if _encodes(said) else []


def _encodes(said: _Said) -> bool:
    return said.form.get("video.codec", "").lower() not in {"copy", "none"}


_OF_HARDWARE = {
    f"{codec}_{maker}": encoder
    for codec, encoder in (("h264", "libx264"), ("hevc", "libx265"), ("vp9", "libvpx-vp9"), ("av1", "libsvtav1"))
    for maker in ("nvenc", "qsv", "vaapi", "amf", "videotoolbox", "v4l2m2m")
}
"""Encoders of hardware by what stands for their codec here: which machine encodes is the farm's to choose."""
_VIDEO = MappingProxyType(
    {
        **_OF_HARDWARE,
        "x264": "libx264", "h264": "libx264", "x265": "libx265", "h265": "libx265", "hevc": "libx265",
        "vp9": "libvpx-vp9", "av1": "libsvtav1", "svtav1": "libsvtav1", "aom": "libaom-av1",
        "mpeg2": "mpeg2video", "theora": "libtheora",
    }
)  # fmt: skip
_AUDIO = MappingProxyType(
    {"opus": "libopus", "vorbis": "libvorbis", "lame": "libmp3lame", "pcm": "pcm_s16le", "wav": "pcm_s16le"}
)


def _video_codec(said: _Said) -> list[str]:
    if said.value.lower() == "none":
        return ["-vn"]
    return ["-c:v", _VIDEO.get(said.value, said.value)]


def _crf(said: _Said) -> list[str]:
    return _pictures("-crf")(said) if said.form.get("video.pass") == "crf" else []


def _bitrate(said: _Said) -> list[str]:
    return _pictures("-b:v")(said) if said.form.get("video.pass") != "crf" else []


def _capped(option: str) -> _Field:
    """Of a player's buffer; only H.264 and H.265 keep to one."""

    def read(said: _Said) -> list[str]:
        buffered = _VIDEO.get(said.of("video.codec"), said.of("video.codec")) in {"", "libx264", "libx265"}
        both = said.of("video.maxrate") and said.of("video.bufsize")
        return [option, said.value] if buffered and both and _encodes(said) else []

    return read


def _pass(said: _Said) -> list[str]:
    if said.value not in {"1", "2", "crf"}:
        raise said.refuse("it is 1, 2 or crf")
    return ["-pass", "2"] if said.value == "2" and _encodes(said) else []


def _speed_option(said: _Said) -> list[str]:
    vp9 = _VIDEO.get(said.of("video.codec"), said.of("video.codec")) == "libvpx-vp9"
    return _pictures("-cpu-used" if vp9 else "-preset")(said)


def _codec_options(said: _Said) -> list[str]:
    """The encoder's own keys, between colons; some write commas."""
    options = {"libx264": "-x264-params", "libx265": "-x265-params", "libsvtav1": "-svtav1-params", "": "-x264-params"}
    codec = _VIDEO.get(said.of("video.codec"), said.of("video.codec"))
    if codec not in options:
        raise said.refuse("keys of the encoder's own are taken for x264, x265 and av1")
    return [options[codec], said.value.replace(" ", "")]


_SIDE = re.compile("[1-9][0-9]{0,4}")


def _size(said: _Said) -> list[str]:
    """A number is a width of a widescreen picture, else a height; `custom` has both beside it."""
    if not _encodes(said):
        return []
    if said.value == "custom":
        sides = [said.of("video.width"), said.of("video.height")]
        if not any(_SIDE.fullmatch(side) for side in sides):
            raise said.refuse("it needs width or height in pixels")
        width, height = (side if _SIDE.fullmatch(side) else "-2" for side in sides)
        return [_FILTER, f"scale={width}:{height}"]
    if not _SIDE.fullmatch(said.value):
        raise said.refuse("it is source, custom, or a number of pixels")
    return [_FILTER, f"scale={said.value}:-2" if said.of("video.format") == "widescreen" else f"scale=-2:{said.value}"]


_CHANNELS = MappingProxyType(
    {"mono": "1", "stereo": "2", "1": "1", "2": "2", "5.1": "6", "6": "6", "7.1": "8", "8": "8"}
)


def _sounds(said: _Said) -> bool:
    return said.form.get("audio.codec", "").lower() not in {"copy", "none"}


def _channel(said: _Said) -> list[str]:
    if said.value not in _CHANNELS:
        raise said.refuse(f"it is source, {', '.join(_CHANNELS)}")
    return ["-ac", _CHANNELS[said.value]] if _sounds(said) else []


def _audio_codec(said: _Said) -> list[str]:
    if said.value.lower() == "none":
        return ["-an"]
    if said.value.lower() == "copy" and _cut(said.form):
        return []  # the container's usual one
    return ["-c:a", _AUDIO.get(said.value, said.value)]


def _audio_rate(said: _Said) -> list[str]:
    if said.value == "custom" or not _sounds(said):
        return []
    return ["-b:a", said.value if said.value.endswith(("k", "K", "M")) else f"{said.value}k"]


def _custom_rate(said: _Said) -> list[str]:
    return _audio_rate(said) if said.form.get("audio.quality") in {"custom", ""} else []


def _sample_rate(said: _Said) -> list[str]:
    return ["-ar", said.value] if _sounds(said) else []


def _cut(form: Mapping[str, str]) -> bool:
    times = (_unset(form.get(name, "")) for name in ("format.startTime", "format.stopTime"))
    return form.get("format.clip") == "true" and any(times)


def _clipped(option: str) -> _Field:
    return lambda said: [option, said.value] if said.form.get("format.clip") == "true" else []


_STEPS = MappingProxyType({"default": "", "light": "2:1.5:3:2.25", "medium": "4:3:6:4.5", "heavy": "8:6:12:9"})


def _denoise(said: _Said) -> list[str]:
    if said.value not in _STEPS:
        raise said.refuse(f"it is none, {', '.join(_STEPS)}")
    return [_FILTER, f"hqdn3d={_STEPS[said.value]}"] if _STEPS[said.value] and _encodes(said) else []


_FIELDS_OF = MappingProxyType({"frame": "0", "field": "1", "frame_nospatial": "0", "field_nospatial": "1"})


def _deinterlace(said: _Said) -> list[str]:
    if said.value not in _FIELDS_OF:
        raise said.refuse(f"it is none, {', '.join(_FIELDS_OF)}")
    return [_FILTER, f"yadif={_FIELDS_OF[said.value]}"] if _encodes(said) else []


_COLOURS = "brightness, contrast and colours stay the source's"
_NO_FILTER = "no setting has this filter; leave it out"
FIELDS: Mapping[str, _Field] = MappingProxyType(
    {
        "format.container": _nothing,  # it is asked for first of all
        "format.clip": _nothing,  # whether the times count
        "format.startTime": _clipped("-ss"),
        "format.stopTime": _clipped("-to"),
        "video.codec": _video_codec,
        "video.preset": _speed_option,
        "video.hardware_acceleration_option": _refused("where pictures are encoded is the setting hardware", "off"),
        "video.pass": _pass,
        "video.crf": _crf,
        "video.bitrate": _bitrate,
        "video.minrate": _nothing,  # neither x264 nor x265 looks at it
        "video.maxrate": _capped("-maxrate"),
        "video.bufsize": _capped("-bufsize"),
        "video.gopsize": _pictures("-g"),
        "video.pixel_format": _pictures("-pix_fmt"),
        "video.frame_rate": _pictures("-r"),
        "video.speed": _refused("the speed stays the source's", "1", "1.0", "1x"),
        "video.tune": _pictures("-tune"),
        "video.profile": _pictures("-profile:v"),
        "video.level": _pictures("-level"),
        "video.faststart": _nothing,  # MP4 and MOV always are
        "filter.deinterlace": _deinterlace,
        "filter.denoise": _denoise,
        "video.size": _size,
        "video.width": _nothing,  # of a custom size
        "video.height": _nothing,
        "video.format": _nothing,  # which side a size is
        "video.aspect": _nothing,  # it changes nothing there either
        "video.scaling": _refused("one kernel makes the same pixels everywhere", "bicubic"),
        "video.codec_options": _codec_options,
        "audio.codec": _audio_codec,
        "audio.channel": _channel,
        "audio.quality": _audio_rate,
        "audio.bitrate": _custom_rate,
        "audio.sampleRate": _sample_rate,
        "audio.volume": _refused("the level is the setting loudness, in LUFS", "100", "0", "1"),
        "filter.deband": _refused(_NO_FILTER),
        "filter.deshake": _refused(_NO_FILTER),
        "filter.deflicker": _refused(_NO_FILTER),
        "filter.dejudder": _refused(_NO_FILTER),
        "filter.brightness": _refused(_COLOURS, "0", "0.0"),
        "filter.contrast": _refused(_COLOURS, "1", "1.0"),
        "filter.saturation": _refused(_COLOURS, "0", "0.0", "1", "1.0"),
        "filter.gamma": _refused(_COLOURS, "0", "0.0", "1", "1.0"),
        "filter.acontrast": _refused("the sound's dynamics stay", "33", "0"),
    }
)
"""By `group.field`, in the order of their words."""


def _told(form: Mapping[str, str]) -> Iterator[str]:
    """What of a form is made otherwise than by its own farm."""
    codec = _VIDEO.get(form.get("video.codec", ""), form.get("video.codec", ""))
    if codec == "libvpx-vp9" and (_unset(form.get("video.maxrate", "")) or _unset(form.get("video.bufsize", ""))):
        yield "maxrate and bufsize are left out: the vp9 encoder keeps to its bitrate on average."
    if form.get("audio.codec", "").lower() == "copy" and _cut(form):
        yield "the sound is encoded and not copied: packets cannot be cut at any sample."
    if _unset(form.get("filter.deinterlace", "")):
        yield "deinterlacing is done by bwdif instead of yadif."
    if _unset(form.get("filter.denoise", "")) not in {"", "default"}:
        yield "denoising is done by hqdn3d."
