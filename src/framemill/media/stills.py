"""Single frames of a film as pictures for a web page."""

import tempfile
from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

import ffmpeg

from framemill.errors import MediaError
from framemill.media.ffmpeg import ffmpeg as run_ffmpeg
from framemill.media.index import FirstFrame
from framemill.media.options import SWS_FLAGS

#: Pixels of the longer side: enough to tell a soft picture from a sharp one, beside another one on a large screen.
LONGEST = 960
_QUALITY = "92"  # of WebP: what is left to see is the film's own loss


def still_size(first: FirstFrame) -> tuple[int, int]:
    """Size of a still in pixels: square ones, the frame's aspect, no side above `LONGEST`, never enlarged."""
    aspect = Fraction(first.sample_aspect_ratio) or Fraction(1)  # 0: unknown
    width = first.width * max(aspect, Fraction(1))  # pixels that are not square grow the short way
    height = first.height / min(aspect, Fraction(1))
    scale = min(LONGEST / max(width, height), Fraction(1))
    return max(1, round(width * scale)), max(1, round(height * scale))


async def stills(path: str, frames: Collection[int], size: tuple[int, int]) -> dict[int, bytes]:
    """Those frames of a film, by number, each as a WebP of that size. Raises `MediaError` when one is not there.

    The film is decoded from its start: a seek would have to be proven exact for every kind of file.
    """
    wanted = sorted(set(frames))
    with tempfile.TemporaryDirectory(prefix="framemill-") as folder:
        await run_ffmpeg(stills_command(path, wanted, size, Path(folder)))
        found = _read(Path(folder))
    if len(found) != len(wanted):
        raise MediaError(f"{path} delivers {len(found)} of the frames {', '.join(map(str, wanted))}; encode it again.")
    return dict(zip(wanted, found, strict=True))


def _read(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(folder.iterdir())]


def stills_command(path: str, frames: Collection[int], size: tuple[int, int], folder: Path) -> list[str]:
    """Arguments for ffmpeg that write the frames of these numbers into a folder, in their order."""
    stream = ffmpeg.input(path, copyts=None, reinit_filter="0")["V:0"]
    stream = stream.filter("select", "+".join(f"eq(n,{frame})" for frame in frames))
    stream = stream.filter("scale", *size, flags=SWS_FLAGS).filter("format", "bgra")
    output = ffmpeg.output(
        stream,
        f"{folder}/".replace("%", "%%") + "%05d.webp",
        f="image2",
        fps_mode="passthrough",
        **{"c:v": "libwebp", "quality": _QUALITY, "frames:v": str(len(frames))},
    )
    argv: list[str] = output.global_args("-nostdin", "-v", "error").get_args()
    return argv
