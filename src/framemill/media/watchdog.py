"""Whether a child that runs still gets on: one that stands still is ended, or it would be waited for for ever."""

from dataclasses import dataclass

import psutil

LOOK_SECONDS = 2.0
STOPPED_SECONDS = 6.0
"""In the state that SIGSTOP leads to; nobody means to leave it there."""
STILL_SECONDS = 60.0
"""Without using any processor: it waits for something that does not come."""
FRUITLESS_SECONDS = 900.0
"""Without a frame, though it works: no frame of any codec takes that long."""


@dataclass(frozen=True, slots=True)
class Look:
    """A child at one moment."""

    at: float
    """Seconds of a clock that nobody sets."""
    stopped: bool
    cpu_seconds: float
    progress: str = ""
    """What it said last of how far it is."""


class Watchdog:
    """Compares looks at one child."""

    def __init__(self, first: Look) -> None:
        self._ran = self._used = self._moved = first
        self._last = first

    def sees(self, look: Look) -> str:
        """Why the child is to be ended; empty: it gets on."""
        if not look.stopped:
            self._ran = look
        if look.cpu_seconds > self._used.cpu_seconds or look.stopped != self._last.stopped:
            self._used = look
        if look.progress != self._moved.progress:
            self._moved = look
        self._last = look
        if look.at - self._ran.at >= STOPPED_SECONDS:
            return f"was stopped for {STOPPED_SECONDS:g} s"
        if look.at - self._used.at >= STILL_SECONDS:
            return f"stood still for {STILL_SECONDS:g} s"
        if look.progress and look.at - self._moved.at >= FRUITLESS_SECONDS:
            return f"came no further for {FRUITLESS_SECONDS:g} s"
        return ""


def look_at(process: psutil.Process, at: float, progress: str) -> Look | None:
    """The child now; None when it has ended."""
    try:
        with process.oneshot():
            times = process.cpu_times()
            return Look(at, process.status() == psutil.STATUS_STOPPED, times.user + times.system, progress)
    except psutil.Error:
        return None
