"""Presets whose file is a playlist of HLS: a film in many files. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from framemill.errors import InvalidSetting
from framemill.jobs.commander import read_preset
from framemill.jobs.settings import OutputSettings

PLAYLIST = ".m3u8"
"""How the file's name ends."""

_SEGMENTS = MappingProxyType({"mpegts": "ts", "fmp4": "cmaf"})
_HLS_SECONDS = 2.0
"""ffmpeg's own (https://ffmpeg.org/ffmpeg-formats.html#hls-2)."""
_SO_ANYWAY = frozenset(
    {"hls_list_size", "hls_playlist_type", "hls_segment_filename", "hls_fmp4_init_filename", "start_number"}
    | {"hls_flags", "master_pl_name", "hls_base_url", "hls_allow_cache", "hls_init_time"}
)
"""What a package is, or is called, whatever they say."""
_ON_THE_GRID = {"gop_frames", "gop_seconds", "container"}
_FILM = "film.mp4"
"""What its words and fields are read for: segments hold what an MP4 does."""
_GRID_KEYS = frozenset({"min-keyint", "scenecut"})


def package_of(given: Mapping[str, Any]) -> OutputSettings:
    """A film in HLS's segments. Its keyframes begin the segments, whatever is said of them.

    Raises `InvalidSetting`, naming what cannot be taken.
    """
    film, said = _apart(given)
    changes = _segments(said)
    plain = film.model_dump(exclude_unset=True, exclude=_ON_THE_GRID)
    keys = {name: value for name, value in film.encoder_options.items() if name not in _GRID_KEYS}
    try:
        return OutputSettings.model_validate({**plain, "encoder_options": keys, "container": "package", **changes})
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise InvalidSetting(f"The preset: {why}.") from None


def without_container(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A form without the container that it names: what the file is called counts."""
    form = given.get("format")
    if not isinstance(form, Mapping):
        return given
    return {**given, "format": {name: value for name, value in form.items() if name != "container"}}


def _apart(given: Mapping[str, Any]) -> tuple[OutputSettings, dict[str, str]]:
    """What is said of the film, and of its segments by the names of ffmpeg's options."""
    raw = given.get("raw")
    if not isinstance(raw, list) or not raw or not all(isinstance(item, str) for item in raw):
        return read_preset(without_container(given), _FILM).settings, {}
    words, said = [word for item in raw for word in item.split()], {}
    rest: list[str] = []
    while words:
        word = words.pop(0)
        name = word.removeprefix("-")
        if word.startswith("-") and (name == "f" or name.startswith("hls_") or name in _SO_ANYWAY):
            said[name] = words.pop(0) if words else ""
        else:
            rest.append(word)
    if said.pop("f", "hls") != "hls":
        raise InvalidSetting(f"output: a file that ends in {PLAYLIST} is written by -f hls.")
    return read_preset({"raw": rest}, _FILM).settings, said


def _segments(said: Mapping[str, str]) -> dict[str, Any]:
    unknown = sorted(said.keys() - _SO_ANYWAY - {"hls_time", "hls_segment_type"})
    if unknown:
        raise InvalidSetting(f"-{unknown[0]}: of HLS -hls_time and -hls_segment_type are taken.")
    kind = said.get("hls_segment_type", "mpegts")
    if kind not in _SEGMENTS:
        raise InvalidSetting(f"-hls_segment_type {kind}: there are {', '.join(_SEGMENTS)}.")
    try:
        seconds = float(said.get("hls_time", _HLS_SECONDS))
    except ValueError:
        raise InvalidSetting(f"-hls_time {said['hls_time']}: it takes seconds, such as 4.") from None
    single = "single_file" in said.get("hls_flags", "")
    return {
        "segment_seconds": seconds,
        "segments": _SEGMENTS[kind],
        "manifests": ("hls",),
        "segment_files": "ranges" if single else "files",
    }
