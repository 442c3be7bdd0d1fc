"""Pictures as outputs."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from framemill.jobs.settings.times import Seconds
from framemill.jobs.settings.value import Value

Share = Annotated[str, StringConstraints(pattern=r"^(100|[0-9]{1,2}(\.[0-9]{1,3})?)%$")]
"""Of a title's length."""


class StillSettings(Value):
    """What an output in a picture's format shows."""

    picture: Literal["frame", "animation", "thumbnails", "sheet", "storyboard"] = "frame"
    """One frame; a film without sound (gif, webp); several frames; several in one picture; sheets with WebVTT."""
    at: tuple[Annotated[float, Field(ge=0)] | Share, ...] = Field(default=(), max_length=1000)
    """Seconds (or `50%` of the length) of the frames, from the first that is shown; none: spread evenly, of one frame
    the middle."""
    count: int | None = Field(default=None, ge=1, le=1000)
    """How many frames, spread over the title; none: 10, of a sheet as many as its rows and columns hold (4 rows)."""
    every: Seconds | None = Field(default=None, gt=0)
    """Seconds from one frame to the next, instead of `count`; of a storyboard none: a hundredth of the length, or 1."""
    columns: int = Field(default=5, ge=1, le=50)
    """Pictures side by side in a sheet."""
    rows: int | None = Field(default=None, ge=1, le=50)
    """Pictures one below the other in a sheet; none: as many as there are, of each sheet of a storyboard 5."""
    picture_quality: int = Field(default=85, ge=1, le=100)
    """Of jpg and webp; 100 is best."""

    @model_validator(mode="after")
    def _stills_fit(self) -> Self:
        ways = [name for name in ("at", "count", "every") if getattr(self, name)]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} exclude each other")
        one = self.picture in {"frame", "animation"}
        if one and ((self.count or 1) > 1 or len(self.at) > 1 or self.every is not None):
            raise ValueError(f"picture={self.picture} is one picture (set picture=thumbnails for several)")
        if self.picture == "animation" and self.at:
            raise ValueError("at: an animation begins at start (set start and duration)")
        if self.picture == "sheet" and self.rows and (self.count or 1) > self.rows * self.columns:
            raise ValueError(
                f"a sheet of {self.columns}x{self.rows} has no room for {self.count} (set rows or columns)"
            )
        return self
