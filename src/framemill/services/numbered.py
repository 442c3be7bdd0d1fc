"""Jobs of doors whose clients know them by numbers, turn pages by theirs, and are told of what cannot be done by a job
that has failed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from framemill.errors import Conflict, FramemillError, InvalidTransition, NotFound
from framemill.jobs import lifecycle
from framemill.jobs.model import Input, Job, Output
from framemill.jobs.reasons import reason_of
from framemill.jobs.states import ENDED_JOB, Failed, JobEvent, JobState, RetryAsked
from framemill.secrets import mask
from framemill.services.jobs import Jobs, Shown, Submission
from framemill.services.starting import forgive, refusal
from framemill.services.submission import JobChanges, JobRequest
from framemill.store import doors, numbers, tally
from framemill.store import jobs as job_rows

KIND = "job"
"""What their numbers are counted under."""


class Numbered(NamedTuple):
    """A job and its number."""

    number: int
    shown: Shown
    reused: int = 0
    """Of `shown.frames`, those that were not encoded for it."""


class NumberedPage(NamedTuple):
    """A page of a list."""

    total: int
    """Of the whole list."""
    jobs: Sequence[Numbered]


class NumberedJobs(Jobs):
    """The jobs that a caller may see at such a door. All raise as `Jobs` do."""

    def made(self, request: JobRequest) -> Numbered:
        """Write a new job. Raises as `submission.new_job` does."""
        return self._with_number(self.submitted(request))

    def refused(self, request: JobRequest, why: FramemillError) -> Numbered:
        """Write a job that cannot be done, with as much as there is of it, as one that has failed: its owner finds it
        among the others, and may have it tried again."""
        (fresh,) = self._fresh([request.model_copy(update={"start": "held"})])
        with self._database.writing() as conn:
            (shown,) = self._written(conn, [fresh])
            if shown.job.state is JobState.HELD:  # else an earlier try of the same request has done it
                self._move(conn, shown.job, shown.job.version, _failed(why))
        self._nudge([shown.job.id])
        return self._with_number(self.shown(shown.job.id))

    def numbered(self, number: int) -> Numbered:
        """The job that has it, with all its parts."""
        with self._database.reading() as conn:
            job_id = numbers.with_number(conn, self._door, KIND, number)
            reused = {} if job_id is None else doors.reused_of_jobs(conn, [job_id])
        if job_id is None:
            raise NotFound(f"There is no job {number}.")
        return Numbered(number, self.shown(job_id), reused.get(job_id, 0))

    def page(self, page: int, count: int) -> NumberedPage:
        """That many of the jobs, newest first; pages count from 1."""
        with self._database.reading() as conn:
            total = sum(tally.tally_jobs(conn, self._caller.sees, self._door).values())
            jobs = tally.nth_jobs(conn, self._caller.sees, self._door, (page - 1) * count, count)
            shown = self._shown(conn, jobs)
            ids = [job.id for job in jobs]
            known, reused = numbers.numbers_of(conn, self._door, KIND, ids), doors.reused_of_jobs(conn, ids)
        return NumberedPage(total, [Numbered(known[one.job.id], one, reused.get(one.job.id, 0)) for one in shown])

    def tally(self) -> Mapping[tuple[str, bool], int]:
        """How many jobs there are, by state and whether they are tried again."""
        with self._database.reading() as conn:
            return tally.tally_jobs(conn, self._caller.sees, self._door)

    def again(self, job_id: str, changes: JobChanges) -> Job:
        """Do a job that has ended once more, as a new attempt and with these changes. Raises `Conflict` for one that
        has not, and as `submission.new_job` does."""

        def move() -> Job:
            with self._database.reading() as conn:
                job, inputs, outputs = self._loaded(conn, job_id)
            _refuse_going(job)
            # Sources are looked at, so no transaction is open.
            amended, its_inputs, its_outputs = self._editor.changed(changes)(job, inputs, outputs)
            with self._database.writing() as conn:
                moved = self._move(conn, amended, job.version, RetryAsked())
                doors.replace_inputs(conn, job_id, its_inputs)
                doors.replace_outputs(conn, job_id, its_outputs)
                forgive(conn, its_inputs, its_outputs)
            return moved

        return self._done(job_id, move)

    def refused_again(self, job_id: str, why: FramemillError) -> Job:
        """The same of one that still cannot be done: its new attempt fails at once. Raises `Conflict` likewise."""

        def move() -> Job:
            with self._database.writing() as conn:
                job, _, _ = self._loaded(conn, job_id)
                _refuse_going(job)
                begun = self._move(conn, job, job.version, RetryAsked())
                return self._move(conn, begun, begun.version, _failed(why))

        return self._done(job_id, move)

    def _admitted(self, conn: Connection, job: Job, inputs: list[Input], outputs: list[Output]) -> Submission:
        made = super()._admitted(conn, job, inputs, outputs)
        numbers.numbered(conn, self._door, KIND, job.id)
        return made

    def _move(self, conn: Connection, job: Job, version: int, event: JobEvent) -> Job:
        """The job as it stands, moved on from that version. Raises `Conflict` where it does not take the event."""
        try:
            moved, instructions = lifecycle.handle(job, event, self._clock())
        except InvalidTransition:
            raise Conflict(refusal(job, event)) from None
        (notice,) = (one for one in instructions if isinstance(one, lifecycle.Notify))
        job_rows.save_job(conn, moved, version, notice.kind, notice.data, now=self._clock())
        return moved

    def _with_number(self, shown: Shown) -> Numbered:
        with self._database.reading() as conn:
            return Numbered(numbers.numbers_of(conn, self._door, KIND, [shown.job.id])[shown.job.id], shown)


def _failed(why: FramemillError) -> Failed:
    return Failed(reason_of(why), mask(why.message))


def _refuse_going(job: Job) -> None:
    if job.state not in ENDED_JOB:
        raise Conflict(refusal(job, RetryAsked()))
