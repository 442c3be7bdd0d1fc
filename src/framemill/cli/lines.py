"""How far a job is, in lines for a log, where nobody could see a bar move."""

import time
from collections.abc import Callable
from typing import Any

import click
from rich import filesize

EVERY_SECONDS = 5.0
"""Between two lines of one stage."""
#: Every frame has been encoded by then.
_WITHOUT_NUMBERS = {"stitching", "packaging", "delivering", "completed", "failed", "cancelling", "cancelled"}


class Lines:
    """A line on stderr when a stage begins, and every few seconds while it lasts."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage = ""
        self._at = 0.0

    def update(self, stage: str, told: dict[str, Any]) -> None:
        """Tell what the farm told, if it is time."""
        now = self._clock()
        if stage != self._stage or now - self._at >= EVERY_SECONDS:
            self._stage, self._at = stage, now
            click.echo(f"framemill: {line_of(stage, told)}", err=True)


def line_of(stage: str, told: dict[str, Any]) -> str:
    """`Encoding: 42.0 % (105 of 250 frames), 48.1 fps, 1.6x, 3 s left`; what is not known is left out."""
    if told["state"] in _WITHOUT_NUMBERS:
        return stage
    facts = [_done(told)]
    if fps := told.get("frames_per_second"):
        facts.append(f"{fps:.1f} fps")
        if told.get("film_seconds") and told.get("frames_planned"):  # of all renditions together, hence not by fps
            facts.append(f"{fps / told['frames_planned'] * told['film_seconds']:.2f}x")
    if (left := told.get("remaining_seconds")) is not None:
        facts.append(f"{left:.0f} s left")
    said = ", ".join(fact for fact in facts if fact)
    return f"{stage}: {said}" if said else stage


def _done(told: dict[str, Any]) -> str:
    if told.get("bytes_planned"):
        done, planned = told.get("bytes") or 0, told["bytes_planned"]
        return f"{done / planned:.1%} ({filesize.decimal(done)} of {filesize.decimal(planned)})".replace("%", " %", 1)
    if told.get("frames_planned"):
        done, planned = told.get("frames") or 0, told["frames_planned"]
        return f"{done / planned:.1%} ({done} of {planned} frames)".replace("%", " %", 1)
    return "" if told.get("share") is None else f"{told['share']:.1%}".replace("%", " %")
