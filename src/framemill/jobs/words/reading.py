"""ffmpeg's own words: output options as one types them for ffmpeg, read into changes to the output settings.

Nothing is handed through. Each word is looked up in a table and becomes the value of a field; what is in no table is
refused by name, with the reason or the near names. So no word can read or write another file, reach the network, or
undo what makes the bytes the same everywhere.
"""

import difflib
import functools
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from framemill.errors import InvalidSetting, UnknownSetting
from framemill.jobs.encoders.notation import shown
from framemill.jobs.encoders.sounds import SOUND_CODECS
from framemill.jobs.encoders.table import ENCODERS, JUDGED, misfit
from framemill.jobs.settings import OutputSettings
from framemill.jobs.words.readers import LIBAOM, READERS
from framemill.jobs.words.refused import WHY
from framemill.jobs.words.said import Changes, Chosen, Said

#: Other names of the same options, with their stream.
_ALIASES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "codec": ("c", ""), "vcodec": ("c", "v"), "acodec": ("c", "a"), "scodec": ("c", "s"), "ab": ("b", "a"),
        "vtag": ("tag", "v"), "vf": ("filter", "v"),
    }
)  # fmt: skip
#: Which stream is meant where none is said: the first that the option is known of.
_USUAL: Mapping[str, str] = MappingProxyType(dict(reversed(list(READERS))))
_NAMES = sorted({*_USUAL, *_ALIASES})
_SWITCHES = frozenset({"vn", "an", "sn", "dn"})
_OPTION = re.compile("-([A-Za-z0-9][A-Za-z0-9_-]*)(?::([A-Za-z])(?::([0-9]+))?)?")


def read_words(words: Sequence[str]) -> tuple[Said, ...]:
    """The options that these words are. Raises `InvalidSetting` or `UnknownSetting`, naming the first refused one."""
    found = []
    rest = list(words)
    while rest:
        said = _option(rest.pop(0))
        if said.name not in _SWITCHES:
            if not rest:
                said.refuse("its value is missing")
            said = Said(said.option, said.name, said.stream, rest.pop(0))
        found.append(said)
    return tuple(found)


def _option(word: str) -> Said:
    if not word.startswith("-") or word == "-":
        raise InvalidSetting(
            f"{shown(word)}: ffmpeg would take a word without a dash for an output file; here -o names the only one."
        )
    match = _OPTION.fullmatch(word)
    name, stream, rank = match.groups(default="") if match else (word[1:].partition(":")[0], "", "")
    said = Said(word[1:], name, stream.lower())
    if name in WHY:
        said.refuse(WHY[name])
    if match is None and name in _NAMES:
        said.refuse("of streams only v and a are named, and number 0 of each")
    if match is None or name not in _NAMES:
        near = [f"-{known}" for known in difflib.get_close_matches(name, _NAMES, n=3, cutoff=0.6)]
        hint = f"did you mean {' or '.join(near)}?" if near else "the README lists what is taken."
        raise UnknownSetting(f"{shown(word)}: no option of that name is taken here; {hint}")
    name, usual = _ALIASES.get(name, (name, _USUAL.get(name, "")))
    if rank not in {"", "0"}:
        said.refuse("of streams only v and a are named, and number 0 of each")
    if (name, said.stream or usual) not in READERS:
        said.refuse(_NO_READER.get((name, said.stream or usual), f"-{name} is taken for other streams only"))
    return Said(said.option, name, said.stream or usual)


_NO_READER = MappingProxyType(
    {
        ("c", "s"): "text tracks become what the container takes; -sn leaves them out",
        ("filter", "a"): WHY["af"],
    }
)


def codecs_said(said: Sequence[Said]) -> tuple[str | None, str | None]:
    """Our names of the codecs that pictures and sound shall have; None where nothing was said. The last word wins."""
    video = audio = None
    for option in said:
        if option.name == "c":
            if not option.stream and option.value != "copy":
                option.refuse("say -c:v for the pictures and -c:a for the sound")
            video = _codec(option, _VIDEO_CODECS) if option.stream in {"", "v"} else video
            audio = _codec(option, _AUDIO_CODECS) if option.stream in {"", "a"} else audio
    names = {option.name for option in said}
    return "none" if "vn" in names else video, "none" if "an" in names else audio


def _codec(said: Said, codecs: Mapping[str, str]) -> str:
    if said.value not in codecs:
        said.refuse(f"there are {', '.join(codecs)}")
    return codecs[said.value]


_VIDEO_CODECS: Mapping[str, str] = MappingProxyType(
    {encoder.name: codec for codec, encoder in ENCODERS.items()}
    | {"h264": "h264", "hevc": "h265", "av1": "av1", "vp9": "vp9", "copy": "copy", LIBAOM: "av1"}
    | {"mpeg4": "mpeg4", "mpeg2video": "mpeg2", "flv": "flv1", "wmv2": "wmv2", "libtheora": "theora"}
)
_AUDIO_CODECS: Mapping[str, str] = MappingProxyType(
    {encoder.name: codec for codec, encoder in SOUND_CODECS.items()} | {"mp3": "mp3", "copy": "copy"}
)


def changes(said: Sequence[Said], base: OutputSettings, assigned: Mapping[str, Any]) -> Changes:
    """The fields of `base` that those options change, beside what `--set` assigns to it.

    The words win over the preset: another codec comes with its own defaults, and one way to say the rate replaces the
    others. A field that both a word and `--set` name is refused, since neither is the later one. Of two equal options
    the last wins, as in ffmpeg. Raises `InvalidSetting`.
    """
    video, audio = codecs_said(said)
    chosen = Chosen(
        video=video or str(assigned.get("video_codec", base.video_codec)),
        audio=audio or str(assigned.get("audio_codec", base.audio_codec)),
    )
    found: Changes = {}
    keys: dict[str, str] = {}
    for option in said:
        for name, value in READERS[option.name, option.stream](option, chosen).items():
            if name in assigned:
                option.refuse(f"--set {name} says so, too; say it once")
            if name == "encoder_options":
                keys |= value
            else:
                found[name] = _fitting(option, name, value, chosen)
    new = _given_up(found, base, chosen)
    if keys:
        new["encoder_options"] = {**new.get("encoder_options", base.encoder_options), **keys}
    return {name: value for name, value in new.items() if name not in assigned} | found


def _given_up(found: Changes, base: OutputSettings, chosen: Chosen) -> Changes:
    """What the preset loses: all that it says of another codec, or the other ways to say the same."""
    said = found.keys()
    others = {name for word, names in _INSTEAD.items() if word in said for name in names}
    lost: Changes = {name: None for name in sorted(others) if getattr(base, name) is not None}
    if chosen.video != base.video_codec:
        rates = ("bitrate", "maxrate", "bufsize", "gop_frames")
        lost |= dict.fromkeys((*JUDGED, *rates)) | {"encoder_options": {}}
    elif said & _RATES:
        lost |= dict.fromkeys(_RATES)
    if base.encoder is not None and (chosen.video != base.video_codec or "encoder_preset" in said):
        lost["encoder"] = None
    if base.passes != 1 and "passes" not in said and (said & _RATES or chosen.video != base.video_codec):
        lost["passes"] = 1
    return lost


_RATES = frozenset({"crf", "qp", "bitrate"})
#: Words of the settings that a figure takes the place of.
_INSTEAD: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "crf": ("quality", "bitrate_tier"), "qp": ("quality", "bitrate_tier"), "bitrate": ("quality", "bitrate_tier"),
        "encoder_preset": ("speed",), "gop_frames": ("gop_seconds",), "pix_fmt": ("bit_depth",),
        "width": ("size",), "height": ("size",), "end": ("duration",), "duration": ("end",),
    }
)  # fmt: skip


def _fitting(said: Said, name: str, value: Any, chosen: Chosen) -> Any:
    """The value as the field takes it; refused where the field or the encoder does not."""
    try:
        fitting = _type_of(name).validate_python(value)
    except ValidationError as error:
        said.refuse(error.errors(include_url=False)[0]["msg"].removeprefix("Value error, "))
    if name in JUDGED and (why := misfit(chosen.video, name, fitting)) is not None:
        said.refuse(why)
    return fitting


@functools.cache
def _type_of(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(OutputSettings.model_fields[name].rebuild_annotation())
