"""Sound and text tracks, encoded once and whole, beside the pictures.

The sound travels to the join in the family of its last container: each says in its own way how much of the first
packet is the encoder's priming, and only MP4 and Matroska keep it. A file of sound alone is written as it is.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import ffmpeg

from framemill.jobs.settings import Container, OutputSettings
from framemill.media.loudness import gain_filter
from framemill.media.options import Options
from framemill.media.soundcodecs import (
    AUDIO_CPU_FLAGS,
    MOST_CHANNELS,
    MUXERS,
    audio_encoder,
    carrier,
    channel_layout,
    unheard_lead,
)
from framemill.media.source import Source
from framemill.media.tracks import Voice, text_codec, text_tracks

_TEXT_FILES: Mapping[Container, str] = MappingProxyType(
    {"mp4": "mp4", "mov": "mp4", "webm": "webm", "package": "webvtt"}
)
#: Tags of a source that a file of sound keeps.
TAGS = (
    "title",
    "artist",
    "album",
    "album_artist",
    "track",
    "disc",
    "date",
    "genre",
    "composer",
    "comment",
    "copyright",
)

QUIET = ("-nostdin", "-v", "level+warning", "-max_error_rate", "1")
# Nothing of the source's tags comes along by accident: the join sets what belongs there.
BARE: Mapping[str, str] = MappingProxyType({"fflags": "+bitexact", "map_metadata": "-1", "map_chapters": "-1"})


# The sound of a package is read while it is still being encoded: in fragments of a second, each on the disk when it is
# whole. `delay_moov` keeps the priming; the packets are those of an MP4 in one piece, to the byte and the tick.
_GROWING = {"movflags": "delay_moov+default_base_moof", "frag_duration": "1000000", "flush_packets": "1"}


class Prepared(NamedTuple):
    """A sound whose times were followed, and whose loudness was measured."""

    voice: Voice
    keeping: Mapping[str, str] = MappingProxyType({})
    """Options of `aresample` that keep it to its times; none: it does by itself."""
    gain: float = 0.0
    """Decibels."""


def sound_command(source: Source, prepared: Prepared, settings: OutputSettings, path: Path) -> list[str]:
    """Arguments for ffmpeg that encode (or copy) one audio stream whole; the result begins at 0.

    Raises `InvalidSetting` where the codec takes no such sound.
    """
    voice = prepared.voice
    if settings.audio_codec == "copy":
        stream = ffmpeg.input(source.path, copyts=None, threads="1")[f"a:{voice.rank}"]
        options: Options = {"c:a": "copy", "output_ts_offset": f"{-float(voice.begin):.6f}"}
        return track_command(stream, settings, path, options, tags_of(source, settings))
    facts = source.sounds[voice.rank]
    sound = gain_filter(heard(source, prepared, settings), prepared.gain)
    return track_command(sound, settings, path, audio_encoder(settings, facts), tags_of(source, settings))


def track_command(
    sound: Any, settings: OutputSettings, path: Path, options: Options, tags: Mapping[str, str] | None = None
) -> list[str]:
    """Arguments for ffmpeg that write one audio stream, with these options, as it travels to the join."""
    growing = _GROWING if settings.container == "package" else {}
    output = ffmpeg.output(sound, str(path), f=carrier(settings), **BARE, **growing, **options)
    argv: list[str] = output.global_args(*QUIET, *AUDIO_CPU_FLAGS).overwrite_output().get_args()
    at = argv.index(str(path))
    said = [word for key, value in (tags or {}).items() for word in ("-metadata", f"{key}={value}")]
    return [*argv[:at], *said, *argv[at:]]


def tags_of(source: Source, settings: OutputSettings) -> dict[str, str]:
    """The tags that a file of sound alone has: those of the source, or of its stream."""
    if settings.kind != "sound":
        return {}
    tags = {**(source.sound.get("tags") or {}), **(source.inspection.facts["format"].get("tags") or {})}
    named = {key.lower(): value for key, value in tags.items()}
    return {key: named[key] for key in TAGS if named.get(key)}


def heard(source: Source, prepared: Prepared, settings: OutputSettings, **reading: str) -> Any:
    """The samples that are encoded, as a stream of ffmpeg-python: cut, without holes, and mixed to its channels.

    `reading`: further options of the input.
    """
    voice = prepared.voice
    sound = ffmpeg.input(source.path, copyts=None, threads="1", **reading)[f"a:{voice.rank}"]
    facts = source.sounds[voice.rank]
    channels = int(facts.get("channels", 0))
    # Counted from its own start, by its time: a filter that is rebuilt on the way must not begin anew.
    if voice.begin:
        sound = sound.filter("asetpts", f"round(PTS-({voice.begin})/TB)")
    if prepared.keeping:
        sound = sound.filter("aresample", **prepared.keeping)
    cut = {"start": "0"} if voice.cut else {}
    if voice.end is not None:
        cut["end"] = f"{float(voice.end - voice.begin):.6f}"
    if cut:
        sound = sound.filter("atrim", **cut)
    if channels > MOST_CHANNELS and "channels" in str(facts.get("channel_layout")):
        # Nobody knows where these many speakers stand: the first ones are kept.
        # By its name: what is said without one is escaped once too often for `=`.
        sound = sound.filter("pan", args="7.1|" + "|".join(f"c{n}=c{n}" for n in range(MOST_CHANNELS)))
    layout = channel_layout(settings, facts)
    sound = sound if layout is None else sound.filter("aformat", channel_layouts=layout)
    lead = unheard_lead(settings, facts)
    return sound.filter("atrim", start=f"{lead:.9f}").filter("asetpts", "PTS-STARTPTS") if lead else sound


def text_command(  # noqa: PLR0917
    source: Source, rank: int, settings: OutputSettings, begin: Fraction, end: Fraction | None, path: Path
) -> list[str]:
    """Arguments for ffmpeg that convert one text track; its times count from `begin` seconds of the source.

    What is over before that is left out, and what lies across it is cut; likewise at `end`.
    """
    known = [stream for stream in source.inspection.facts["streams"] if stream["codec_type"] == "subtitle"]
    codec = text_codec(settings.container, known[rank].get("codec_name", ""))
    text = ffmpeg.input(source.path, copyts=None)[f"s:{rank}"]
    first, last = f"{float(begin):.6f}", "" if end is None else f"{float(end):.6f}"
    # What has no duration (pictured subtitles) is shown until the next packet.
    gone = f"if(d,lte((pts+d)*tb,{first}),lt(pts*tb,{first}))" + (f"+gte(pts*tb,{last})" if last else "")
    ends = f"min(PTS+DURATION,{last}/TB)" if last else "PTS+DURATION"
    lasts = f"if(DURATION,{ends}-max(PTS,{first}/TB),0)"
    cut = f"noise=drop='{gone}',setts=ts='max(PTS-{first}/TB,0)':duration='{lasts}'"
    output = ffmpeg.output(
        text, str(path), f=_TEXT_FILES.get(settings.container, "matroska"), **BARE, **{"c:s": codec, "bsf:s": cut}
    )
    argv: list[str] = output.global_args(*QUIET).overwrite_output().get_args()
    return argv


def remux_command(source: Source, sounds: Sequence[Prepared], settings: OutputSettings, path: Path) -> list[str]:
    """Arguments for ffmpeg that copy the source's own pictures, and sound where asked, into the output's container."""
    container = settings.container
    read = ffmpeg.input(source.path)
    texts = [rank for rank, _ in text_tracks(source.inspection.facts, settings)]
    # Pictures before the first keyframe are the source's, too.
    options: Options = {"c:v": "copy", "copyinkf": None, "fflags": "+bitexact", "f": MUXERS[container]}
    streams = [read["V:0"]] if source.first_picture is not None else []
    copied = settings.audio_codec == "copy"
    for number, (voice, _, decibels) in enumerate(sounds):
        facts, sound = source.sounds[voice.rank], read[f"a:{voice.rank}"]
        encoder: Options = {"c:a": "copy"} if copied else audio_encoder(settings, facts)
        layout = channel_layout(settings, facts) if settings.audio_channels and not copied else None
        if layout is not None:
            sound = sound.filter("aformat", channel_layouts=layout)
        streams.append(gain_filter(sound, decibels))
        options |= (
            encoder
            if len(sounds) == 1
            else {f"{name}:{number}" if ":" in name else f"{name}:a:{number}": value for name, value in encoder.items()}
        )
    subtitles = [stream for stream in source.inspection.facts["streams"] if stream["codec_type"] == "subtitle"]
    for number, rank in enumerate(texts):
        streams.append(read[f"s:{rank}"])
        options[f"c:s:{number}"] = text_codec(container, subtitles[rank].get("codec_name", ""))
    if container in {"mp4", "mov"}:
        options["movflags"] = "+faststart"
    output = ffmpeg.output(*streams, str(path), **options)
    argv: list[str] = output.global_args(*QUIET, *AUDIO_CPU_FLAGS).overwrite_output().get_args()
    return argv
