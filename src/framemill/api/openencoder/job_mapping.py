"""Between Open Encoder's words about jobs and ours. Pure."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Any
from uuid import UUID

from framemill.jobs.model import Job
from framemill.jobs.settings import Value
from framemill.jobs.states import JobState
from framemill.secrets import mask
from framemill.services.jobs import Shown
from framemill.services.numbered import Numbered

STATUSES: Mapping[JobState, str] = MappingProxyType(
    {
        JobState.HELD: "queued",
        JobState.QUEUED: "queued",
        JobState.INGESTING: "downloading",
        JobState.PLANNING: "probing",
        JobState.ENCODING: "encoding",
        JobState.STITCHING: "encoding",
        JobState.PACKAGING: "encoding",
        JobState.DELIVERING: "uploading",
        JobState.COMPLETED: "completed",
        JobState.FAILED: "error",
        JobState.CANCELLING: "cancelled",  # nothing leads back from there
        JobState.CANCELLED: "cancelled",
    }
)
"""What each state is called there."""

RESTARTING = "restarting"
"""Of a job that waits to be done once more."""

ROWS = (
    *("queued", "downloading", "probing", "encoding", "uploading"),
    *("completed", "error", "cancelled", RESTARTING),
)
"""Every status, in the order in which they are counted."""

_WHOLE, _ALMOST = 100, 99
_UNKNOWN_ERROR = -1313558101
"""ffmpeg's `AVERROR_UNKNOWN`: the sentence beside it says more than any of its numbers."""
_XID_SECONDS = 4
"""Bytes at the beginning of a guid that tell when it was made (https://github.com/rs/xid)."""


class Note(Value):
    """What the door keeps with a job of what was asked, in `Job.door_data`."""

    preset: str
    source: str
    """With every secret masked."""
    dest: str
    options: str | None = None
    """The preset's data as it was; none: there was no such preset."""
    streaming: bool = False

    @property
    def data(self) -> dict[str, Any]:
        """As the job keeps it."""
        return self.model_dump(mode="json", exclude_none=True)


def note_of(job: Job) -> Note:
    """What the door has kept with a job of its own."""
    return Note.model_validate(job.door_data)


def guid_of(job_id: str) -> str:
    """The job's other id, the same for ever: twenty letters, of which the first seven follow the clock."""
    whole = UUID(job_id)
    seconds = (whole.int >> 80) // 1000
    twelve = (seconds & 0xFFFFFFFF).to_bytes(_XID_SECONDS) + whole.bytes[8:]
    return base64.b32hexencode(twelve).decode().rstrip("=").lower()


def status_of(job: Job) -> str:
    """What a job is told to do. None of them is told again once another was, but in a new attempt."""
    if job.state is JobState.QUEUED and job.attempt > 1:
        return RESTARTING
    if job.state is JobState.PLANNING and job.refuted:  # it was being encoded already
        return STATUSES[JobState.ENCODING]
    return STATUSES[job.state]


def rows_of(tally: Mapping[tuple[str, bool], int]) -> list[dict[str, Any]]:
    """How many jobs have each status; `tally`: by state, and whether they are tried again."""
    counts = dict.fromkeys(ROWS, 0)
    for (state, again), count in tally.items():
        waits = state == JobState.QUEUED and again
        counts[RESTARTING if waits else STATUSES[JobState(state)]] += count
    return [{"status": status, "count": count} for status, count in counts.items()]


def told(found: Numbered, now: datetime, live: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A job; `live`: what the farm says of frames that are under way."""
    shown, note = found.shown, note_of(found.shown.job)
    job = shown.job
    facts = next((one.facts for one in shown.inputs if one.facts), None)
    frames = _frames(shown, live or {})
    encoded = max(0, frames - found.reused)
    error = (mask(job.message or "") or job.reason) if job.state is JobState.FAILED else None
    seconds = _encoding_seconds(job, now)
    return {
        "id": found.number,
        "guid": guid_of(job.id),
        "preset": note.preset,
        "created_date": job.created_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "status": status_of(job),
        "source": note.source,
        "destination": note.dest,
        "probe": _probe(facts, error),
        "options": note.options,
        "progress": progress(shown, frames),
        "speed": _speed(facts, encoded, shown.frames_planned, seconds),
        "fps": round(encoded / seconds, 2) if encoded and seconds else None,
        "streaming": note.streaming,
        "error": error,
    }


def shown_alone(job: Mapping[str, Any]) -> dict[str, Any]:
    """A job as it is answered with by itself: as the server did, and as its document says beside it."""
    return {"status": 200, "job": job, **{name: job[name] for name in ("id", "guid", "preset", "created_date")}}


def progress(shown: Shown, frames: int) -> int:
    """Per cent of the film that is encoded: 100 of one alone that is done."""
    if shown.job.state is JobState.COMPLETED:
        return _WHOLE
    if shown.job.state in {JobState.STITCHING, JobState.PACKAGING, JobState.DELIVERING}:
        return _ALMOST
    return min(_ALMOST, _WHOLE * frames // shown.frames_planned) if shown.frames_planned else 0


def _frames(shown: Shown, live: Mapping[str, Any]) -> int:
    """Encoded so far, with those under way where the farm tells them."""
    if shown.job.state is not JobState.ENCODING:
        return shown.frames
    return max(shown.frames, min(int(live.get("frames") or 0), shown.frames_planned))


def _encoding_seconds(job: Job, now: datetime) -> float:
    """How long it has been encoded, in this attempt."""
    before = job.timings.get(JobState.ENCODING.value, 0.0)
    return before + (max(0.0, (now - job.entered_at).total_seconds()) if job.state is JobState.ENCODING else 0.0)


def _probe(facts: Mapping[str, Any] | None, error: str | None) -> str | None:
    """What ffprobe would tell of the source; of one that nobody has read, why the job has failed, as it tells that:
    pages show it, and know no other field."""
    if facts is None and error is not None:
        facts = {"error": {"code": _UNKNOWN_ERROR, "string": error}}
    return None if facts is None else json.dumps(facts, ensure_ascii=False)


def _speed(facts: Mapping[str, Any] | None, frames: int, planned: int, seconds: float) -> str | None:
    """How much faster than it plays, as ffmpeg writes it: `1.2x`."""
    duration = ((facts or {}).get("format") or {}).get("duration")
    if not (duration and frames and planned and seconds):
        return None
    return f"{float(Fraction(str(duration))) * min(frames / planned, 1.0) / seconds:.3g}x"
