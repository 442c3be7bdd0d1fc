"""What a front door asks for, checked and made into settings: a source, a destination, a preset, what changes it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from framemill.errors import InvalidSetting, SourceMissing, SourceRefused, SourceUnreadable, WrongUse
from framemill.jobs.presets import DEFAULT_PRESET, preset_named
from framemill.jobs.settings import Container, OutputSettings, RunSettings, Value, apply_assignments
from framemill.jobs.words.reading import changes, codecs_said, read_words
from framemill.jobs.words.said import Said
from framemill.media.options import pix_fmt
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
    source: str,
    destination: str,
    preset: str | None = None,
    assignments: Mapping[str, str] | None = None,
    words: Sequence[str] = (),
    *,
    source_here: bool = True,
    destination_here: bool = True,
) -> EncodeRequest:
    """Check a request and complete it with the destination's container and its usual preset.

    `words` are output options as ffmpeg has them (see `jobs/words/reading.py`). They win over the preset; a field that
    both they and an assignment name is refused. A path that is not `here` is another machine's: it is not looked at,
    and has to be absolute.

    Raises `WrongUse` and its kinds for what cannot be, `SourceMissing` where there is no such file.
    """
    name, output, run = settings_for(destination, container_of(destination), preset, assignments, words)
    for path, here in ((source, source_here), (destination, destination_here)):
        if not here and not is_remote(path) and not os.path.isabs(path):
            raise WrongUse(f"{path} is a path on the farm's machine: write it from the root.")
    found = existing(source) if source_here and not is_remote(source) else source
    target = os.path.abspath(destination) if destination_here else destination
    if source_here and destination_here:
        refuse_overwriting(found, target)
    return EncodeRequest(source=found, destination=target, preset=name, output=output, run=run)


def settings_for(
    destination: str,
    container: Container,
    preset: str | None = None,
    assignments: Mapping[str, Any] | None = None,
    words: Sequence[str] = (),
) -> tuple[str, OutputSettings, RunSettings]:
    """The preset's name, and both settings, for an output of that container; `destination` is what messages call it.

    Raises `WrongUse` and its kinds for what cannot be.
    """
    said = read_words(words)
    name = preset or _usual_preset(container, said)
    base = preset_named(name).output
    chosen = _fitted(base, container)
    assigned = dict(assignments or {})
    output, run = apply_assignments(chosen, RunSettings(), {**changes(said, chosen, assigned), **assigned})
    if output.container != container:
        raise InvalidSetting(f"container: {destination} says {container}; change the destination instead.")
    if output.encodes_video and output.pix_fmt not in {None, "source"}:
        pix_fmt(output, "yuv420p")  # raises where the encoder does not take it, whatever the source is
    return name, output, run


def refuse_overwriting(source: str, target: str) -> None:
    """Raise `WrongUse` where an output at `target` would replace the source, a local one, under whatever name."""
    if is_remote(source) or not os.path.exists(source):
        return
    for written in (target, *(os.path.join(target, name) for name in PACKAGE_FILES)):
        if os.path.exists(written) and os.path.samefile(source, written):
            raise WrongUse(f"{source} would be overwritten by its own encode; name another destination.")


def _usual_preset(container: Container, said: Sequence[Said]) -> str:
    """A folder is a package with its ladder; a file's preset is that of the codec that the words name."""
    video, audio = codecs_said(said)
    if container == "package" or video in {None, "none"} or (video == "copy" and audio != "copy"):
        return DEFAULT_PRESET[container]
    return str(video)


def existing(source: str) -> str:
    """The absolute path of a local source. Raises `SourceMissing`, `SourceRefused`, or `SourceUnreadable` if empty."""
    path = Path(source)
    try:
        if path.is_dir():
            raise SourceMissing(f"{source} is a folder; name a file in it.")
        if path.exists() and not path.is_file():
            raise SourceMissing(f"{source} is no regular file; copy what it delivers into one.")
        with path.open("rb") as file:
            empty = not file.read(1)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceMissing(f"There is no file {source}. Check the path.") from None
    except OSError as error:
        raise SourceRefused(f"{source} cannot be read: {error.strerror}. Change its mode or owner.") from None
    if empty:
        raise SourceUnreadable(f"{source} is empty.")
    return str(path.absolute())


def container_of(destination: str) -> Container:
    """A file by its suffix, else a folder: a package. Raises `WrongUse` for a suffix that is none of ours."""
    return "package" if destination.endswith("/") or Path(destination).is_dir() else container_named(destination)


def container_named(name: str) -> Container:
    """The same by the name alone, whatever is there."""
    suffix = Path(name).suffix.lower()
    if not suffix:
        return "package"
    if suffix not in FILE_SUFFIXES:
        known = ", ".join(FILE_SUFFIXES)
        raise WrongUse(f"{name}: a file ends in {known}; a name without a suffix is a folder for a package.")
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
