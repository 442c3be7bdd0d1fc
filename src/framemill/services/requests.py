"""What a front door asks for, checked and made into settings: a source, a destination, a preset, what changes it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from framemill.errors import InvalidSetting, SourceMissing, SourceRefused, SourceUnreadable, WrongUse
from framemill.jobs.presets import DEFAULT_PRESET, preset_named
from framemill.jobs.settings import Container, OutputSettings, RunSettings, Value, apply_assignments
from framemill.jobs.settings.kinds import FITTINGS, usual_audio, usual_video
from framemill.jobs.words.reading import changes, codecs_said, read_words
from framemill.jobs.words.said import Said
from framemill.media.options import pix_fmt
from framemill.storage.access import KIND_OF, Access
from framemill.storage.address import address_of, is_remote

#: Suffixes of files, and the container that each means; `.m2ts`, `.jpeg`… are other words for one.
FILE_SUFFIXES: Mapping[str, Container] = {
    **{f".{container}": container for container in FITTINGS if container != "package"},
    **{".m4v": "mp4", ".m2ts": "ts", ".mpeg": "mpg", ".3gpp": "3gp", ".jpeg": "jpg", ".tif": "tiff", ".oga": "ogg"},
}

#: The files of a package that carry no name of a rendition.
PACKAGE_FILES = ("video.mp4", "master.m3u8")


class EncodeRequest(Value):
    """One source into one destination."""

    source: str
    """An absolute path, or a URI as `storage.address` knows it."""
    join: tuple[str, ...] = ()
    """Further sources, likewise, that follow it."""
    destination: str
    """An absolute path, or a URI as `storage.address` knows it."""
    credentials: str | Access | None = None
    """What opens the destination, where that is elsewhere: the name of credentials in the settings, or these."""
    source_credentials: str | Access | None = None
    """What opens the sources, likewise."""
    preset: str
    output: OutputSettings
    run: RunSettings


class Openers(NamedTuple):
    """What opens what is elsewhere: names of credentials in the settings, or these."""

    source: str | Access | None = None
    destination: str | Access | None = None


def openers_for(source: str, destination: str, name: str | None, for_destination: str | None = None) -> Openers:
    """Who of the two is opened by the credentials of that name; they are both's, where both are in stores."""
    kinds = [KIND_OF[address_of(one).scheme] if is_remote(one) else None for one in (source, destination)]
    both = kinds[0] != "http" or kinds[1] is None  # most that is on the web is open
    return Openers(name if kinds[0] and both else None, (for_destination or name) if kinds[1] else None)


def encode_request(
    source: str,
    destination: str,
    preset: str | None = None,
    assignments: Mapping[str, str] | None = None,
    words: Sequence[str] = (),
    *,
    join: Sequence[str] = (),
    source_here: bool = True,
    destination_here: bool = True,
    openers: Openers = Openers(),  # noqa: B008 (immutable)
) -> EncodeRequest:
    """Check a request and complete it with the destination's container and its usual preset. `join`: further sources.

    `words` are output options as ffmpeg has them (see `jobs/words/reading.py`). They win over the preset; a field that
    both they and an assignment name is refused. A path that is not `here` is another machine's: it is not looked at,
    and has to be absolute.

    Raises `WrongUse` and its kinds for what cannot be, `SourceMissing` where there is no such file.
    """
    name, output, run = settings_for(destination, container_of(destination), preset, assignments, words)
    if join and output.unjoinable:
        raise InvalidSetting(f"Several sources cannot be joined into {destination}: {output.unjoinable}.")
    sources = (source, *join)
    for path, here in (*((one, source_here) for one in sources), (destination, destination_here)):
        if not here and "://" not in path and not os.path.isabs(path):
            raise WrongUse(f"{path} is a path on the farm's machine: write it from the root.")
    found = [existing(one) if source_here and not is_remote(one) else one for one in sources]
    target = _place(destination) if destination_here else destination
    for one in found if source_here and destination_here and "://" not in target else ():
        refuse_overwriting(one, target, progressive=output.progressive)
    return EncodeRequest(
        source=found[0],
        join=tuple(found[1:]),
        destination=target,
        credentials=openers.destination if is_remote(target) else None,
        source_credentials=openers.source,
        preset=name,
        output=output,
        run=run,
    )


def _place(destination: str) -> str:
    """The absolute path that is meant; the URI of another place as it is."""
    if "://" in destination:
        address = address_of(destination)
        return destination if address.remote else address.path
    return os.path.abspath(destination)


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


def refuse_overwriting(source: str, target: str, *, progressive: bool = False) -> None:
    """Raise `WrongUse` where an output at `target` would replace the source, a local one, under whatever name.

    `progressive`: it is a package with files of its renditions, whose names nobody knows yet.
    """
    if is_remote(source) or not os.path.exists(source):
        return
    folder, name = os.path.split(os.path.realpath(source))
    if progressive and name.endswith((".mp4", ".m4a")) and os.path.realpath(target) == folder:
        raise WrongUse(f"{source} might be overwritten by a rendition of its own; name another destination.")
    for written in (target, *(os.path.join(target, name) for name in PACKAGE_FILES)):
        if os.path.exists(written) and os.path.samefile(source, written):
            raise WrongUse(f"{source} would be overwritten by its own encode; name another destination.")


def _usual_preset(container: Container, said: Sequence[Said]) -> str:
    """A folder is a package with its ladder; a file's preset is that of the codec that the words name."""
    video, audio = codecs_said(said)
    if container not in _BY_CODEC or video in {None, "none"} or (video == "copy" and audio != "copy"):
        return DEFAULT_PRESET[container]
    return str(video)


#: Containers whose usual preset follows the codec that is named.
_BY_CODEC = frozenset({"mp4", "mov", "mkv", "webm", "ts"})


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
    if "://" in destination:
        address = address_of(destination)
        if address.scheme in {"http", "https"}:
            raise WrongUse(
                f"{address}: web servers take no outputs. There are paths on the farm's machine, s3://, gs://, az://,"
                " ftp://, ftps://, sftp:// and gdrive://; without a target the output stays here, to be downloaded."
            )
        if address.remote:
            return "package" if address.folder else container_named(PurePosixPath(address.path).name)
        destination = address.path
    return "package" if destination.endswith("/") or os.path.isdir(destination) else container_named(destination)


def place_of(settings: OutputSettings, path: str) -> str:
    """Where an output lies that was named so, or what it is called: several files are a folder, an archive a zip."""
    if not settings.several or (settings.kind == "package" and not settings.archive):
        return path
    stem = path.rstrip("/").removesuffix(Path(path).suffix)
    return f"{stem}.zip" if settings.archive else stem


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
    """The preset in that container: sound that it does not hold is replaced by its usual one, and so are pictures
    that nobody has named. Raises `WrongUse` where the preset is for other pictures."""
    fitting = FITTINGS[container]
    if container == "package" and (settings.video_codec not in fitting.video or settings.qp is not None):
        raise WrongUse("A package takes h264, h265 or av1; give the destination a suffix for a file.")
    changes: dict[str, object] = {"container": container}
    if settings.audio_codec not in {*fitting.audio, "copy", "none"} or not fitting.audio:
        changes["audio_codec"] = usual_audio(container)
    if fitting.kind in {"sound", "picture"}:
        changes["video_codec"] = "none"
    elif settings.video_codec not in {*fitting.video, "copy", "none"}:
        if fitting.kind == "whole":
            changes["video_codec"] = usual_video(container)
        else:
            holds = " or ".join(fitting.video)
            raise WrongUse(f"A .{container} file does not hold {settings.video_codec}; it holds {holds}.")
    if container != "package":
        changes["ladder"] = ()  # a file has one rendition
    return OutputSettings.model_validate({**settings.model_dump(exclude_unset=True), **changes})
