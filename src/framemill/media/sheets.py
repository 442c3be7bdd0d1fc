"""Pictures side by side: contact sheets, and storyboards with the WebVTT that players find each picture by."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from framemill.jobs.settings import OutputSettings

_STORYBOARD_ROWS = 5
_GAP = 4


class Sheet(NamedTuple):
    """How pictures stand together."""

    columns: int
    rows: int
    """Of each sheet; the last one may be filled in part."""
    pictures: int
    """How many there are, over all sheets."""
    gap: int
    """Pixels between two of them."""

    @property
    def sheets(self) -> int:
        """How many sheets that takes."""
        return math.ceil(self.pictures / (self.columns * self.rows))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a sheet of pictures of that size, in pixels."""
        return self.columns * (width + self.gap) - self.gap, self.rows * (height + self.gap) - self.gap

    def place(self, rank: int, width: int, height: int) -> tuple[int, int, int]:
        """The sheet that a picture is on, counted from 0, and its left and top in pixels."""
        sheet, rest = divmod(rank, self.columns * self.rows)
        row, column = divmod(rest, self.columns)
        return sheet, column * (width + self.gap), row * (height + self.gap)


def sheet_of(settings: OutputSettings, count: int) -> Sheet:
    """A contact sheet holds all pictures; a storyboard has as many sheets as it takes, without gaps."""
    columns = min(settings.columns, count)
    rows = math.ceil(count / columns)
    if settings.picture == "sheet":
        return Sheet(columns, rows, count, _GAP)
    return Sheet(columns, min(settings.rows or _STORYBOARD_ROWS, rows), count, 0)


class Span(NamedTuple):
    """What part of a title one picture stands for."""

    begin: Fraction
    end: Fraction
    """Both in seconds."""
    rank: int
    """Of the picture, over all sheets."""


def storyboard_vtt(sheet: Sheet, files: Sequence[str], size: tuple[int, int], spans: Sequence[Span]) -> str:
    """WebVTT whose cues name the picture for each span, as a part of its sheet (`#xywh`, W3C Media Fragments).

    `files`: the sheets' names; `size`: of each picture, in pixels.
    """
    cues = ["WEBVTT\n"]
    for begin, until, rank in spans:
        number, left, top = sheet.place(rank, *size)
        fragment = f"{files[number]}#xywh={left},{top},{size[0]},{size[1]}"
        cues.append(f"{_clock(begin)} --> {_clock(until)}\n{fragment}\n")
    return "\n".join(cues)


def _clock(seconds: Fraction) -> str:
    """`HH:MM:SS.mmm`."""
    millis = round(seconds * 1000)
    minutes, rest = divmod(millis, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
