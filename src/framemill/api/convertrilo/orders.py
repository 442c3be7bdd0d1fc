"""What clients ask of jobs: each is a few calls of the farm's services, one after the other, and blocks."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from framemill.api.convertrilo.encodes import Encode, output_of
from framemill.api.convertrilo.mapping import Note, note_of, written
from framemill.api.convertrilo.prices import Prices, guessed_cost, tariff_of
from framemill.api.convertrilo.refusals import unfit
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.schemas import JobCreate
from framemill.api.convertrilo.stores import opener_of, uri_of
from framemill.errors import BalanceTooLow, Conflict, FramemillError
from framemill.jobs.model import Job
from framemill.jobs.states import ENDED_JOB, InputState, JobState
from framemill.jobs.uploads import UploadState
from framemill.secrets import mask
from framemill.services.callers import Caller
from framemill.services.costing import Cost, cost_of
from framemill.services.inputs import InputRequest
from framemill.services.jobs import Jobs, Shown
from framemill.services.ledger import Ledger
from framemill.services.submission import JobChanges, JobRequest
from framemill.services.uploads import NewUpload, Uploads
from framemill.storage.credentials import Named

UNNAMED = "video"
"""What an upload is called of which nobody says what it is called."""


@dataclass(frozen=True, slots=True)
class Made:
    """A job that was made."""

    shown: Shown
    note: Note
    estimate: int
    """Thousandths of a NEU, by as much as is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What whoever asks may have done."""

    jobs: Jobs
    uploads: Uploads
    ledger: Ledger
    caller: Caller
    prices: Prices
    named: Named
    """Credentials of the farm's settings."""

    def created(self, asked: JobCreate) -> Made:
        """Make a job, which waits for its client; with `confirm` it begins. Raises as `Jobs.submit`, `BalanceTooLow`.

        Whatever is missing of a job that an earlier try of the same request has made is done now.
        """
        encode = asked.encode
        estimate = self._guess(encode)
        note = self._note(asked, encode)
        if asked.confirm:
            note = note.model_copy(update={"reserved": estimate})
        if note.ingest == "upload":
            upload = self.uploads.created(NewUpload(filename=asked.original_filename or UNNAMED))
            note = note.model_copy(update={"upload_id": upload.id})
        shown = self.jobs.submitted(self._request(asked, encode, note))
        if asked.confirm and shown.job.state is JobState.HELD:
            shown = replace(shown, job=self._begun_at_once(shown.job, estimate))
        return Made(shown, note_of(shown.job), estimate)

    def tried(self, asked: JobCreate) -> int:
        """What it would cost, by as much as is known; nothing is made. Raises as `created` does."""
        encode = asked.encode
        note = self._note(asked, encode)
        request = self._request(asked, encode, note)
        if request.inputs:
            self.jobs.tried(request)
        return self._guess(encode)

    def looked_at(self, job_id: str) -> tuple[Shown, Cost | None]:
        """A job, and what it will cost; none: its source is still to be read.

        Raises `Refused` where nothing will come of waiting for that.
        """
        shown = self.jobs.shown(job_id)
        for source in shown.inputs:
            if source.state is InputState.FAILED or shown.job.state is JobState.FAILED:
                why = source.message or shown.job.message or "The source cannot be read."
                raise Refused(400, "probe_failed", mask(why))
        if shown.job.state in {JobState.CANCELLED, JobState.CANCELLING}:
            raise Refused(409, "probe_failed", f"Job {job_id} was canceled: create another one.")
        found = cost_of(shown)
        if found is None and (missing := self._missing(shown)):
            raise Refused(409, "probe_failed", missing)
        return shown, found

    def planned(self, job_id: str, said: Mapping[str, Any]) -> Shown:
        """A job as it would be with these changes; nothing is written.

        Raises `Conflict` for one that has begun, and `Refused` for what does not fit.
        """
        shown = self.jobs.shown(job_id)
        if not said:
            return shown
        _require_held(shown.job)
        return self.jobs.as_edited(job_id, self._changes(shown, said))

    def approved(self, job_id: str, said: Mapping[str, Any]) -> tuple[Shown, Cost]:
        """Set aside what a job will cost whose source was read, and change it; where that is not there, it stays.

        Raises as `planned` does, `BalanceTooLow`, and `Conflict` once it runs.
        """
        shown, _ = self.looked_at(job_id)
        _require_held(shown.job)
        planned = self.planned(job_id, said)
        found = cost_of(planned)
        if found is None:
            raise Conflict(f"The source of job {job_id} is still to be read: ask again in a moment.")
        self._set_aside(shown, said, found.amount)
        return planned, found

    def confirmed(self, job_id: str, said: Mapping[str, Any]) -> Shown:
        """Let a job begin, with what it costs set aside; one that has begun goes on. Raises as `approved` does."""
        shown = self.jobs.shown(job_id)
        if shown.job.state is JobState.HELD:
            self._begun(shown, said)
            return self.jobs.shown(job_id)
        if said or shown.job.state in ENDED_JOB - {JobState.COMPLETED} or shown.job.state is JobState.CANCELLING:
            _require_held(shown.job)
        return shown

    def cancelled(self, job_id: str) -> tuple[Job, int]:
        """Cancel a job, and what is released of the balance by that, in thousandths; nothing of one that has ended."""
        job = self.jobs.shown(job_id).job
        if job.state in ENDED_JOB or job.state is JobState.CANCELLING:
            return job, 0
        try:
            return self.jobs.cancelled(job_id), note_of(job).reserved
        except Conflict:  # it has just ended
            return self.jobs.shown(job_id).job, 0

    def _begun_at_once(self, job: Job, estimate: int) -> Job:
        """Set aside what a new job will cost, and start it. Raises `BalanceTooLow`."""
        try:
            self.ledger.held(job.account, job.id, estimate, known=estimate)
        except BalanceTooLow:  # nothing came of it, so nobody is to see it
            with contextlib.suppress(Conflict):
                self.jobs.cancelled(job.id)
                self.jobs.removed(job.id)
            raise
        except Conflict:  # it has just ended
            return self.jobs.shown(job.id).job
        try:
            return self.jobs.started(job.id)
        except Conflict:  # its source could not be read
            return self.jobs.shown(job.id).job

    def _begun(self, shown: Shown, said: Mapping[str, Any]) -> None:
        job_id = shown.job.id
        planned = self.planned(job_id, said)
        note, found = note_of(planned.job), cost_of(planned)
        guessed = note.reserved if note.reserved and not said else self._guess(note.asked)
        self._set_aside(shown, said, guessed if found is None else found.amount)
        try:
            self.jobs.started(job_id)
        except Conflict:
            if self.jobs.shown(job_id).job.state is JobState.HELD:
                raise

    def _set_aside(self, shown: Shown, said: Mapping[str, Any], amount: int) -> None:
        """Set aside what a job costs with these changes, and then change it: nobody gets what they cannot pay."""
        job, before = shown.job, note_of(shown.job).reserved
        changes = self._changes(shown, said) if said else JobChanges(door_data=job.door_data)
        noted = {**changes.door_data, "reserved": amount}
        self.ledger.held(job.account, job.id, amount, known=before)
        if not said and amount == before:
            return
        try:
            self.jobs.edited(job.id, changes.model_copy(update={"door_data": noted}))
        except FramemillError:
            if self.jobs.shown(job.id).job.state is JobState.HELD:  # else a twin has started it, with what it needs
                with contextlib.suppress(BalanceTooLow, Conflict):
                    self.ledger.held(job.account, job.id, before, known=amount)
            raise

    def _changes(self, shown: Shown, said: Mapping[str, Any]) -> JobChanges:
        """Raises `Refused` for what does not fit."""
        note = note_of(shown.job)
        try:
            encode = note.asked.changed(said)
        except ValidationError as error:
            raise unfit(error) from None
        return JobChanges(
            outputs=(output_of(encode, id=shown.outputs[0].id),),
            tariff=tariff_of(encode, self.prices),
            door_data=note.with_encode(encode).data,
        )

    def _note(self, asked: JobCreate, encode: Encode) -> Note:
        told = {"encode": written(encode), "external_id": asked.external_id, "metadata": asked.metadata}
        if asked.source_s3 is not None:
            return Note.model_validate({**told, "ingest": "s3"})
        return Note.model_validate({**told, "ingest": "upload" if asked.source_url is None else "url"})

    def _request(self, asked: JobCreate, encode: Encode, note: Note) -> JobRequest:
        return JobRequest(
            inputs=self._inputs(asked, note),
            outputs=(output_of(encode),),
            start="held",
            metadata=asked.metadata or {},
            door_data=note.data,
            tariff=tariff_of(encode, self.prices),
        )

    def _inputs(self, asked: JobCreate, note: Note) -> tuple[InputRequest, ...]:
        if asked.source_url is not None:
            return (InputRequest(uri=asked.source_url, filename=asked.original_filename),)
        if asked.source_s3 is not None:
            said = asked.source_s3
            opener = opener_of(said, self.named, self.caller.account)
            return (InputRequest(uri=uri_of(said.bucket, said.key), credentials=opener),)
        return () if note.upload_id is None else (InputRequest(upload_id=note.upload_id),)

    def _guess(self, encode: Encode) -> int:
        return guessed_cost(encode, tariff_of(encode, self.prices), self.prices)

    def _missing(self, shown: Shown) -> str:
        """Why nobody reads the source: it was not uploaded yet."""
        upload_id = shown.inputs[0].upload_id if shown.inputs else None
        if upload_id is None or self.uploads.shown(upload_id).upload.state is UploadState.COMPLETED:
            return ""
        return (
            f"The source of job {shown.job.id} has not been uploaded yet: PUT it to upload.url first, or send it in "
            "chunks and finalize these."
        )


def _require_held(job: Job) -> None:
    if job.state is not JobState.HELD:
        raise Conflict(f"Job {job.id} is {job.state} by now: it is changed and confirmed before it begins.")
