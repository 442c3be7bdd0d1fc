"""What any front door may ask about jobs. Each wish is one guarded write, after which the coordinator is nudged.

The coordinator need not be alive: whatever was wished stands in the store, and the next one reads it there.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection

from framemill.errors import Conflict, InvalidTransition, NotFound, StaleWrite
from framemill.jobs import lifecycle
from framemill.jobs.model import Callback, Delivery, Event, Input, Job, Keep, Limits, Output, Waiting
from framemill.jobs.settings import RunSettings, Value
from framemill.jobs.states import (
    ENDED_JOB,
    INPUT_TRANSITIONS,
    CancelAsked,
    FetchAgain,
    InputState,
    JobEvent,
    JobState,
    RetryAsked,
    StartAsked,
    advance,
)
from framemill.services.callers import OWNER, Caller
from framemill.services.parts import InputRequest, OutputRequest, inputs_of, outputs_of, refuse_overwriting_any
from framemill.services.submission import JobRequest, new_job
from framemill.services.waiting import Why, explain, farm_now, waiting_of
from framemill.store import doors
from framemill.store import jobs as job_rows
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries
from framemill.store.events import events_of

Nudge: TypeAlias = Callable[[Sequence[str]], None]
"""Tells the coordinator which jobs have changed (none: the farm itself). It raises nothing and waits for nothing: a
nudge that is lost costs time only."""

Result = TypeVar("Result")

_MOST_TRIES = 10  # writers of one job are few: its owner, the coordinator
_LONGEST_ID = 36


@dataclass(frozen=True, slots=True)
class Shown:
    """A job with its parts, as of one moment."""

    job: Job
    inputs: Sequence[Input]
    outputs: Sequence[Output]
    waiting: Waiting | None = None
    """Why it does not move, where it does not."""
    deliveries: Sequence[Delivery] = ()
    """Of the last attempt; not in lists."""
    frames: int = 0
    """Encoded and committed, over all renditions."""
    frames_planned: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and where to go on."""

    jobs: Sequence[Shown]
    next_cursor: str | None
    """None: there are no more."""


class JobChanges(Value):
    """What is to be changed of a job; fields that are not set stay."""

    inputs: tuple[InputRequest, ...] = ()
    outputs: tuple[OutputRequest, ...] = ()
    run: RunSettings = RunSettings()
    limits: Limits = Limits()
    callbacks: tuple[Callback, ...] = ()
    fairness_key: str = ""
    on_input_error: Keep = "fail"
    on_output_error: Keep = "fail"
    priority: int = 0
    deadline: AwareDatetime | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


#: What may be changed at any time; the rest only while the job is held.
ALWAYS_CHANGED = frozenset({"priority", "deadline", "metadata"})


class Jobs:
    """The jobs that a caller may see, over the store. Plain functions: an event loop calls them in threads.

    All raise `NotFound` for a job that is not there, or is another account's.
    """

    def __init__(
        self,
        database: Database,
        nudge: Nudge,
        *,
        caller: Caller = OWNER,
        door: str = "native",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._nudge = nudge
        self._caller = caller
        self._door = door
        self._clock = clock

    def submit(self, request: JobRequest) -> Job:
        """Write a new job. Raises as `submission.new_job` does."""
        return self.submitted(request).job

    def submitted(self, request: JobRequest) -> Shown:
        """The same, with the job's parts."""
        job, inputs, outputs = new_job(request, caller=self._caller, door=self._door, now=self._clock())
        with self._database.writing() as conn:
            job_rows.add_job(conn, job, inputs, outputs)
            farm = farm_now(conn, job.created_at)
        self._nudge([job.id])
        return Shown(job, inputs, outputs, waiting_of(job, inputs, farm))

    def listed(self, states: Collection[JobState] | None = None, limit: int = 50, cursor: str | None = None) -> Page:
        """Jobs, newest first; `cursor` is what the page before said."""
        with self._database.reading() as conn:
            found = job_rows.list_jobs(conn, self._caller.sees, states, cursor, limit + 1)
            shown = self._shown(conn, found[:limit])
        return Page(shown, shown[-1].job.id if len(found) > limit else None)

    def beginning_with(self, prefix: str, limit: int = 50) -> Page:
        """Jobs whose ids begin so, oldest first; there is no further page."""
        with self._database.reading() as conn:
            return Page(self._shown(conn, doors.jobs_by_prefix(conn, self._caller.sees, prefix, limit)), None)

    def shown(self, job_id: str) -> Shown:
        """A job with all its parts."""
        with self._database.reading() as conn:
            job, inputs, outputs = self._loaded(conn, job_id)
            mine = [row for row in load_deliveries(conn, job_id) if row.attempt == job.attempt]
            frames, planned = doors.frames_of_jobs(conn, [job_id]).get(job_id, (0, 0))
            farm = farm_now(conn, self._clock())
        return Shown(job, inputs, outputs, waiting_of(job, inputs, farm), mine, frames, planned)

    def edited(self, job_id: str, changes: JobChanges) -> Job:
        """Change what is set in `changes`; `inputs` and `outputs` are replaced as a whole.

        Raises `Conflict` for what can only be changed while the job is held, and as `submission.new_job` does.
        """
        named = changes.model_fields_set
        early = sorted(named - ALWAYS_CHANGED)

        def edit() -> Job:
            with self._database.reading() as conn:
                job, inputs, outputs = self._loaded(conn, job_id)
            if early and job.state is not JobState.HELD:
                raise Conflict(
                    f"Job {job_id} is {job.state}: {', '.join(early)} can only be changed while it is held. "
                    "Submit another job, with start: held to edit it."
                )
            # Sources are looked at, so no transaction is open.
            if "inputs" in named:
                inputs = inputs_of(job_id, changes.inputs, {one.id: one for one in inputs})
            if "outputs" in named:
                outputs = outputs_of(job_id, changes.outputs, inputs, {one.id: one for one in outputs})
            elif "inputs" in named:
                refuse_overwriting_any(inputs, outputs)
            amended = lifecycle.amend(job, **{name: getattr(changes, name) for name in named - {"inputs", "outputs"}})
            told = {"state": job.state.value, "attempt": job.attempt, "changed": sorted(named)}
            with self._database.writing() as conn:
                job_rows.save_job(conn, amended, job.version, "edited", told, now=self._clock())
                if "inputs" in named:
                    doors.replace_inputs(conn, job_id, inputs)
                if "outputs" in named:
                    doors.replace_outputs(conn, job_id, outputs)
            return amended

        return self._done(job_id, edit)

    def started(self, job_id: str) -> Job:
        """Start a held job. Raises `Conflict` for any other."""
        return self._moved(job_id, StartAsked())

    def cancelled(self, job_id: str) -> Job:
        """Cancel a job; one that is worked on is `cancelling` until nobody does any more. Raises `Conflict`.

        To ask once more while it is being cancelled does no harm.
        """
        return self._moved(job_id, CancelAsked())

    def retried(self, job_id: str) -> Job:
        """Do a job that has ended once more, as a new attempt. Raises `Conflict` for one that has not.

        Inputs that failed are fetched again; what the last attempt published stays until the new one is verified.
        """
        return self._moved(job_id, RetryAsked())

    def removed(self, job_id: str) -> None:
        """Forget a job that has ended. Raises `Conflict` for one that has not."""

        def remove() -> Job:
            with self._database.writing() as conn:
                job, _, _ = self._loaded(conn, job_id)
                if job.state not in ENDED_JOB:
                    raise Conflict(
                        f"Job {job_id} is {job.state}: only a job that has ended is removed; cancel it first."
                    )
                if not doors.remove_job(conn, job_id, job.version):
                    raise StaleWrite(f"Job {job_id} has changed: read it again.")
            return job

        self._done(job_id, remove)

    def events(self, job_id: str, after: int = 0) -> list[Event]:
        """What happened to a job after the event of that number, oldest first."""
        with self._database.reading() as conn:
            self._loaded(conn, job_id)
            return events_of(conn, job_id, after)

    def why(self, job_id: str, silence: str | None = None) -> Why:
        """Why a job does not move, and the next thing to do; `silence`: why the coordinator does not answer."""
        with self._database.reading() as conn:
            job, inputs, _ = self._loaded(conn, job_id)
            farm = farm_now(conn, self._clock())
        return explain(job, inputs, farm, silence)

    def _moved(self, job_id: str, event: JobEvent) -> Job:
        def move() -> Job:
            with self._database.writing() as conn:
                job, inputs, outputs = self._loaded(conn, job_id)
                if isinstance(event, CancelAsked) and job.state is JobState.CANCELLING:
                    return job
                now = self._clock()
                try:
                    moved, instructions = lifecycle.handle(job, event, now)
                except InvalidTransition:
                    raise Conflict(_refusal(job, event)) from None
                (notice,) = (each for each in instructions if isinstance(each, lifecycle.Notify))
                job_rows.save_job(conn, moved, job.version, notice.kind, notice.data, now=now)
                if isinstance(event, RetryAsked):
                    _forgive(conn, inputs, outputs)
            return moved

        return self._done(job_id, move)

    def _done(self, job_id: str, change: Callable[[], Job]) -> Job:
        """The change, decided again as long as somebody else was first. Raises `Conflict` when that has no end."""
        for _ in range(_MOST_TRIES):
            try:
                job = change()
            except StaleWrite:
                continue
            self._nudge([job_id])
            return job
        raise Conflict(f"Job {job_id} changes all the time; try again.")

    def _shown(self, conn: Connection, found: Sequence[Job]) -> list[Shown]:
        ids = [job.id for job in found]
        inputs, outputs = doors.inputs_of_jobs(conn, ids), doors.outputs_of_jobs(conn, ids)
        frames, farm = doors.frames_of_jobs(conn, ids), farm_now(conn, self._clock())
        return [
            Shown(
                job,
                sources := inputs.get(job.id, ()),
                outputs.get(job.id, ()),
                waiting_of(job, sources, farm),
                (),
                *frames.get(job.id, (0, 0)),
            )
            for job in found
        ]

    def _loaded(self, conn: Connection, job_id: str) -> tuple[Job, list[Input], list[Output]]:
        plausible = len(job_id) <= _LONGEST_ID and job_id.isascii() and job_id.isprintable()
        found = job_rows.load_job(conn, job_id) if plausible else None
        if found is None or self._caller.sees not in {None, found[0].account}:
            raise NotFound(f"There is no job {job_id!r}.")
        return found


def _forgive(conn: Connection, inputs: Sequence[Input], outputs: Sequence[Output]) -> None:
    """What went wrong with the parts in the last attempt does not count in the next."""
    fresh: dict[str, Any] = {"reason": None, "message": None}
    for one in inputs:
        if one.state is InputState.FAILED:
            again = advance(INPUT_TRANSITIONS, one.state, FetchAgain())
            job_rows.save_input(conn, one.model_copy(update={**fresh, "state": again}))
    for output in outputs:
        if output.reason is not None:
            job_rows.save_output(conn, output.model_copy(update=fresh))


def _refusal(job: Job, event: JobEvent) -> str:
    match event:
        case StartAsked():
            return f"Job {job.id} is {job.state}: only a job that is held is started."
        case CancelAsked():
            return f"Job {job.id} is {job.state}: there is nothing left to cancel."
        case _:
            return f"Job {job.id} is {job.state}: only a job that has ended is tried again; cancel it first."
