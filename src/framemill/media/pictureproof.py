"""The gate for pictures: each file is read back and found to be what was asked for."""

import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from pydantic import BaseModel

from framemill.errors import VerificationFailed


class PicturesRequest(BaseModel):
    """What to read back, and what it has to be."""

    path: str
    """A picture, or an archive of pictures."""
    archive: bool
    codec: str
    """As decoders call it."""
    width: int
    height: int
    """Pixels, of each."""
    files: int
    """Pictures in the archive."""
    frames: int = 1
    """Of each file."""
    seconds: list[Fraction] = []
    """Of an animation: when each frame is shown, counted from the first."""
    tick: Fraction = Fraction(1, 100)
    """Seconds that such a time may be off: what the container counts in."""


class PicturesProof(BaseModel):
    """What was found."""

    pictures: int
    frames: int
    """Over all of them."""
    width: int
    height: int
    codec: str
    largest_time_error_seconds: float = 0.0


def prove(request: PicturesRequest) -> PicturesProof:
    """Read every picture back. Raises `VerificationFailed` with the first difference."""
    if not request.archive:
        frames, worst = _read(request.path, request, request.path)
        return _proof(request, 1, frames, worst)
    with zipfile.ZipFile(request.path) as archive:
        names = [name for name in archive.namelist() if not name.endswith(".vtt")]
        if len(names) != request.files:
            raise VerificationFailed(f"The result holds {len(names)} pictures; the plan has {request.files}.")
        read = []
        for name in names:
            with archive.open(name) as file:
                read.append(_read(file, request, name))
    return _proof(request, len(names), sum(frames for frames, _ in read), max(worst for _, worst in read))


def _proof(request: PicturesRequest, pictures: int, frames: int, worst: Fraction) -> PicturesProof:
    return PicturesProof(
        pictures=pictures,
        frames=frames,
        width=request.width,
        height=request.height,
        codec=request.codec,
        largest_time_error_seconds=float(worst),
    )


def _read(file: Any, request: PicturesRequest, name: str) -> tuple[int, Fraction]:
    """Frames of one picture, and by how much the worst of their times is off."""
    what = Path(name).name
    if request.codec == "webp" and request.seconds:
        return _read_webp(Path(file).read_bytes(), request)
    times: list[Fraction] = []
    try:
        with av.open(file) as container:
            stream = container.streams.video[0]
            codec = stream.codec_context.name
            for frame in container.decode(stream):
                if (frame.width, frame.height) != (request.width, request.height):
                    raise VerificationFailed(
                        f"{what} has {frame.width}x{frame.height} pixels; the plan has "
                        f"{request.width}x{request.height}."
                    )
                times.append((frame.pts or 0) * (frame.time_base or Fraction(0)))
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise VerificationFailed(f"{what} cannot be read back: {error}.") from None
    if codec != request.codec:
        raise VerificationFailed(f"{what} is {codec}; the plan has {request.codec}.")
    if len(times) != request.frames:
        raise VerificationFailed(f"{what} holds {len(times)} frames; the plan has {request.frames}.")
    worst = Fraction(0)
    for number, (found, planned) in enumerate(zip(times, request.seconds, strict=False)):
        off = abs(found - times[0] - planned)
        if off > request.tick:
            raise VerificationFailed(f"Frame {number} of {what} is {float(off):.4f} s off its planned time.")
        worst = max(worst, off)
    return len(times), worst


def _read_webp(data: bytes, request: PicturesRequest) -> tuple[int, Fraction]:
    """The same of an animated WebP by its chunks (RFC 9649), which this build of libav does not decode.

    Its encoder shows a frame that is equal to the one before by showing that for longer.
    """
    began, starts, at = 0, [], 12
    if data[:4] != b"RIFF" or data[8:16] != b"WEBPVP8X":
        raise VerificationFailed("The result is no animated WebP.")
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if kind == b"VP8X":
            canvas = _number(body[4:7]) + 1, _number(body[7:10]) + 1
            if canvas != (request.width, request.height):
                raise VerificationFailed(f"The result has {canvas[0]}x{canvas[1]} pixels; the plan has another size.")
        if kind == b"ANMF":
            starts.append(Fraction(began, 1000))
            began += _number(body[12:15])
        at += 8 + size + size % 2
    if not starts or len(starts) > request.frames:
        raise VerificationFailed(f"The result holds {len(starts)} frames; the plan has {request.frames}.")
    worst = max(min(abs(start - planned) for planned in request.seconds) for start in starts)
    if worst > request.tick:
        raise VerificationFailed(f"A frame of the result is {float(worst):.4f} s off its planned time.")
    return len(starts), worst


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
