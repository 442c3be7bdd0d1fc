"""Outputs of several files: parts of the source as files of their own, and several files in one zip."""

from typing import Self

from pydantic import Field, model_validator

from framemill.jobs.settings.times import Seconds
from framemill.jobs.settings.value import Value

MOST_PIECES = 400
ARCHIVE = "output.zip"
"""What several files become, where they are one."""


class Piece(Value):
    """A part of the source."""

    start: Seconds = 0.0
    """In seconds from its first picture: the first frame at or after it."""
    end: Seconds
    """The first frame at or after it is left out."""

    @model_validator(mode="after")
    def _shown(self) -> Self:
        if self.end <= self.start:
            raise ValueError("it would end before it begins (set start and end)")
        return self


class PieceSettings(Value):
    """Which files an output is made of, where they are several."""

    cut_spans: tuple[Piece, ...] = Field(default=(), max_length=MOST_PIECES)
    """Parts of the source, each of which becomes a file of its own: `[{"start": 0, "end": "00:01:30"}]`."""
    cut_seconds: Seconds | None = Field(default=None, gt=0)
    """Seconds of each part, instead; the last one is as long as what is left."""
    cut_count: int | None = Field(default=None, ge=2, le=MOST_PIECES)
    """How many parts of one length, instead."""
    archive: bool = False
    """Several files become one zip: pictures, parts, or a package."""
    archive_above: int | None = Field(default=None, ge=1, le=100_000)
    """The same where there are more files than that; it is the only one in the output's folder then."""

    @property
    def cuts(self) -> bool:
        """Whether parts of the source become files of their own."""
        return bool(self.cut_spans) or self.cut_seconds is not None or self.cut_count is not None

    @model_validator(mode="after")
    def _pieces_fit(self) -> Self:
        ways = [name for name in ("cut_spans", "cut_seconds", "cut_count") if getattr(self, name)]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} exclude each other")
        if self.archive and self.archive_above is not None:
            raise ValueError("archive and archive_above exclude each other")
        return self
