"""A job's source in chunks: an upload in parts, which takes the place of the one that the job was made with."""

from collections.abc import Sequence
from dataclasses import dataclass

from framemill.api.convertrilo.mapping import Note, note_of
from framemill.errors import Conflict, NotFound
from framemill.jobs.states import JobState
from framemill.jobs.uploads import Upload, UploadState
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs, Shown
from framemill.services.submission import JobChanges
from framemill.services.uploads import GivenPart, NewUpload, Uploads


@dataclass(frozen=True, slots=True)
class Chunks:
    """What is done with them; each call blocks. All raise `NotFound` for a job that is not there."""

    jobs: Jobs
    uploads: Uploads

    def begun(self, job_id: str) -> str:
        """The upload that they go to; asked once more it is the same, as long as it is open.

        Raises `Conflict` for a job that has begun, or has another source.
        """
        shown = self.jobs.shown(job_id)
        note = note_of(shown.job)
        if note.ingest != "upload":
            raise Conflict(f"The source of job {job_id} is fetched by the farm: nothing is uploaded for it.")
        if note.stream_id is not None and self._state(note.stream_id) is UploadState.OPEN:
            return note.stream_id
        _require_held(shown)
        name = shown.inputs[0].filename if shown.inputs else None
        made = self.uploads.created(NewUpload(filename=name or "video", multipart=True))
        self._source_is(shown, made.id, note.model_copy(update={"stream_id": made.id}))
        return made.id

    def open(self, job_id: str) -> str:
        """The upload that they go to. Raises `Conflict` before `begun`."""
        found = note_of(self.jobs.shown(job_id).job).stream_id
        if found is None:
            raise Conflict(f"Job {job_id} takes no chunks yet: POST /jobs/{job_id}/stream/init first.")
        return found

    def finished(self, job_id: str, given: Sequence[GivenPart]) -> Upload:
        """Put them together. Raises as `Uploads.completed` does."""
        return self.uploads.completed(self.open(job_id), given)

    def given_up(self, job_id: str) -> None:
        """Throw away what has come. Raises `Conflict` once the job has begun with it."""
        shown = self.jobs.shown(job_id)
        note = note_of(shown.job)
        if note.stream_id is None:
            return
        _require_held(shown)
        self._source_is(shown, note.upload_id, note.model_copy(update={"stream_id": None}))
        self.uploads.aborted(note.stream_id)

    def _source_is(self, shown: Shown, upload_id: str | None, note: Note) -> None:
        inputs = () if upload_id is None else (InputRequest(upload_id=upload_id),)
        self.jobs.edited(shown.job.id, JobChanges(inputs=inputs, door_data=note.data))

    def _state(self, upload_id: str) -> UploadState | None:
        try:
            return self.uploads.shown(upload_id).upload.state
        except NotFound:
            return None


def _require_held(shown: Shown) -> None:
    if shown.job.state is not JobState.HELD:
        raise Conflict(f"Job {shown.job.id} is {shown.job.state} by now: its source comes before it is confirmed.")
