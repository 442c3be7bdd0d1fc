"""How large a file may grow that a child writes: what is planned, held as wastefully as can be. Whatever is beyond that
comes of a source that lies, or of a decoder that somebody has taken over, and would fill the disk for everybody."""

from collections.abc import Iterable

from framemill.media.plan import Chunk
from framemill.media.title import Film, Title

_PIXEL_BYTES = 8  # four planes of 16 bits; no encoder takes more for what it cannot foresee
_SOUND_BYTES = 8 * 192_000 * 4  # a second of eight channels of 32 bits
_COPIED = 4  # times the source: packets of few bytes in a container that fills up its own
_STILL = 1 << 31  # ffmpeg draws no picture of more bytes
_BESIDE = 256 << 20  # for all that a container adds, and hours of sound that a source did not tell of


def chunk_bytes(film: Film, renditions: Iterable[int], chunks: Iterable[Chunk]) -> int:
    """Of the largest of these chunks."""
    frames = max(chunk.frames for chunk in chunks)
    return _BESIDE + frames * max(_frame_bytes(film, rendition) for rendition in renditions)


def extra_bytes(title: Title, kind: str, seconds: float) -> int:
    """Of the file of an order of that kind, for an output that shows so many seconds."""
    if kind == "remux":
        told = title.source.inspection.facts.get("format", {}).get("size")
        return _BESIDE + _COPIED * int(told or 0)
    if kind == "whole" and title.film is not None:  # each picture is a file of its own, or a frame of one that moves
        return _STILL + len(title.film.shown.pts) * _frame_bytes(title.film, 0)
    return _BESIDE + round(seconds * _SOUND_BYTES)


def _frame_bytes(film: Film, rendition: int) -> int:
    picture = film.pictures[rendition]
    return picture.width * picture.height * _PIXEL_BYTES
