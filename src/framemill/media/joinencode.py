"""Encodes the sounds of several inputs as one track, by one process where that comes out right.

ffmpeg builds a graph anew where a source changes its sample rate or channels on the way (broadcasts do), and all that
was counted until then is forgotten, of every input. The track's length shows it. Then each sound is decoded to samples
by a process of its own, which counts nothing, and these are joined.
"""

import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from framemill.media import ffmpeg
from framemill.media.index import parse_framehash
from framemill.media.joinsound import Shape, joined_sound_command, part_samples, rendered_command, shape_of
from framemill.media.sound import Prepared
from framemill.media.title import Title

_BLOCK_SECONDS = 0.25  # no codec's block is longer


async def encode_joined(
    title: Title, prepared: Sequence[Prepared | None], path: Path, on_progress: Callable[[dict[str, str]], None]
) -> str:
    """Write the track; what ffmpeg had to say. Raises as `joined_sound_command` does, and `FfmpegFailed`."""
    shape = shape_of(title)
    expected = _seconds(title, shape)
    if expected is not None:
        ran = await ffmpeg.ffmpeg(joined_sound_command(title, prepared, path), on_progress=on_progress)
        if abs(await _length(path) - expected) <= _BLOCK_SECONDS:
            return ran.stderr
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".samples-") as folder:
        said = ""
        rendered: list[Path | None] = []
        for number, (part, sound) in enumerate(zip(title.parts, prepared, strict=True)):
            rendered.append(None if sound is None else Path(folder, f"{number}.f32"))
            if sound is not None:
                argv = rendered_command(part, sound, shape, Path(folder, f"{number}.f32"))
                said += (await ffmpeg.ffmpeg(argv)).stderr
        argv = joined_sound_command(title, prepared, path, rendered)
        return said + (await ffmpeg.ffmpeg(argv, on_progress=on_progress)).stderr


def _seconds(title: Title, shape: Shape) -> float | None:
    """How long the track shall be; none: nobody knows, without pictures."""
    counts = part_samples(title, shape.rate)
    known = [count for count in counts if count is not None]
    return sum(known) / shape.rate if len(known) == len(counts) else None


async def _length(path: Path) -> float:
    """Seconds of all packets of an encoded track; their times do not tell, where they were counted anew."""
    listed = ["-map", "0:a:0", "-c", "copy", "-f", "framehash", "-hash", "adler32", "-"]
    ran = await ffmpeg.ffmpeg(["-nostdin", "-v", "error", "-i", str(path), *listed])
    header, rows = parse_framehash(ran.stdout.decode())
    return float(sum(row.duration for row in rows) * Fraction(header["tb"]))
