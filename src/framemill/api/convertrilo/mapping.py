"""Between Convertrilo's words about jobs and ours. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from framemill.api.convertrilo.encodes import ENCODERS, Encode
from framemill.jobs.model import Delivery, Job, Output
from framemill.jobs.settings import Value
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.secrets import mask
from framemill.services.jobs import Shown

STATUSES: Mapping[JobState, str] = MappingProxyType(
    {
        JobState.HELD: "created",
        JobState.QUEUED: "queued",
        JobState.INGESTING: "running",
        JobState.PLANNING: "running",
        JobState.ENCODING: "running",
        JobState.STITCHING: "running",
        JobState.PACKAGING: "running",
        JobState.DELIVERING: "running",
        JobState.COMPLETED: "success",
        JobState.FAILED: "failed",
        JobState.CANCELLING: "canceled",  # nothing leads back from there
        JobState.CANCELLED: "canceled",
    }
)
"""What each state is called there; clients of the SDK look for `success`, `failed` and `canceled`."""

_BEFORE: Mapping[JobState, int] = MappingProxyType(
    {
        JobState.HELD: 0, JobState.QUEUED: 0, JobState.INGESTING: 2, JobState.PLANNING: 3, JobState.ENCODING: 3,
        JobState.STITCHING: 96, JobState.PACKAGING: 97, JobState.DELIVERING: 98, JobState.COMPLETED: 100,
        JobState.FAILED: 0, JobState.CANCELLING: 0, JobState.CANCELLED: 0,
    }
)  # fmt: skip
"""Per cent with which a state begins; 1 is none of them, since clients read it as the whole."""
_ENCODING = 92
"""Per cent that encoding takes of the whole."""


class Note(Value):
    """What the door keeps with a job of what was asked, in `Job.door_data`."""

    encode: dict[str, Any]
    external_id: str | None = None
    metadata: dict[str, Any] | None = None
    ingest: Literal["upload", "url", "s3", "google-drive"] = "upload"
    upload_id: str | None = None
    """The upload that was made with the job, whose link its client has."""
    stream_id: str | None = None
    """The upload in parts that takes its place."""
    reserved: int = Field(default=0, ge=0)
    """Thousandths of a NEU that were set aside for it."""
    on_demand: dict[str, Any] | None = None
    """What was asked for beside the encode, where it came on demand; none: it came by `/jobs`."""

    @property
    def asked(self) -> Encode:
        """The encode."""
        return Encode.model_validate(self.encode)

    def with_encode(self, encode: Encode) -> "Note":
        """The same of another encode."""
        return self.model_copy(update={"encode": written(encode)})

    @property
    def data(self) -> dict[str, Any]:
        """As the job keeps it."""
        return self.model_dump(mode="json", exclude_none=True)


def written(encode: Encode) -> dict[str, Any]:
    """An encode as a note keeps it."""
    return encode.model_dump(mode="json", by_alias=True, exclude_none=True)


def note_of(job: Job) -> Note:
    """What the door has kept with a job of its own."""
    return Note.model_validate(job.door_data)


def pct(shown: Shown) -> int:
    """How far a job is, in whole per cent: 0 to 100, and 100 of one alone that is done.

    By the frames that are committed, of which none are lost with a worker, and not by those that are under way.
    """
    state = shown.job.state
    share = shown.frames / shown.frames_planned if shown.frames_planned else 0.0
    encoded = int(_ENCODING * min(share, 1.0))
    if state is JobState.ENCODING:
        return _BEFORE[state] + encoded
    if state in ENDED_JOB - {JobState.COMPLETED} or state is JobState.CANCELLING:
        return _BEFORE[JobState.ENCODING] + encoded if encoded else 0
    return _BEFORE[state]


def encoder(job: Job) -> str | None:
    """What encodes it; none: nobody does yet."""
    begun = job.state not in {JobState.HELD, JobState.QUEUED} and job.started_at is not None
    return ENCODERS[note_of(job).asked.codec] if begun else None


def failure(job: Job) -> str | None:
    """Why it failed, with nothing in it that is secret."""
    if job.state is not JobState.FAILED:
        return None
    return mask(job.message or "") or (job.reason or "failed")


def moment(at: datetime | None) -> str | None:
    """As JavaScript writes it: UTC, with milliseconds."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def output_key(output: Output) -> str:
    """What an output that stays here is called."""
    return f"outputs/{output.job_id}/{output.name}"


def upload_key(upload_id: str) -> str:
    """What an upload is called."""
    return f"uploads/{upload_id}"


def file_of(output: Output, deliveries: Sequence[Delivery]) -> str | None:
    """The path below its link of an output that stays here, and is one file; none: it is not there."""
    mine = (row for row in deliveries if row.output_id == output.id and row.target is None)
    return next((row.path for row in mine), None)


def course(job: Job, note: Note) -> dict[str, Any]:
    """What every way to tell a job ends with: its times, why it failed, and how often its pictures are encoded."""
    return {
        "createdAt": moment(job.created_at),
        "startedAt": moment(job.started_at),
        "finishedAt": moment(job.ended_at),
        "failureMessage": failure(job),
        "requestedPasses": note.asked.passes,
        "effectivePasses": note.asked.effective_passes,
    }


def status(shown: Shown, *, done: int, download_url: str | None) -> dict[str, Any]:
    """A job as `GET /jobs/{id}/status` tells it. `done`: per cent; `download_url`: of one that is a success."""
    job, note = shown.job, note_of(shown.job)
    output = shown.outputs[0] if shown.outputs else None
    return {
        "id": job.id,
        "status": STATUSES[job.state],
        "downloadUrl": download_url,
        "encoder": encoder(job),
        "pct": done,
        "externalId": note.external_id,
        "metadata": note.metadata,
        "ingest": {"type": note.ingest},
        "output": None if output is None else {"key": output_key(output), "fileName": output.name},
        **course(job, note),
    }
