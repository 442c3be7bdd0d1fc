"""What is wrong with a source that decodes only in part: which pictures are missing, and which came out patched.

ffmpeg says only that something is wrong (`Complaints`); then one decode in a child finds out where (`LOCATE`).
"""

import re
from itertools import takewhile

from pydantic import BaseModel

from framemill.jobs.settings import Value
from framemill.media import ffmpeg
from framemill.media.isolate import Task

#: Words of ffmpeg 9 (fftools/ffmpeg_dec.c, ffmpeg_demux.c, libavformat/matroskadec.c) about one frame or packet each.
_PATCHED = re.compile(r"corrupt decoded frame")
_REFUSED = re.compile(r"Error submitting packet to decoder|Decoding error:")
_CUT_SHORT = re.compile(r"partial file|File ended prematurely")


class Complaints(Value):
    """What ffmpeg, run with `-v level+warning`, said while it decoded."""

    patched: int = 0
    """Frames that were decoded in part, the rest made up."""
    refused: int = 0
    """Packets that gave nothing."""
    cut_short: bool = False
    """The file ends before what it promises."""
    lines: tuple[str, ...] = ()
    """The lines of level error, without the names of who said it; some decoders complain of what is no damage."""

    @property
    def of_damage(self) -> bool:
        """Whether anything was lost."""
        return bool(self.lines) and (self.patched > 0 or self.refused > 0 or self.cut_short)


def complaints(stderr: str) -> Complaints:
    """Read what ffmpeg wrote."""
    said = stderr.splitlines()
    return Complaints(
        patched=sum(bool(_PATCHED.search(line)) for line in said),
        refused=sum(bool(_REFUSED.search(line)) for line in said),
        cut_short=any(_CUT_SHORT.search(line) for line in said),
        lines=tuple(ffmpeg.errors_in(stderr)),
    )


#: What to do about it, at the end of every message.
KEEP_HINT = "To encode what is there, set on_damage=keep (the report then says what is missing)."

# A broadcast that was cut begins and ends with part of a packet; that is no damage.
_ENDS = 2


def lost_packets(said: Complaints) -> str:
    """What a track without pictures has lost, in words; empty where it is whole, or cut at its ends only."""
    if said.of_damage and said.cut_short:
        return f"it ends before what it promises ({said.lines[0]})"
    if said.of_damage and said.refused + said.patched > _ENDS:
        return f"{said.refused + said.patched} packets of it do not decode ({said.lines[0]})"
    return ""


class Damage(Value):
    """Which pictures of a source are lost; times in seconds as the source counts them."""

    missing: tuple[float, ...] = ()
    """Pictures that are in the file and give no frame."""
    patched: tuple[float, ...] = ()
    """Frames that were decoded in part, the rest made up."""
    unplaced: int = 0
    """Packets that gave nothing, in a stream whose packets have no times of their own."""
    leading: int = 0
    """Pictures before the first keyframe, which no player can show: where a broadcast was cut, and no damage."""
    cut_short: bool = False
    """The file ends before what it promises."""
    said: tuple[str, ...] = ()
    """The decoder's first words."""

    @property
    def harms(self) -> bool:
        """Whether anything is lost that a player would show."""
        return self.cut_short or bool(self.missing or self.patched or self.unplaced)

    def __str__(self) -> str:
        """In words, for a message."""
        first = min((*self.missing[:1], *self.patched[:1]), default=None)
        parts = [
            f"{_pictures(len(self.missing) + self.unplaced)} missing" if self.missing or self.unplaced else "",
            f"{_pictures(len(self.patched))} decoded only in part" if self.patched else "",
            "it ends before what it promises" if self.cut_short else "",
        ]
        told = "; ".join(part for part in parts if part)
        return told if first is None else f"{told}; the first at {first:.3f} s"


def _pictures(count: int) -> str:
    return f"{count} picture is" if count == 1 else f"{count} pictures are"


class LocateRequest(BaseModel):
    """A local file, and the index of its video stream."""

    path: str
    stream: int


class Located(BaseModel):
    """Every packet of the stream in file order, and every frame in the order of decoding; times in seconds."""

    packets: list[float | None] = []
    key: list[bool] = []
    refused: list[bool] = []
    """Packets at which the decoder raised, once it had shown a frame."""
    frames: list[float | None] = []
    corrupt: list[bool] = []


LOCATE = Task("framemill.media.locating:locate", LocateRequest, Located)


def assess(located: Located, said: Complaints) -> Damage:
    """What is lost, from what one decode noted.

    A packet is missing where it has a time of its own that no frame has. Whatever is shown before the first keyframe
    of the file is *leading*.
    """
    shown = {time for time in located.frames if time is not None}
    times = [time for time in located.packets if time is not None]
    unique = len(set(times)) == len(located.packets)  # else a packet is not a picture (fields, no times)
    missing = sorted(time for time in times if unique and time not in shown)
    first_key = next((time for time, key in zip(located.packets, located.key, strict=True) if key), None)
    start = float("-inf") if first_key is None else first_key
    patched = sorted(
        time for time, bad in zip(located.frames, located.corrupt, strict=True) if bad and time is not None
    )
    leading = sum(1 for _ in takewhile(lambda time: time < start, missing)) + sum(time < start for time in patched)
    return Damage(
        missing=tuple(time for time in missing if time >= start),
        unplaced=0 if unique else sum(located.refused),
        patched=tuple(time for time in patched if time >= start),
        leading=leading,
        cut_short=said.cut_short,
        said=said.lines[:5],
    )
