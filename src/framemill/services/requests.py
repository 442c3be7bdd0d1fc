"""What a front door asks for, checked and made into settings: a source, a destination, a preset, assignments."""

import os
from collections.abc import Mapping
from pathlib import Path

from framemill.errors import InvalidSetting, SourceMissing, WrongUse
from framemill.jobs.presets import DEFAULT_PRESET, preset_named
from framemill.jobs.settings import Container, OutputSettings, RunSettings, Value, apply_assignments
from framemill.storage.http import is_remote

FILE_SUFFIXES: Mapping[str, Container] = {".mp4": "mp4", ".mov": "mov", ".mkv": "mkv", ".webm": "webm"}


#: The files of a package that carry no name of a rendition.
PACKAGE_FILES = ("video.mp4", "master.m3u8")


class EncodeRequest(Value):
    """One source into one destination."""

    source: str
    """An absolute path, or an http(s) URL."""
    destination: str
    """An absolute path."""
    preset: str
    output: OutputSettings
    run: RunSettings


def encode_request(
    source: str, destination: str, preset: str | None = None, assignments: Mapping[str, str] | None = None
) -> EncodeRequest:
    """Check a request and complete it with the destination's container and its usual preset.

    Raises `WrongUse` and its kinds for what cannot be, `SourceMissing` where there is no such file.
    """
    container = container_of(destination)
    name = preset or DEFAULT_PRESET[container]
    base = preset_named(name).output
    chosen = _fitted(base, container)
    output, run = apply_assignments(chosen, RunSettings(), dict(assignments or {}))
    if output.container != container:
        raise InvalidSetting(f"container: {destination} says {container}; change the destination instead.")
    found = source if is_remote(source) else existing(source)
    target = os.path.abspath(destination)
    for written in (target, *(os.path.join(target, name) for name in PACKAGE_FILES)):
        if not is_remote(source) and os.path.exists(written) and os.path.samefile(found, written):
            raise WrongUse(f"{source} would be overwritten by its own encode; name another destination.")
    return EncodeRequest(source=found, destination=target, preset=name, output=output, run=run)


def existing(source: str) -> str:
    """The absolute path of a local source. Raises `SourceMissing`."""
    path = Path(source)
    if not path.exists():
        raise SourceMissing(f"There is no file {source}.")
    if not path.is_file():
        raise SourceMissing(f"{source} is not a file.")
    if not os.access(path, os.R_OK):
        raise SourceMissing(f"{source} cannot be read: permission denied.")
    return str(path.absolute())


def container_of(destination: str) -> Container:
    """A file by its suffix, else a folder: a package. Raises `WrongUse` for a suffix that is none of ours."""
    path = Path(destination)
    suffix = path.suffix.lower()
    if destination.endswith("/") or path.is_dir() or not suffix:
        return "package"
    if suffix not in FILE_SUFFIXES:
        known = ", ".join(FILE_SUFFIXES)
        raise WrongUse(f"{destination}: a file ends in {known}; a name without a suffix is a folder for a package.")
    return FILE_SUFFIXES[suffix]


def _fitted(settings: OutputSettings, container: Container) -> OutputSettings:
    """The preset in that container: codecs that it does not hold are replaced by the usual ones it does."""
    changes: dict[str, object] = {"container": container}
    if container == "webm" and settings.video_codec not in {"vp9", "av1", "copy"}:
        raise WrongUse(
            f"A .webm file does not hold {settings.video_codec}; use --preset vp9 or av1, or another suffix."
        )
    if container == "webm" and settings.audio_codec == "aac":
        changes["audio_codec"] = "opus"
    if container == "mov" and settings.video_codec in {"vp9", "av1"}:
        raise WrongUse(f"A .mov file does not hold {settings.video_codec}; use .mp4, .mkv or .webm.")
    if container == "package":
        if settings.video_codec not in {"h264", "h265", "av1"} or settings.qp is not None:
            raise WrongUse("A package takes h264, h265 or av1; give the destination a suffix for a file.")
        changes["audio_codec"] = "aac"
    else:
        changes["ladder"] = ()  # a file has one rendition
    return OutputSettings.model_validate({**settings.model_dump(), **changes})
