"""What any front door may ask about jobs. Each wish is one guarded write, after which the coordinator is nudged.

The coordinator need not be alive: whatever was wished stands in the store, and the next one reads it there.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias, TypeVar

from sqlalchemy import Connection

from framemill.errors import Conflict, InvalidTransition, NotFound, StaleWrite
from framemill.jobs import lifecycle
from framemill.jobs.model import (
    NATIVE,
    OWN_DOORS,
    ChunkRow,
    Delivery,
    Event,
    Input,
    Job,
    Output,
    Waiting,
    could_be_id,
)
from framemill.jobs.states import (
    ENDED_JOB,
    CancelAsked,
    JobEvent,
    JobState,
    RetryAsked,
    StartAsked,
)
from framemill.services import audit, sources
from framemill.services.accounts import admit_job, within_quotas
from framemill.services.callers import OWNER, Caller
from framemill.services.desk import Desk
from framemill.services.editing import Editor, Rewrite, Rewritten
from framemill.services.fields import about
from framemill.services.idempotency import Ids
from framemill.services.inputs import InputRequest, inputs_of
from framemill.services.parts import OutputRequest, refuse_overwriting_any
from framemill.services.paths import open_inputs
from framemill.services.starting import forgive, refusal, refuse_deleted, refuse_unready
from framemill.services.submission import ALWAYS_CHANGED, JobChanges, JobRequest, new_job, refuse_incomplete
from framemill.services.waiting import Why, explain, farm_now, waiting_of
from framemill.store import doors
from framemill.store import jobs as job_rows
from framemill.store.chunks import load_chunks
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries
from framemill.store.events import events_of
from framemill.store.listing import JobFilter, find_jobs, nth_page
from framemill.store.writer import Writer

Nudge: TypeAlias = Callable[[Sequence[str]], None]
"""Tells the coordinator which jobs have changed (none: the farm itself). It raises nothing and waits for nothing: a
nudge that is lost costs time only."""

Result = TypeVar("Result")
Submission: TypeAlias = tuple[Job, list[Input], list[Output]]
"""A new job with its parts."""

_MOST_TRIES = 10  # writers of one job are few: its owner, the coordinator


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


class Jobs:
    """The jobs that a caller may see, over the store. Plain functions: an event loop calls them in threads; what it is
    asked many times at once, it awaits (`joined`).

    All raise `NotFound` for a job that is not there, or is another account's. Through the farm's own doors all jobs of
    the account are seen; any other shows those that came through it.
    """

    def __init__(
        self,
        database: Database,
        nudge: Nudge,
        *,
        caller: Caller = OWNER,
        door: str = NATIVE,
        ids: Ids | None = None,
        desk: Desk | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._nudge = nudge
        self._caller = caller
        self._door = door
        self._ids = ids or Ids()
        self._desk = desk
        self._clock = clock

    def submit(self, request: JobRequest) -> Job:
        """Write a new job. Raises as `submission.new_job` does."""
        return self.submitted(request).job

    def submitted(self, request: JobRequest) -> Shown:
        """The same, with the job's parts."""
        return self._alone(self._fresh([request]))[0]

    def submitted_all(self, requests: Sequence[JobRequest]) -> list[Shown]:
        """Write several new jobs, all or none of them; the error's `param` names the one that is wrong."""
        return self._alone(self._fresh(requests, batch=True))

    async def joined(self, writer: Writer, request: JobRequest) -> Shown:
        """`submitted`, from an event loop and in one transaction with whatever else is being written."""
        return (await self._together(writer, await asyncio.to_thread(self._fresh, [request])))[0]

    async def joined_all(
        self, writer: Writer, requests: Sequence[JobRequest], *, alike: bool = False, parts: Sequence[str] = ()
    ) -> list[Shown]:
        """The same of `submitted_all`. `alike`: all come of one wish, so the error's `param` names none of them.

        `parts`: what each of them is within that wish, so that it has the same id at every try, whatever is beside it.
        """
        fresh = await asyncio.to_thread(self._fresh, requests, batch=not alike, parts=parts)
        return await self._together(writer, fresh)

    def _fresh(
        self, requests: Sequence[JobRequest], *, batch: bool = False, parts: Sequence[str] = ()
    ) -> list[Submission]:
        """New jobs, checked; nothing is written."""
        now = self._clock()
        made = []
        for position, request in enumerate(requests):
            if parts:
                self._ids.turn_to(parts[position])
            with about(f"jobs.{position}") if batch else nullcontext():
                made.append(self._new(request, now))
        return made

    def _alone(self, fresh: Sequence[Submission]) -> list[Shown]:
        with self._database.writing() as conn:
            made = self._written(conn, fresh)
        self._nudge([one.job.id for one in made])
        return made

    async def _together(self, writer: Writer, fresh: Sequence[Submission]) -> list[Shown]:
        made = await writer.write(lambda conn: self._written(conn, fresh))
        self._nudge([one.job.id for one in made])
        return made

    def _written(self, conn: Connection, fresh: Sequence[Submission]) -> list[Shown]:
        """Write new jobs, and show them. Harmless when it is done again after a transaction that came to nothing."""
        made = [self._admitted(conn, *each) for each in fresh]
        farm = farm_now(conn, self._clock())
        return [Shown(job, inputs, outputs, waiting_of(job, inputs, farm)) for job, inputs, outputs in made]

    def tried(self, request: JobRequest) -> Submission:
        """What a new job would be; nothing is written. Raises as `submit` does, also where a held job lacks a part."""
        refuse_incomplete(request.inputs, request.outputs)
        return self._new(request, self._clock())

    def _new(self, request: JobRequest, now: datetime) -> Submission:
        request = request.model_copy(update={"inputs": self._named(request.inputs)})
        return new_job(request, caller=self._caller, door=self._door, now=now, job_id=self._ids(), desk=self._desk)

    def _named(self, inputs: Sequence[InputRequest]) -> tuple[InputRequest, ...]:
        """Those that are like another job's as what these are, and uploads under the names that they have."""
        if all(one.upload_id is None and one.like is None for one in inputs):
            return tuple(inputs)
        with self._database.reading() as conn:
            inputs = sources.alike(conn, inputs, self._caller, self._own_door, self._desk)
            return sources.named(conn, inputs, self._caller)

    def _admitted(self, conn: Connection, job: Job, inputs: list[Input], outputs: list[Output]) -> Submission:
        """Write a new job; what an earlier try of the same request has written is told again."""
        known = job_rows.load_job(conn, job.id) if self._ids.again else None
        if known is not None:
            return known
        job = admit_job(conn, self._caller, job, outputs=len(outputs), estimate=None, now=job.created_at)
        job_rows.add_job(conn, job, inputs, outputs)
        return job, inputs, outputs

    def listed(self, states: Collection[JobState] | None = None, limit: int = 50, cursor: str | None = None) -> Page:
        """Jobs, newest first; `cursor` is what the page before said."""
        return self.found(JobFilter(states=states), limit, cursor)

    def found(self, wanted: JobFilter, limit: int = 50, cursor: str | None = None) -> Page:
        """Those of the jobs that the filter lets through; its account is the caller's."""
        with self._database.reading() as conn:
            jobs, next_cursor = find_jobs(conn, self._mine(wanted), cursor, limit)
            return Page(self._shown(conn, jobs), next_cursor)

    def paged(self, wanted: JobFilter, size: int, number: int) -> tuple[Sequence[Shown], int]:
        """The page of that number (the first: 1), and how many jobs there are in all; see `listing.nth_page`."""
        with self._database.reading() as conn:
            jobs, count = nth_page(conn, self._mine(wanted), size, number)
            return self._shown(conn, jobs), count

    def _mine(self, wanted: JobFilter) -> JobFilter:
        return replace(wanted, account=self._caller.sees, door=self._own_door or wanted.door)

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
        return self._edited(job_id, changes.model_fields_set, self._editor.changed(changes))

    def edited_by(
        self,
        job_id: str,
        named: Collection[str],
        changes_of: Callable[[Shown], JobChanges],
        begins: Callable[[Shown], bool] = lambda _: False,
    ) -> Job:
        """`edited`, by changes that follow from how the job stands: they are worked out anew where it has moved on.

        `named`: what they may set; `begins`: whether the job, one that is held, is started as it is then, in the same
        transaction. Raises as `edited` does, and `Conflict` where it cannot be started so.
        """

        def rewrite(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> Rewritten:
            return self._editor.changed(changes_of(Shown(job, inputs, outputs)))(job, inputs, outputs)

        return self._edited(job_id, named, rewrite, begins)

    def as_edited(self, job_id: str, changes: JobChanges) -> Shown:
        """A job as `edited` would leave it; nothing is written. Raises as that does for what does not fit."""
        shown = self.shown(job_id)
        job, inputs, outputs = self._editor.changed(changes)(shown.job, shown.inputs, shown.outputs)
        return replace(shown, job=job, inputs=inputs, outputs=outputs)

    def input_set(self, job_id: str, wanted: InputRequest) -> str:
        """Add an input to a held job, or change what is set in `wanted` of the one with its id; the input's id.

        Raises as `edited` does, and `NotFound` where the job has no such input.
        """
        told: list[str] = []
        self._edited(job_id, {"inputs"}, self._editor.input_set(wanted, told))
        return told[0]

    def output_set(self, job_id: str, wanted: OutputRequest) -> str:
        """The same for an output."""
        told: list[str] = []
        self._edited(job_id, {"outputs"}, self._editor.output_set(wanted, told))
        return told[0]

    def part_removed(self, job_id: str, part: Literal["inputs", "outputs"], part_id: str) -> None:
        """Take an input or an output from a held job. Raises as `edited` does, and `NotFound`."""
        self._edited(job_id, {part}, self._editor.without(part, part_id))

    @property
    def _editor(self) -> Editor:
        return Editor(caller=self._caller, desk=self._desk, named=self._named)

    def _edited(
        self,
        job_id: str,
        named: Collection[str],
        rewrite: Rewrite,
        begins: Callable[[Shown], bool] = lambda _: False,
    ) -> Job:
        early = sorted(set(named) - ALWAYS_CHANGED)

        def edit() -> Job:
            with self._database.reading() as conn:
                job, inputs, outputs = self._loaded(conn, job_id)
            if early and job.state is not JobState.HELD:
                raise Conflict(
                    f"Job {job_id} is {job.state}: {', '.join(early)} can only be changed while it is held. "
                    "Submit another job, with start: held to edit it."
                )
            # Sources are looked at, so no transaction is open.
            amended, inputs_now, outputs_now = rewrite(job, inputs, outputs)
            if "inputs" in named and "outputs" not in named:
                refuse_overwriting_any(inputs_now, outputs_now)
            starts = amended.state is JobState.HELD and begins(Shown(amended, inputs_now, outputs_now))
            if starts:
                refuse_unready(amended, inputs_now, outputs_now)
            told = {"state": job.state.value, "attempt": job.attempt, "changed": sorted(named)}
            with self._database.writing() as conn:
                if {"limits", "priority"} & set(named):
                    amended = within_quotas(conn, self._caller, amended)
                job_rows.save_job(conn, amended, job.version, "edited", told, now=self._clock())
                if "inputs" in named:
                    doors.replace_inputs(conn, job_id, inputs_now)
                if "outputs" in named:
                    doors.replace_outputs(conn, job_id, outputs_now)
                return self._started(conn, amended) if starts else amended

        return self._done(job_id, edit)

    def _started(self, conn: Connection, job: Job) -> Job:
        now = self._clock()
        moved, instructions = lifecycle.handle(job, StartAsked(), now)
        (notice,) = (each for each in instructions if isinstance(each, lifecycle.Notify))
        job_rows.save_job(conn, moved, job.version, notice.kind, notice.data, now=now)
        return moved

    def started(self, job_id: str) -> Job:
        """Start a held job. Raises `Conflict` for any other."""
        return self._moved(job_id, StartAsked())

    def started_with(self, job_id: str, wanted: Sequence[InputRequest]) -> Job:
        """Start a held job with these inputs and no others, at one go: so nothing is fetched of what still waits.

        Raises `Conflict` for a job that is not held, or has inputs, and as `edited` does.
        """

        def start() -> Job:
            with self._database.reading() as conn:
                job, known, outputs = self._loaded(conn, job_id)
            if job.state is not JobState.HELD or known:
                raise Conflict(f"Job {job_id} is {job.state}, or has inputs: it cannot be started with others.")
            opened = open_inputs(self._named(wanted), self._caller, self._desk)
            inputs = inputs_of(job_id, opened, account=job.account, desk=self._desk, limits=job.limits)
            refuse_overwriting_any(inputs, outputs)
            refuse_unready(job, inputs, outputs)
            with self._database.writing() as conn:
                moved = self._started(conn, job)
                doors.replace_inputs(conn, job_id, inputs)
            return moved

        return self._done(job_id, start)

    def cancelled(self, job_id: str) -> Job:
        """Cancel a job; one that is worked on is `cancelling` until nobody does any more. Raises `Conflict`.

        To ask once more while it is being cancelled does no harm.
        """
        return self._moved(job_id, CancelAsked())

    def retried(self, job_id: str) -> Job:
        """Do a job that has ended once more, as a new attempt. Raises `Conflict` for one that has not.

        Inputs that failed are fetched again; what the last attempt published stays until the new one is verified. What
        was withdrawn is made again; not where it was withdrawn with a video, which is a `Conflict`, too.
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
                self._note(conn, "job.removed", job)
            return job

        self._done(job_id, remove)

    def events(self, job_id: str, after: int = 0) -> list[Event]:
        """What happened to a job after the event of that number, oldest first."""
        with self._database.reading() as conn:
            self._loaded(conn, job_id)
            return events_of(conn, job_id, after)

    def chunks(self, job_id: str) -> list[ChunkRow]:
        """The chunks of a job's last attempt, in the order of its outputs, renditions and frames."""
        with self._database.reading() as conn:
            job, _, _ = self._loaded(conn, job_id)
            return load_chunks(conn, job_id, job.attempt)

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
                if isinstance(event, StartAsked):
                    refuse_unready(job, inputs, outputs)
                if isinstance(event, RetryAsked):
                    refuse_deleted(conn, job)
                try:
                    moved, instructions = lifecycle.handle(job, event, now)
                except InvalidTransition:
                    raise Conflict(refusal(job, event)) from None
                (notice,) = (each for each in instructions if isinstance(each, lifecycle.Notify))
                job_rows.save_job(conn, moved, job.version, notice.kind, notice.data, now=now)
                if isinstance(event, RetryAsked):
                    forgive(conn, inputs, outputs)
                if isinstance(event, CancelAsked):
                    self._note(conn, "job.cancelled", job)
            return moved

        return self._done(job_id, move)

    def _note(self, conn: Connection, action: str, job: Job) -> None:
        """What admins do to anybody's jobs is on record; what their owners do, the job's events tell."""
        if self._caller.admin:
            audit.note(conn, self._caller, action, job.id, now=self._clock(), account=job.account)

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
        found = job_rows.load_job(conn, job_id) if could_be_id(job_id) else None
        if (
            found is None
            or self._caller.sees not in {None, found[0].account}
            or self._own_door not in {None, found[0].door}
        ):
            raise NotFound(f"There is no job {job_id!r}.")
        return found

    @property
    def _own_door(self) -> str | None:
        """The door whose jobs alone are seen; none: those of all."""
        return None if self._door in OWN_DOORS else self._door
