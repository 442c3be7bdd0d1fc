"""Sound and text tracks, encoded once and whole, beside the pictures.

The sound travels to the join in the family of its last container: each says in its own way how much of the first
packet is the encoder's priming, and only MP4 and Matroska keep it.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from framemill.jobs.settings import OutputSettings
from framemill.media.options import AUDIO_CPU_FLAGS, MOST_CHANNELS, Options, audio_encoder, channel_layout
from framemill.media.source import Source

_TEXT_CODECS = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
#: What a text track becomes in each container.
_TEXT_IN = {"mp4": "mov_text", "mov": "mov_text", "mkv": "srt", "webm": "webvtt"}
_TEXT_FILES = {"mov_text": "mp4", "srt": "matroska", "webvtt": "webm"}


#: ffmpeg's muxer of each container.
MUXERS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm"}

_QUIET = ("-nostdin", "-v", "level+warning", "-max_error_rate", "1")
# Nothing of the source's tags comes along by accident: the join sets what belongs there.
_BARE = {"fflags": "+bitexact", "map_metadata": "-1", "map_chapters": "-1"}


# The sound of a package is read while it is still being encoded: in fragments of a second, each on the disk when it is
# whole. `delay_moov` keeps the priming; the packets are those of an MP4 in one piece, to the byte and the tick.
_GROWING = {"movflags": "delay_moov+default_base_moof", "frag_duration": "1000000", "flush_packets": "1"}


def carrier(settings: OutputSettings) -> str:
    """The container that the encoded sound travels in."""
    return "matroska" if settings.container in {"mkv", "webm"} else "mp4"


def sound_command(source: Source, settings: OutputSettings, path: Path) -> list[str]:
    """Arguments for ffmpeg that encode (or copy) the chosen audio stream whole; the result begins at 0."""
    sound = ffmpeg.input(source.path, copyts=None, threads="1")[f"a:{source.sound_rank}"]
    if settings.audio_codec == "copy":
        start = source.first_sound.seconds if source.first_sound else 0
        options: Options = {"c:a": "copy", "output_ts_offset": f"{-float(start):.6f}"}
    else:
        channels = int(source.sound.get("channels", 0))
        # Counted from its own start, by its time: a filter that is rebuilt on the way must not begin anew.
        start = source.first_sound.seconds if source.first_sound else Fraction(0)
        if start:
            sound = sound.filter("asetpts", f"round(PTS-({start})/TB)")
        if fills_gaps(source):
            sound = sound.filter("aresample", **{"async": 1})
        layout = channel_layout(settings, channels)
        if channels > MOST_CHANNELS and "channels" in str(source.sound.get("channel_layout")):
            # Nobody knows where these many speakers stand: the first ones are kept.
            sound = sound.filter("pan", "7.1|" + "|".join(f"c{n}=c{n}" for n in range(MOST_CHANNELS)))
        if layout is not None:
            sound = sound.filter("aformat", channel_layouts=layout)
        options = audio_encoder(settings, int(source.sound.get("sample_rate", 0)), channels)
    growing = _GROWING if settings.container == "package" else {}
    output = ffmpeg.output(sound, str(path), f=carrier(settings), **_BARE, **growing, **options)
    argv: list[str] = output.global_args(*_QUIET, *AUDIO_CPU_FLAGS).overwrite_output().get_args()
    return argv


_HOLE_SECONDS = 0.1  # less is jitter: containers round, and phones stutter
_LONGEST_SILENCE = 60.0  # a wild time stamp is not hours of silence


def fills_gaps(source: Source) -> bool:
    """Whether holes in the sound become silence, so that what follows stays with its pictures."""
    times = source.inspection.sound
    return not times.backwards and _HOLE_SECONDS <= times.widest_gap_seconds <= _LONGEST_SILENCE


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


def remux_command(source: Source, settings: OutputSettings, path: Path) -> list[str]:
    """Arguments for ffmpeg that copy the source's own pictures, and sound where asked, into the output's container."""
    container = settings.container
    read = ffmpeg.input(source.path)
    texts = [rank for rank, _ in text_tracks(source.inspection.facts, settings)]
    # Pictures before the first keyframe are the source's, too.
    options: Options = {"c:v": "copy", "copyinkf": None, "fflags": "+bitexact", "f": MUXERS[container]}
    streams = [read["V:0"]] if source.first_picture is not None else []
    if source.first_sound is not None and settings.audio_codec != "none":
        streams.append(read[f"a:{source.sound_rank}"])
        rate, channels = int(source.sound.get("sample_rate", 0)), int(source.sound.get("channels", 0))
        copied = settings.audio_codec == "copy"
        options |= {"c:a": "copy"} if copied else audio_encoder(settings, rate, channels)
        layout = channel_layout(settings, channels) if settings.audio_channels and not copied else None
        if layout is not None:
            streams[-1] = streams[-1].filter("aformat", channel_layouts=layout)
    if texts:
        streams += [read[f"s:{rank}"] for rank in texts]
        options["c:s"] = _TEXT_IN[container]
    if container in {"mp4", "mov"}:
        options["movflags"] = "+faststart"
    output = ffmpeg.output(*streams, str(path), **options)
    argv: list[str] = output.global_args(*_QUIET, *AUDIO_CPU_FLAGS).overwrite_output().get_args()
    return argv
