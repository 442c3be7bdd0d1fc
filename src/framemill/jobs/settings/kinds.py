"""The containers and codecs by name, what kind of output each container is, and which codecs go into it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

Container = Literal[
    "mp4", "mov", "mkv", "webm", "ts",
    "avi", "flv", "mpg", "wmv", "ogv", "3gp",
    "mp3", "wav", "ogg", "flac", "m4a", "opus",
    "jpg", "png", "webp", "bmp", "gif", "tiff",
    "package",
]  # fmt: skip
VideoCodec = Literal["h264", "h265", "av1", "vp9", "mpeg4", "mpeg2", "flv1", "wmv2", "theora", "copy", "none"]
AudioCodec = Literal[
    "aac", "opus", "mp3", "flac", "alac", "ac3", "pcm", "vorbis", "mp2", "wmav2", "copy", "none"
]  # fmt: skip

OutputKind: TypeAlias = Literal["file", "package", "whole", "sound", "picture"]
"""`file`, `package`: pictures in chunks; `whole`: one process writes the file; `sound`, `picture`: likewise."""


class Fitting(NamedTuple):
    """What goes into a container; the usual one first."""

    kind: OutputKind
    video: tuple[VideoCodec, ...]
    audio: tuple[AudioCodec, ...]


_AV: tuple[VideoCodec, ...] = ("h264", "h265", "av1")
FITTINGS: Mapping[Container, Fitting] = MappingProxyType(
    {
        "mp4": Fitting("file", (*_AV, "vp9"), ("aac", "opus", "flac", "alac", "mp3", "ac3")),
        "mov": Fitting("file", ("h264", "h265"), ("aac", "alac", "pcm", "ac3", "mp3")),
        "mkv": Fitting("file", (*_AV, "vp9"), ("aac", "opus", "flac", "alac", "mp3", "ac3", "pcm", "vorbis")),
        "webm": Fitting("file", ("vp9", "av1"), ("opus", "vorbis")),
        "ts": Fitting("file", ("h264", "h265"), ("aac", "ac3", "mp3", "mp2", "opus")),
        "avi": Fitting("whole", ("mpeg4", "h264"), ("mp3", "ac3", "pcm", "mp2", "aac")),
        "flv": Fitting("whole", ("h264", "flv1"), ("aac", "mp3")),
        "mpg": Fitting("whole", ("mpeg2",), ("mp2", "mp3", "ac3")),
        "wmv": Fitting("whole", ("wmv2",), ("wmav2",)),
        "ogv": Fitting("whole", ("theora",), ("vorbis", "opus", "flac")),
        "3gp": Fitting("whole", ("h264", "mpeg4"), ("aac",)),
        "mp3": Fitting("sound", (), ("mp3",)),
        "wav": Fitting("sound", (), ("pcm",)),
        "ogg": Fitting("sound", (), ("vorbis", "opus", "flac")),
        "flac": Fitting("sound", (), ("flac",)),
        "m4a": Fitting("sound", (), ("aac", "alac", "ac3")),
        "opus": Fitting("sound", (), ("opus",)),
        "jpg": Fitting("picture", (), ()),
        "png": Fitting("picture", (), ()),
        "webp": Fitting("picture", (), ()),
        "bmp": Fitting("picture", (), ()),
        "gif": Fitting("picture", (), ()),
        "tiff": Fitting("picture", (), ()),
        "package": Fitting("package", _AV, ("aac", "ac3")),
    }
)


def usual_video(container: Container) -> VideoCodec:
    """The codec of the pictures where none is named."""
    return next(iter(FITTINGS[container].video), "none")


def usual_audio(container: Container) -> AudioCodec:
    """The codec of the sound where none is named."""
    return next(iter(FITTINGS[container].audio), "none")


def misfit_codec(container: Container, video: VideoCodec, audio: AudioCodec) -> str:
    """Why these codecs do not go into that container; empty where they do."""
    fitting = FITTINGS[container]
    carried = {"copy", "none"} if fitting.kind in {"file", "whole"} else {"none"}
    if video not in {*fitting.video, *carried}:
        return f"{container} takes {_named(fitting.video, 'no')} pictures, not {video} (set video_codec)"
    if audio not in {*fitting.audio, *carried, *({"copy"} if fitting.kind == "sound" else ())}:
        return f"{container} takes {_named(fitting.audio, 'no')} sound, not {audio} (set audio_codec)"
    return ""


def _named(codecs: tuple[str, ...], nothing: str) -> str:
    return " or ".join(codecs) or nothing
