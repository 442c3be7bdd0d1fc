"""Which of a source's sounds and texts an output carries, and from when to when."""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from framemill.errors import InvalidSetting, SourceUnreadable
from framemill.jobs.settings import Container, OutputSettings, Value
from framemill.media.source import Source

_UNKNOWN = "und"


class Voice(Value):
    """One audio stream of a source, as an output takes it."""

    rank: int
    """Among the audio streams, as ffmpeg's `a:N` counts."""
    stream: int
    """Index in the file."""
    begin: Fraction
    """Seconds of the source at which it begins in the output."""
    end: Fraction | None = None
    """Where it is cut; none: it runs to its end."""
    cut: bool = False
    """Whether it began before that."""
    language: str = ""
    name: str = ""
    default: bool = True
    """Whether players choose it by themselves."""


def voices(source: Source, settings: OutputSettings, begin: Fraction | None, end: Fraction | None) -> tuple[Voice, ...]:
    """The sounds that an output carries, between those seconds of the source (none: all of it).

    Raises `InvalidSetting` for a rank that the source does not have, `SourceUnreadable` for one that has no sound.
    """
    if settings.audio_codec == "none":
        return ()
    found: list[Voice] = []
    for rank in asked_ranks(source, settings):
        first = source.first_sounds.get(rank)
        if first is None and isinstance(settings.audio_tracks, tuple):
            raise SourceUnreadable(f"Audio track {rank} of {source.name} cannot be decoded (set audio_tracks).")
        if first is None or (end is not None and first.seconds >= end):
            continue  # nothing of it can be decoded, or it begins when all is over
        stream = source.sounds[rank]
        tags = stream.get("tags") or {}
        language = tags.get("language", "")
        found.append(
            Voice(
                rank=rank,
                stream=stream["index"],
                begin=first.seconds if begin is None else max(begin, first.seconds),
                end=end,
                cut=begin is not None and first.seconds < begin,
                language="" if language == _UNKNOWN else language,
                name=tags.get("title", ""),
                default=not found,
            )
        )
    return tuple(found)


def asked_ranks(source: Source, settings: OutputSettings) -> tuple[int, ...]:
    """The ranks of the sounds that an output asks for, the one that players choose first.

    Raises `InvalidSetting` for one that the source does not have.
    """
    count = len(source.sounds)
    if settings.audio_codec == "none" or not source.sound:
        return ()
    if settings.audio_tracks == "first":
        return (source.sound_rank,)
    if settings.audio_tracks == "all":
        return (source.sound_rank, *(rank for rank in range(count) if rank != source.sound_rank))
    missing = next((rank for rank in settings.audio_tracks if rank >= count), None)
    if missing is not None:
        has = "it has one, rank 0" if count == 1 else f"it has {count}, ranks 0 to {count - 1}"
        refused = InvalidSetting(f"audio_tracks: {source.name} has no audio track of rank {missing}; {has}.")
        refused.param = "audio_tracks"
        raise refused
    return settings.audio_tracks


#: Text codecs that ffmpeg reads, by what each is kept as where a container takes it.
_TEXT_CODECS: Mapping[str, str] = MappingProxyType(
    {
        "subrip": "srt",
        "srt": "srt",
        "ass": "ass",
        "ssa": "ass",
        "mov_text": "mov_text",
        "webvtt": "webvtt",
        "text": "srt",
    }
)
_PICTURED = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"})
#: What each container takes of texts, the usual one first; `copy`: subtitles that are pictures, as they are.
_TEXT_IN: Mapping[Container, tuple[str, ...]] = MappingProxyType(
    {
        "mp4": ("mov_text",),
        "mov": ("mov_text",),
        "mkv": ("srt", "ass", "copy"),
        "webm": ("webvtt",),
        "package": ("webvtt",),
    }
)


def text_codec(container: Container, codec: str) -> str:
    """What a text track of that codec becomes in that container: ffmpeg's name, `copy`; empty: it does not go there."""
    known = _TEXT_IN.get(container, ())
    if codec in _PICTURED:
        return "copy" if "copy" in known else ""
    kept = _TEXT_CODECS.get(codec, "")
    if not kept or not known:
        return ""
    return kept if kept in known else known[0]


def text_tracks(facts: dict[str, Any], settings: OutputSettings) -> list[tuple[int, str]]:
    """(rank among the subtitle streams, language) of the text tracks that the output's container takes."""
    if settings.subtitles == "none":
        return []
    streams = [stream for stream in facts["streams"] if stream["codec_type"] == "subtitle"]
    return [
        (rank, stream.get("tags", {}).get("language", ""))
        for rank, stream in enumerate(streams)
        if text_codec(settings.container, stream.get("codec_name", ""))
    ]
