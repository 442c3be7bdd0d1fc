"""WebVTT files of a package: one for each text track, its times counted from the title's start."""

import re
from fractions import Fraction
from pathlib import Path

from pydantic import BaseModel

from framemill.media.package import write_whole
from framemill.media.playlists import PLAYLIST, text_playlist

TEXT_FILE = "subtitles.vtt"

_ARROW = re.compile(r"^((?:\d+:)?\d\d:\d\d\.\d{3}) --> ((?:\d+:)?\d\d:\d\d\.\d{3})", re.MULTILINE)
_CLOCK = 90_000  # ticks a second of a transport stream


class TextTrack(BaseModel):
    """A text track that was converted, and where it goes."""

    folder: str
    path: str
    """The converted file."""
    offset: Fraction = Fraction(0)
    """Seconds by which its times are late."""
    name: str
    """Told to viewers."""
    language: str = ""
    """BCP 47."""
    default: bool = False


def write_text(folder: Path, text: TextTrack, seconds: float, origin: int, *, hls: bool, growing: bool = False) -> int:
    """Write a text track of a title that lasts so long; its bytes. `origin`: see `SegmentForm`."""
    own = folder / text.folder
    own.mkdir(exist_ok=True)
    data = shifted(Path(text.path).read_text("utf-8"), text.offset, origin).encode()
    write_whole(own / TEXT_FILE, data)
    if hls:
        write_whole(own / PLAYLIST, text_playlist(TEXT_FILE, seconds, growing=growing).encode())
    return len(data)


def shifted(text: str, offset: Fraction, origin: int) -> str:
    """A file whose cues come that much later; cues that would be over before 0 are left out.

    `origin`: seconds on the clock of a transport stream that are the title's 0, which players are told of (RFC 8216,
    3.5).
    """
    head, *cues = text.strip().split("\n\n")
    if origin:
        head = f"{head}\nX-TIMESTAMP-MAP=MPEGTS:{origin * _CLOCK},LOCAL:00:00:00.000"
    moved = (_moved(cue, offset) for cue in cues)
    return "\n\n".join([head, *(cue for cue in moved if cue)]) + "\n"


def _moved(cue: str, offset: Fraction) -> str:
    times = _ARROW.search(cue)
    if times is None or not offset:
        return cue
    start, end = (_seconds(time) + offset for time in times.groups())
    if end <= 0:
        return ""
    return f"{cue[: times.start()]}{_stamp(max(start, Fraction(0)))} --> {_stamp(end)}{cue[times.end() :]}"


def _seconds(stamp: str) -> Fraction:
    total = Fraction(0)
    for part in stamp.split(":"):
        total = total * 60 + Fraction(part)
    return total


def _stamp(seconds: Fraction) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
