"""How long a job has been worked on, by an earlier coordinator, too, and whatever the clock was set to meanwhile."""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from framemill.jobs.settings import Value
from framemill.storage.blobs import Blobs

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Moment(Value):
    """A time by the kernel's own clock, which nobody sets: of one machine, until that starts anew."""

    boot: str
    """Different after each boot."""
    seconds: float
    """Since then, those asleep included."""


def this_moment() -> Moment | None:
    """Now; none where the kernel has no such clock."""
    try:
        return Moment(boot=_BOOT_ID.read_text("ascii").strip(), seconds=time.clock_gettime(time.CLOCK_BOOTTIME))
    except (OSError, AttributeError):
        return None


def seconds_between(begun: Moment | None, now: Moment | None, by_clock: float) -> float:
    """Seconds from one to the other; `by_clock`, what the wall clock says, where they cannot be compared."""
    if begun is None or now is None or begun.boot != now.boot:
        return max(0.0, by_clock)
    return now.seconds - begun.seconds


def note_begun(blobs: Blobs, job_id: str, attempt: int) -> None:
    """Write down that an attempt begins now. It goes with the job's other results."""
    moment = this_moment()
    if moment is not None:
        with contextlib.suppress(OSError):  # a store that is away stops the job elsewhere, and with better words
            blobs.write(_key(job_id, attempt), moment.model_dump_json().encode())


def seconds_since(blobs: Blobs, job_id: str, attempt: int, started_at: datetime) -> float:
    """How long ago an attempt began: as was written down, else by the wall clock since `started_at`."""
    begun = None
    with contextlib.suppress(OSError, ValidationError):
        begun = Moment.model_validate_json(blobs.read(_key(job_id, attempt)))
    return seconds_between(begun, this_moment(), (datetime.now(UTC) - started_at).total_seconds())


def _key(job_id: str, attempt: int) -> str:
    return f"results/{job_id}-{attempt}-begun.json"
