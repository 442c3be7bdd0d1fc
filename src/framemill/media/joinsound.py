"""The sounds of several inputs as one track, each exactly as long as its pictures.

A sound that begins late or ends early is filled up with silence, one that is longer than its pictures is cut, and an
input without sound is silent. Where the parts meet is counted in samples from the track's start, so that nothing adds
up: the sound of the last part is as near to its pictures as that of the first.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import ffmpeg

from framemill.errors import MediaError
from framemill.jobs.settings import OutputSettings
from framemill.media.loudness import gain_filter
from framemill.media.options import Options
from framemill.media.sound import QUIET, Prepared, heard, tags_of, track_command
from framemill.media.soundcodecs import AUDIO_CPU_FLAGS, audio_encoder, channel_layout, output_rate
from framemill.media.title import Title

_QUEUE = 8  # packets; ffmpeg's own
_USUAL = {"sample_rate": "48000", "channels": 2}  # where a source does not say


class Shape(NamedTuple):
    """What all parts of a track have in common."""

    settings: OutputSettings
    """By which each is heard: mixed alike, whatever each has."""
    rate: int
    """Samples a second."""
    layout: str
    leading: Title
    """The first plan of a sound."""
    options: Options
    """The encoder's."""


def shape_of(title: Title) -> Shape:
    """Rate and channels are those that the settings ask for, else the first sound's.

    Raises `MediaError` where no part has a sound, `InvalidSetting` where the codec takes no such sound.
    """
    settings = title.settings
    leading = next((part.speaker for part in title.parts if part.speaker.voices), None)
    if leading is None:
        raise MediaError("None of the inputs has a sound.")
    facts = {**_USUAL, **leading.source.sounds[leading.voices[0].rank]}
    rate = output_rate(settings, facts)
    return Shape(
        settings=settings.model_copy(update={"audio_channels": None}),
        rate=rate,
        layout=channel_layout(settings, facts) or "stereo",
        leading=leading,
        options={**audio_encoder(settings, facts), "ar": str(rate)},
    )


def joined_sound_command(
    title: Title, prepared: Sequence[Prepared | None], path: Path, rendered: Sequence[Path | None] | None = None
) -> list[str]:
    """Arguments for ffmpeg that encode the sounds of a joined title as one track, which begins at 0.

    `prepared`: each part's sound, which is as loud as the settings ask for by itself; none: it has none; `rendered`:
    its samples, where they were decoded before. Raises as `shape_of` does.
    """
    shape = shape_of(title)
    voices = []
    for number, (part, sound, samples) in enumerate(
        zip(title.parts, prepared, part_samples(title, shape.rate), strict=True)
    ):
        # A file that is joined twice is read twice: ffmpeg-python takes inputs for one that are alike in all options.
        reading = {"thread_queue_size": str(_QUEUE + number)}
        decoded = rendered[number] if rendered is not None else None
        if sound is not None:
            if decoded is None:
                stream = _heard(part, sound, shape, **reading)
            else:
                told = {"f": "f32le", "ar": str(shape.rate), "ch_layout": shape.layout}
                stream = ffmpeg.input(str(decoded), **told, **reading)["a:0"]
            lead = round((sound.voice.begin - part.speaker.span.begin) * shape.rate)
            voices.append(_exactly(stream, lead, samples).filter("asetpts", "N/SR/TB"))
        elif samples:
            silence = ffmpeg.input(f"anullsrc=r={shape.rate}:cl={shape.layout}", f="lavfi", **reading)
            voices.append(silence.filter("atrim", end_sample=samples))
    tags = tags_of(shape.leading.source, title.settings)
    return track_command(ffmpeg.concat(*voices, v=0, a=1), title.settings, path, shape.options, tags)


def rendered_command(part: Title, prepared: Prepared, shape: Shape, path: Path) -> list[str]:
    """Arguments for ffmpeg that write a part's samples, and nothing but these."""
    output = ffmpeg.output(_heard(part, prepared, shape), str(path), f="f32le", acodec="pcm_f32le")
    argv: list[str] = output.global_args(*QUIET, *AUDIO_CPU_FLAGS).overwrite_output().get_args()
    return argv


def _heard(part: Title, prepared: Prepared, shape: Shape, **reading: str) -> Any:
    sound = gain_filter(heard(part.speaker.source, prepared, shape.settings, **reading), prepared.gain)
    return sound.filter("aformat", sample_rates=shape.rate, channel_layouts=shape.layout)


def part_samples(title: Title, rate: int) -> list[int | None]:
    """How many samples each part of a joined title has; none: as many as its sound, since it shows no pictures."""
    found: list[int | None] = []
    at = Fraction(0)
    for part in title.parts:
        if part.film is None:
            found.append(None)
            continue
        span = part.film.span
        end = at + (span.end or span.begin) - span.begin
        found.append(round(end * rate) - round(at * rate))
        at = end
    return found


def _exactly(sound: Any, lead: int, samples: int | None) -> Any:
    """So many samples of a sound that begins `lead` samples late (below 0: early); none: all of it."""
    if samples is None:
        return sound
    if lead > 0:
        sound = sound.filter("adelay", delays=f"{lead}S", all=1)
    elif lead < 0:
        sound = sound.filter("atrim", start_sample=-lead)
    return sound.filter("apad", whole_len=samples).filter("atrim", end_sample=samples)
