"""The states of a job, an input, a chunk and a delivery, and the one table per kind that says which event leads where.

Rule 1: a state changes by an event and by nothing else (`advance`).
Rule 2: a table has a row for every state; a state that no event leaves has an empty one.
Why something is in its state is a `Reason`, never another state.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from framemill.errors import InvalidTransition
from framemill.jobs.reasons import Reason

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E")
Table: TypeAlias = Mapping[S, Mapping[type[E], S]]


def advance(table: Table[S, E], state: S, event: E, story: tuple[str, ...] = ()) -> S:
    """The state that the event leads to; raises `InvalidTransition`, which tells the story that led here."""
    following = table[state].get(type(event))
    if following is None:
        raise InvalidTransition(_kind(state), state.value, type(event).__name__, story)
    return following


def diagram(table: Table[S, E]) -> str:
    """The table as a Mermaid state diagram; it starts at the table's first state."""
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(table))}"]
    for state, edges in table.items():
        lines += [f"    {state} --> {following}: {event.__name__}" for event, following in edges.items()]
        if all(event is RetryAsked for event in edges):
            lines.append(f"    {state} --> [*]")
    return "\n".join(lines) + "\n"


def _kind(state: StrEnum) -> str:
    return type(state).__name__.removesuffix("State").lower()


# Jobs


class JobState(StrEnum):
    """Where a job is on its way from a request to delivered outputs."""

    HELD = "held"  # can be edited; its inputs are fetched already; waits for its owner's start
    QUEUED = "queued"  # waits for admission
    INGESTING = "ingesting"  # its inputs are fetched and probed
    PLANNING = "planning"  # its inputs are indexed and cut
    ENCODING = "encoding"  # its chunks and its sound are encoded
    STITCHING = "stitching"  # chunks are joined
    PACKAGING = "packaging"  # outputs are written, verified and published
    DELIVERING = "delivering"  # outputs are put where the client wants them
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"  # waits until nobody works on it any more
    CANCELLED = "cancelled"


ENDED_JOB = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
ACTIVE_JOB = frozenset(JobState) - ENDED_JOB


@dataclass(frozen=True)
class StartAsked:
    """The owner of a held job starts it."""


@dataclass(frozen=True)
class Started:
    """Admitted: the farm begins with the job."""


@dataclass(frozen=True)
class InputsReady:
    """Every input that the job goes on with is here and probed."""


@dataclass(frozen=True)
class Planned:
    """The plan and its chunks are stored."""


@dataclass(frozen=True)
class ChunksCommitted:
    """Every chunk is committed, and the sound is there."""


@dataclass(frozen=True)
class IndexRefuted:
    """A chunk delivered other frames than planned: the index was wrong, and with it the plan."""

    message: str = ""


@dataclass(frozen=True)
class ChunksReturned:
    """Committed chunks are waiting again: a blob is gone or damaged, or the rate gate asks for another encode."""


@dataclass(frozen=True)
class Stitched:
    """Every rendition is joined."""


@dataclass(frozen=True)
class Packaged:
    """Every output is written, verified and published; the report holds the proof."""

    report: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Delivered:
    """Every delivery that the job goes on with is completed."""


@dataclass(frozen=True)
class Failed:
    """The job cannot be done, or what went wrong is not to be kept (`on_input_error`, `on_output_error`)."""

    reason: Reason
    message: str = ""


@dataclass(frozen=True)
class CancelAsked:
    """Its owner, or the operator, wants it to end."""

    message: str = ""


@dataclass(frozen=True)
class WorkStopped:
    """Nobody works on the job any more."""


@dataclass(frozen=True)
class RetryAsked:
    """Again, under the same id, as a new attempt."""


JobEvent: TypeAlias = (
    StartAsked
    | Started
    | InputsReady
    | Planned
    | ChunksCommitted
    | IndexRefuted
    | ChunksReturned
    | Stitched
    | Packaged
    | Delivered
    | Failed
    | CancelAsked
    | WorkStopped
    | RetryAsked
)

JOB_TRANSITIONS: Table[JobState, JobEvent] = {
    JobState.HELD: {
        StartAsked: JobState.QUEUED,
        # An input that cannot be read, or nobody started the job before it expired.
        Failed: JobState.FAILED,
        # No worker holds anything, so there is nobody to wait for.
        CancelAsked: JobState.CANCELLED,
    },
    JobState.QUEUED: {
        Started: JobState.INGESTING,
        # A job that can never be admitted: the account is closed, no machine has that encoder.
        Failed: JobState.FAILED,
        # No worker holds anything, so there is nobody to wait for.
        CancelAsked: JobState.CANCELLED,
    },
    JobState.INGESTING: {
        # At once where the inputs were made ready while the job was held.
        InputsReady: JobState.PLANNING,
        Failed: JobState.FAILED,
        CancelAsked: JobState.CANCELLING,
    },
    JobState.PLANNING: {
        Planned: JobState.ENCODING,
        Failed: JobState.FAILED,
        CancelAsked: JobState.CANCELLING,
    },
    JobState.ENCODING: {
        # At once where nothing is encoded (copy), or every chunk was committed before (retry, resume).
        ChunksCommitted: JobState.STITCHING,
        # Never only another seek: a better index, a new plan.
        IndexRefuted: JobState.PLANNING,
        Failed: JobState.FAILED,
        CancelAsked: JobState.CANCELLING,
    },
    JobState.STITCHING: {
        Stitched: JobState.PACKAGING,
        # The join counts packets and sees what a worker's own count could not.
        IndexRefuted: JobState.PLANNING,
        # Only the chunks that are not good enough are encoded again; the plan stands.
        ChunksReturned: JobState.ENCODING,
        Failed: JobState.FAILED,
        CancelAsked: JobState.CANCELLING,
    },
    JobState.PACKAGING: {
        Packaged: JobState.DELIVERING,
        # What was verified is gone from the disk, and on the way to it again a chunk proved wrong.
        IndexRefuted: JobState.PLANNING,
        ChunksReturned: JobState.ENCODING,
        Failed: JobState.FAILED,
        CancelAsked: JobState.CANCELLING,
    },
    JobState.DELIVERING: {
        # At once where the outputs stay here.
        Delivered: JobState.COMPLETED,
        Failed: JobState.FAILED,
        CancelAsked: JobState.CANCELLING,
    },
    # What the work reports while it is being stopped has no edge: the wish to cancel came first, results are dropped.
    JobState.CANCELLING: {WorkStopped: JobState.CANCELLED},
    # A new attempt; the old outputs stay until the new ones are verified.
    JobState.COMPLETED: {RetryAsked: JobState.QUEUED},
    JobState.FAILED: {RetryAsked: JobState.QUEUED},
    JobState.CANCELLED: {RetryAsked: JobState.QUEUED},
}

# Inputs


class InputState(StrEnum):
    """Where a source is on its way to the farm."""

    WAITING = "waiting"  # nobody fetches it: it comes by upload, or its turn has not come
    FETCHING = "fetching"  # its bytes are on their way
    READY = "ready"  # here and probed
    FAILED = "failed"


@dataclass(frozen=True)
class FetchStarted:
    """Somebody fetches it."""


@dataclass(frozen=True)
class Fetched:
    """Its bytes are here, and it was probed."""


@dataclass(frozen=True)
class FetchFailed:
    """It cannot be had, or not be read."""

    reason: Reason
    message: str = ""


@dataclass(frozen=True)
class FetchAgain:
    """What was fetched, or whoever fetched it, is gone."""


InputEvent: TypeAlias = FetchStarted | Fetched | FetchFailed | FetchAgain

INPUT_TRANSITIONS: Table[InputState, InputEvent] = {
    InputState.WAITING: {
        FetchStarted: InputState.FETCHING,
        # A local file, a finished upload, or a source that another job has fetched.
        Fetched: InputState.READY,
        # Refused before the first byte: an address that is not allowed, a size over the limit.
        FetchFailed: InputState.FAILED,
    },
    InputState.FETCHING: {
        Fetched: InputState.READY,
        FetchFailed: InputState.FAILED,
        # Whoever fetched it died; a source that may be read only once fails instead.
        FetchAgain: InputState.WAITING,
    },
    # The copy was thrown away, and a new attempt needs it.
    InputState.READY: {FetchAgain: InputState.WAITING},
    # A new attempt of the job tries again.
    InputState.FAILED: {FetchAgain: InputState.WAITING},
}


# Chunks


class ChunkState(StrEnum):
    """Where a chunk is; the same words stand in the guards of `store/chunks.py`, which moves many rows at once."""

    WAITING = "waiting"  # for a slot
    LEASED = "leased"  # a worker encodes it, under a lease token
    COMMITTED = "committed"  # its blob is stored and checked
    QUARANTINED = "quarantined"  # failed alike on two machines: kept aside with its frame range


@dataclass(frozen=True)
class ChunkLeased:
    """Given to a worker."""


@dataclass(frozen=True)
class ChunkCommitted:
    """Its blob is stored and checked."""


@dataclass(frozen=True)
class ChunkReleased:
    """Its lease ended without a result."""


@dataclass(frozen=True)
class ChunkQuarantined:
    """It fails alike wherever it runs."""


@dataclass(frozen=True)
class ChunkReturned:
    """Its blob is gone, damaged, or not good enough."""


ChunkEvent: TypeAlias = ChunkLeased | ChunkCommitted | ChunkReleased | ChunkQuarantined | ChunkReturned

CHUNK_TRANSITIONS: Table[ChunkState, ChunkEvent] = {
    ChunkState.WAITING: {
        ChunkLeased: ChunkState.LEASED,
        # The same chunk, by its key, was committed by another attempt or another job.
        ChunkCommitted: ChunkState.COMMITTED,
    },
    ChunkState.LEASED: {
        ChunkCommitted: ChunkState.COMMITTED,
        ChunkReleased: ChunkState.WAITING,
        ChunkQuarantined: ChunkState.QUARANTINED,
    },
    ChunkState.COMMITTED: {ChunkReturned: ChunkState.WAITING},
    # A new attempt of the job plans new rows.
    ChunkState.QUARANTINED: {},
}


# Deliveries


class DeliveryState(StrEnum):
    """Where a file of an output is on its way to where the client wants it."""

    WAITING = "waiting"
    UPLOADING = "uploading"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True)
class UploadStarted:
    """Somebody writes to the target."""


@dataclass(frozen=True)
class Uploaded:
    """The target has all of it."""


@dataclass(frozen=True)
class UploadFailed:
    """The target did not take it, and no further try would help."""

    reason: Reason
    message: str = ""


@dataclass(frozen=True)
class UploadAgain:
    """Whoever wrote is gone, the target shall be tried once more, or what was put there was taken back."""


DeliveryEvent: TypeAlias = UploadStarted | Uploaded | UploadFailed | UploadAgain

DELIVERY_TRANSITIONS: Table[DeliveryState, DeliveryEvent] = {
    DeliveryState.WAITING: {
        UploadStarted: DeliveryState.UPLOADING,
        # The output stays here: it is where the client finds it already.
        Uploaded: DeliveryState.COMPLETED,
        # Refused before the first byte: an address that is not allowed.
        UploadFailed: DeliveryState.FAILED,
    },
    DeliveryState.UPLOADING: {
        Uploaded: DeliveryState.COMPLETED,
        UploadFailed: DeliveryState.FAILED,
        UploadAgain: DeliveryState.WAITING,
    },
    # Taken back, since the rest of its output will not come.
    DeliveryState.COMPLETED: {UploadAgain: DeliveryState.WAITING},
    # Delivered once more by hand, or after the target was put right.
    DeliveryState.FAILED: {UploadAgain: DeliveryState.WAITING},
}


def state_of_all(files: Iterable[DeliveryState]) -> DeliveryState | None:
    """How far a target is, by those of its files; none: there are none yet."""
    states = set(files)
    if DeliveryState.FAILED in states:
        return DeliveryState.FAILED
    return DeliveryState.UPLOADING if len(states) > 1 else next(iter(states), None)
