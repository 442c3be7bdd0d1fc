"""How a run is cut, read and proved."""

from typing import Literal, Self

from pydantic import Field, model_validator

from framemill.jobs.settings.value import Value


class RunSettings(Value):
    """How a run shall be cut. None of these depends on how many workers there are."""

    chunks: int | None = Field(default=None, ge=1, le=1_000_000)
    """Cut into at least that many chunks, down to one frame each; 1 encodes whole in one process."""
    chunk_frames: int | None = Field(default=None, ge=1)
    """Cut every that many frames."""
    chunk_seconds: float | None = Field(default=None, gt=0)
    """Target length of a chunk; none: from the title's length (see `media/plan.py`)."""
    index: Literal["auto", "decode"] = "auto"
    """`decode` takes the list of frames from a decode of the whole source, even where its packets can be trusted."""
    on_damage: Literal["refuse", "keep"] = "refuse"
    """A source that decodes only in part is refused; `keep` encodes what is there and reports what is missing."""
    verify: Literal["packets", "full"] = "packets"
    """How the result is read back: its packets and boxes, or `full`: every frame and sample decoded as well."""
    reuse: Literal["on", "off"] = "on"
    """`off` encodes every chunk anew, even where another job has left the same one."""

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if sum(rule is not None for rule in (self.chunks, self.chunk_frames, self.chunk_seconds)) > 1:
            raise ValueError("chunks, chunk_frames and chunk_seconds exclude each other")
        return self
