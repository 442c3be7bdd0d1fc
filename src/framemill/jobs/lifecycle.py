"""How a job moves: an event comes in, the moved job and instructions go out. Pure: nobody acts here.

Instructions follow from the state that was entered (`instructions_for`), so a coordinator that starts anew derives
them again; hence performing one twice must do no harm. `Notify` alone is not derived: it is written with the job.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, assert_never

from framemill.jobs.model import Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    ENDED_JOB,
    JOB_TRANSITIONS,
    CancelAsked,
    ChunksCommitted,
    ChunksReturned,
    Delivered,
    Failed,
    IndexRefuted,
    InputsReady,
    JobEvent,
    JobState,
    Packaged,
    Planned,
    RetryAsked,
    StartAsked,
    Started,
    Stitched,
    WorkStopped,
    advance,
)

MOST_CARE = 2
"""0: plan by packets; 1: by a decoded index; 2: with linear decode too. If that is refuted, the source is at fault."""


@dataclass(frozen=True)
class FetchInputs:
    """Fetch and probe every input that waits for it; then `InputsReady`, unless the job is held."""

    job_id: str
    attempt: int


@dataclass(frozen=True)
class MakePlan:
    """Index the inputs, cut them and store the chunks; then `Planned`."""

    job_id: str
    attempt: int
    decode_index: bool
    """Take the list of frames from a decode of the whole source."""
    linear: bool = False
    """And never seek in it: each chunk is decoded from the source's start."""


@dataclass(frozen=True)
class EncodeChunks:
    """Get every chunk of the attempt committed, and the sound; then `ChunksCommitted`."""

    job_id: str
    attempt: int


@dataclass(frozen=True)
class Stitch:
    """Join the chunks of every rendition; then `Stitched`."""

    job_id: str
    attempt: int


@dataclass(frozen=True)
class Package:
    """Write, verify and publish the outputs; then `Packaged`."""

    job_id: str
    attempt: int


@dataclass(frozen=True)
class Deliver:
    """Put every output where the client wants it; then `Delivered`."""

    job_id: str
    attempt: int


@dataclass(frozen=True)
class StopWork:
    """End whatever is done for the job; then `WorkStopped`, if the job is cancelling and waits for it."""

    job_id: str
    attempt: int


@dataclass(frozen=True)
class Notify:
    """Tell whoever asked to be told: event row and outbox row, written in the job's own transaction."""

    job_id: str
    kind: str
    """The state that was entered."""
    data: dict[str, Any]


Instruction: TypeAlias = FetchInputs | MakePlan | EncodeChunks | Stitch | Package | Deliver | StopWork | Notify


def handle(job: Job, event: JobEvent, now: datetime) -> tuple[Job, tuple[Instruction, ...]]:
    """The job after the event, and what is to be done about it: first the `Notify`, then what its state asks for.

    Raises `InvalidTransition` where the job's state has no edge for the event: it came too late or twice, drop it.
    """
    event = _within_patience(job, event)
    state = advance(JOB_TRANSITIONS, job.state, event, tuple(job.timings))
    moved = job.model_copy(update={**_entered(job, state, now), **_brought(job, event)})
    told = {"event": type(event).__name__, "from": job.state.value, "attempt": moved.attempt}
    if moved.reason is not None:
        told |= {"reason": moved.reason.value, "message": moved.message or ""}
    return moved, (Notify(job.id, state.value, told), *instructions_for(moved))


def instructions_for(job: Job) -> tuple[Instruction, ...]:
    """What is to be done for a job in its state, whoever asks and however often."""
    asked: Instruction | None
    match job.state:
        # Inputs of a held job come while their owner still thinks about the rest.
        case JobState.HELD | JobState.INGESTING:
            asked = FetchInputs(job.id, job.attempt)
        # Admission decides by itself, over all queued jobs.
        case JobState.QUEUED | JobState.COMPLETED:
            asked = None
        case JobState.PLANNING:
            asked = MakePlan(job.id, job.attempt, decode_index=_care(job) >= 1, linear=_care(job) >= MOST_CARE)
        case JobState.ENCODING:
            asked = EncodeChunks(job.id, job.attempt)
        case JobState.STITCHING:
            asked = Stitch(job.id, job.attempt)
        case JobState.PACKAGING:
            asked = Package(job.id, job.attempt)
        case JobState.DELIVERING:
            asked = Deliver(job.id, job.attempt)
        # One failed chunk ends the job while others are still being encoded; a held job's inputs may be on their way.
        case JobState.CANCELLING | JobState.CANCELLED | JobState.FAILED:
            asked = StopWork(job.id, job.attempt)
        case _:
            assert_never(job.state)
    return () if asked is None else (asked,)


def amend(job: Job, **changes: Any) -> Job:
    """The job with other fields than its state changed (`waiting=`, `priority=`, `spent=`…), as its next version.

    Raises `ValueError` for a field that only `handle` moves, and pydantic's error for a value that does not fit.
    """
    moved_only = _MOVED_BY_HANDLE & changes.keys()
    if moved_only:
        raise ValueError(f"only an event changes {', '.join(sorted(moved_only))}")
    return Job.model_validate({**dict(job), **changes, "version": job.version + 1})


_MOVED_BY_HANDLE = frozenset(
    {"id", "state", "attempt", "version", "created_at", "entered_at", "started_at", "ended_at"}
)


def _care(job: Job) -> int:
    return job.refuted + (job.run.index == "decode")


def _within_patience(job: Job, event: JobEvent) -> JobEvent:
    """A plan that is refuted once too often fails the job, or it would be planned for ever."""
    if isinstance(event, IndexRefuted) and _care(job) >= MOST_CARE:
        return Failed(Reason.CHUNK_MISMATCH, event.message)
    return event


def _entered(job: Job, state: JobState, now: datetime) -> dict[str, Any]:
    """What entering any state changes."""
    # Two hosts' clocks differ: a state is never left before it was entered.
    stayed = max(0.0, (now - job.entered_at).total_seconds())
    return {
        "state": state,
        "version": job.version + 1,
        "entered_at": now,
        "waiting": None,
        "timings": {**job.timings, job.state.value: job.timings.get(job.state.value, 0.0) + stayed},
        "started_at": now if state is JobState.INGESTING else job.started_at,
        "ended_at": now if state in ENDED_JOB else None,
        # What brings nothing costs nothing: the store gives back what was charged.
        "spent": 0 if state in {JobState.FAILED, JobState.CANCELLED} else job.spent,
    }


def _brought(job: Job, event: JobEvent) -> dict[str, Any]:
    """What the event itself brings."""
    brought: dict[str, Any] = {}
    match event:
        case Failed(reason, message):
            brought = {"reason": reason, "message": message}
        case CancelAsked(message):
            brought = {"reason": Reason.CANCELLED_BY_CLIENT, "message": message}
        case IndexRefuted():
            brought = {"refuted": job.refuted + 1}
        case Packaged(report):
            brought = {} if report is None else {"report": dict(report)}
        case RetryAsked():
            brought = {**_FRESH, "attempt": job.attempt + 1}
        case StartAsked() | Started() | InputsReady() | Planned() | ChunksCommitted() | ChunksReturned():
            pass
        case Stitched() | Delivered() | WorkStopped():
            pass
        case _:
            assert_never(event)
    return brought


# What a new attempt knows nothing of; the report stays, since what it proves is still published.
_FRESH: dict[str, Any] = {
    "reason": None,
    "message": None,
    "warnings": (),
    "refuted": 0,
    "started_at": None,
    "spent": 0,
    "timings": {},
    "usage": {},
}
