"""How far a video is, in DevStreamCore's words. Pure; the tables are total, and a test says so."""

from collections.abc import Mapping
from typing import Any

from framemill.api.devstreamcore.schemas import Status
from framemill.jobs.model import Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import JobState
from framemill.secrets import mask
from framemill.services.videos import ShownVideo
from framemill.store.videos import VideoFilter

FIRST: Mapping[JobState, Status] = {
    JobState.HELD: "preparing",
    JobState.QUEUED: "preparing",
    JobState.INGESTING: "preparing",
    JobState.PLANNING: "preparing",
    JobState.ENCODING: "preparing",
    JobState.STITCHING: "preparing",
    JobState.PACKAGING: "preparing",
    JobState.DELIVERING: "preparing",
    JobState.COMPLETED: "ready",
    JobState.FAILED: "errored",
    JobState.CANCELLING: "errored",
    JobState.CANCELLED: "errored",
}
"""The status by the job's state, at its first attempt; where it is tried again, `reprocessing` for `preparing`."""

BEGINS: Mapping[JobState, int] = {
    JobState.HELD: 0,
    JobState.QUEUED: 0,
    JobState.INGESTING: 1,
    JobState.PLANNING: 5,
    JobState.ENCODING: 8,
    JobState.STITCHING: 88,
    JobState.PACKAGING: 92,
    JobState.DELIVERING: 98,
    JobState.COMPLETED: 100,
    JobState.FAILED: 0,
    JobState.CANCELLING: 0,
    JobState.CANCELLED: 0,
}
"""Percent with which a state begins: encoding is most of it, the rest is what packaging takes."""

MOST_UNREADY = 99
"""Percent of what is not ready."""

ERROR_TYPES: Mapping[Reason, str] = {
    Reason.SOURCE_MISSING: "input_not_found",
    Reason.SOURCE_REFUSED: "input_not_accessible",
    Reason.SOURCE_UNREACHABLE: "input_not_accessible",
    Reason.UNREADABLE_SOURCE: "invalid_input",
    Reason.SOURCE_DAMAGED: "invalid_input",
    Reason.SOURCE_ENCRYPTED: "invalid_input",
    Reason.NO_DECODER: "invalid_input",
    Reason.QUARANTINED: "invalid_input",
    Reason.CHUNK_MISMATCH: "invalid_input",
    Reason.SOURCE_TOO_LARGE: "input_too_large",
    Reason.QUOTA_EXCEEDED: "quota_exceeded",
    Reason.SPEND_CAP_REACHED: "quota_exceeded",
    Reason.BALANCE_TOO_LOW: "quota_exceeded",
    Reason.CANCELLED_BY_CLIENT: "cancelled",
    Reason.NEVER_STARTED: "cancelled",
    Reason.TIMED_OUT: "timed_out",
    Reason.STALLED: "timed_out",
    Reason.WRONG_SETTINGS: "processing_failed",
    Reason.NO_ENCODER: "processing_failed",
    Reason.FFMPEG_FAILED: "processing_failed",
    Reason.CHILD_FAILED: "processing_failed",
    Reason.VERIFICATION_FAILED: "processing_failed",
    Reason.OUT_OF_MEMORY: "processing_failed",
    Reason.DISK_FULL: "processing_failed",
    Reason.TARGET_REFUSED: "processing_failed",
    Reason.TARGET_UNREACHABLE: "processing_failed",
    Reason.TARGET_FULL: "processing_failed",
    Reason.WORKER_LOST: "processing_failed",
    Reason.INTERNAL: "processing_failed",
}
"""`errors[].type` by why there is no video."""


def status(job: Job) -> Status:
    """The status of the video that the job makes."""
    found = FIRST[job.state]
    return "reprocessing" if found == "preparing" and job.attempt > 1 else found


def wanted_of(said: Status | None, words: tuple[str, ...]) -> VideoFilter:
    """Which videos have that status (none: any) and hold those words."""
    if said is None:
        return VideoFilter(words=words)
    first: Status = "preparing" if said == "reprocessing" else said
    states = frozenset(state for state, its in FIRST.items() if its == first)
    return VideoFilter(words=words, states=states, first_attempt=said == "preparing" if first == "preparing" else None)


def percent(shown: ShownVideo, live: Mapping[str, Any] | None = None) -> int:
    """How far this attempt is; 100 where the video is ready, and only there.

    `live`: what the coordinator tells of frames that are under way. What was left behind once is not told again, so
    whoever shows this keeps the furthest.
    """
    job = shown.job
    if job.state is JobState.ENCODING:
        planned = int((live or {}).get("frames_planned") or shown.frames_planned)
        frames = min(max(int((live or {}).get("frames") or 0), shown.frames), planned)
        span = BEGINS[JobState.STITCHING] - BEGINS[JobState.ENCODING]
        return BEGINS[JobState.ENCODING] + (span * frames // planned if planned else 0)
    return BEGINS[job.state]


def errors(job: Job) -> list[dict[str, Any]]:
    """Why there is no video, or none that is newer; empty where all is well."""
    if status(job) != "errored":
        return []
    reason = job.reason or Reason.INTERNAL
    told = job.message or f"It failed: {reason.value.replace('_', ' ')}."
    return [{"type": ERROR_TYPES[reason], "messages": [mask(told)]}]
