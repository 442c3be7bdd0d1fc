"""What must be heard of a sound before it is encoded: how its times run, and how loud it is."""

from framemill.jobs.settings import OutputSettings
from framemill.media import ffmpeg
from framemill.media.index import decoded
from framemill.media.inspection import SoundRequest, followed
from framemill.media.loudness import gain, measure_command, read_loudness
from framemill.media.pace import corrections
from framemill.media.sound import Prepared, heard
from framemill.media.source import Source
from framemill.media.tracks import Voice


async def prepare(source: Source, voice: Voice, settings: OutputSettings) -> Prepared:
    """Find out what a sound needs: what keeps it to its times, and what brings it to the loudness that is asked for.

    Raises `SourceEncrypted` where it takes a key, `FfmpegFailed` where it cannot be measured.
    """
    prepared = Prepared(voice, await keeping(source, voice))
    if settings.loudness is None or settings.audio_codec in {"copy", "none"}:
        return prepared
    said = await ffmpeg.ffmpeg(measure_command(heard(source, prepared, settings)))
    return prepared._replace(gain=gain(settings, read_loudness(said.stderr)))


async def keeping(source: Source, voice: Voice) -> dict[str, str]:
    """Options of `aresample` that keep a sound to its times. Where its packets run evenly it does so by itself;
    elsewhere it is decoded once, and each frame is looked at."""
    times = source.inspection.sound
    if times is None or voice.stream != source.inspection.audio:
        times = await followed(SoundRequest(path=source.path, name=source.name, stream=voice.stream))
    first = source.first_sounds.get(voice.rank)
    if times.even or times.backwards or first is None:
        return {}
    frames, _ = await decoded(source.path, f"0:a:{voice.rank}")
    return corrections(frames, first.time_base)
