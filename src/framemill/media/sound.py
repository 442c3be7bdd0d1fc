"""Sound and text tracks, encoded once and whole, beside the pictures.

The sound travels to the join as MP4, which keeps the encoder's priming (other containers lose it); Opus for Matroska
and WebM travels as WebM, which also keeps where the last packet ends.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from framemill.jobs.settings import OutputSettings
from framemill.media.options import AUDIO_CPU_FLAGS, Options, audio_encoder, channel_layout

_TEXT_CODECS = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
#: What a text track becomes in each container.
_TEXT_IN = {"mp4": "mov_text", "mov": "mov_text", "mkv": "srt", "webm": "webvtt"}
_TEXT_FILES = {"mov_text": "mp4", "srt": "matroska", "webvtt": "webm"}


#: ffmpeg's muxer of each container.
MUXERS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm"}

_QUIET = ("-nostdin", "-v", "error")
# Nothing of the source's tags comes along by accident: the join sets what belongs there.
_BARE = {"fflags": "+bitexact", "map_metadata": "-1", "map_chapters": "-1"}


def carrier(settings: OutputSettings) -> str:
    """The container that the encoded sound travels in."""
    if settings.audio_codec == "copy" and settings.container in {"webm", "mkv"}:
        return "matroska"
    return "webm" if settings.audio_codec == "opus" and settings.container in {"webm", "mkv"} else "mp4"


def sound_command(
    source: str, rank: int, stream: dict[str, Any], settings: OutputSettings, start: Fraction, path: Path
) -> list[str]:
    """Arguments for ffmpeg that encode (or copy) audio stream number `rank` whole; the result begins at 0.

    `start`: where the stream starts in the source, in seconds.
    """
    sound = ffmpeg.input(source, copyts=None, threads="1")[f"a:{rank}"]
    if settings.audio_codec == "copy":
        options: Options = {"c:a": "copy", "output_ts_offset": f"{-float(start):.6f}"}
    else:
        channels = int(stream.get("channels", 0))
        sound = sound.filter("asetpts", "PTS-STARTPTS")
        layout = channel_layout(settings, channels)
        if layout is not None:
            sound = sound.filter("aformat", channel_layouts=layout)
        options = audio_encoder(settings, int(stream.get("sample_rate", 0)), channels)
    output = ffmpeg.output(sound, str(path), f=carrier(settings), **_BARE, **options)
    argv: list[str] = output.global_args(*_QUIET, *AUDIO_CPU_FLAGS).overwrite_output().get_args()
    return argv


def text_tracks(facts: dict[str, Any], settings: OutputSettings) -> list[tuple[int, str]]:
    """(rank among the subtitle streams, language) of the text tracks that the output's container takes."""
    if settings.subtitles == "none" or settings.container not in _TEXT_IN:
        return []
    streams = [stream for stream in facts["streams"] if stream["codec_type"] == "subtitle"]
    return [
        (rank, stream.get("tags", {}).get("language", ""))
        for rank, stream in enumerate(streams)
        if stream.get("codec_name") in _TEXT_CODECS
    ]


def text_command(source: str, rank: int, settings: OutputSettings, zero: Fraction, path: Path) -> list[str]:
    """Arguments for ffmpeg that convert one text track; its times count from `zero` seconds of the source."""
    codec = _TEXT_IN[settings.container]
    text = ffmpeg.input(source, copyts=None)[f"s:{rank}"]
    offset = {"c:s": codec, "output_ts_offset": f"{-float(zero):.6f}"}
    output = ffmpeg.output(text, str(path), f=_TEXT_FILES[codec], **_BARE, **offset)
    argv: list[str] = output.global_args(*_QUIET).overwrite_output().get_args()
    return argv


def remux_command(source: str, rank: int | None, texts: list[int], settings: OutputSettings, path: Path) -> list[str]:
    """Arguments for ffmpeg that copy the source's own packets into the output's container; `rank`: audio stream."""
    container = settings.container
    read = ffmpeg.input(source)
    streams = [read["V:0"]] + ([read[f"a:{rank}"]] if rank is not None else []) + [read[f"s:{text}"] for text in texts]
    options: Options = {"c:v": "copy", "copyinkf": None, "fflags": "+bitexact", "f": MUXERS[container]}
    if rank is not None:
        options |= {"c:a": "copy"} if settings.audio_codec == "copy" else audio_encoder(settings, 0, 0)
    if texts:
        options["c:s"] = _TEXT_IN[container]
    if container in {"mp4", "mov"}:
        options["movflags"] = "+faststart"
    output = ffmpeg.output(*streams, str(path), **options)
    argv: list[str] = output.global_args(*_QUIET, *AUDIO_CPU_FLAGS).overwrite_output().get_args()
    return argv
