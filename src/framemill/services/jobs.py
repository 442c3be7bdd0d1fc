"""What any front door may ask about jobs. Each wish is one guarded write, after which the coordinator is nudged.

The coordinator need not be alive: whatever was wished stands in the store, and the next one reads it there.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection

from framemill.errors import Conflict, InvalidTransition, NotFound, StaleWrite, WrongUse
from framemill.jobs import lifecycle
from framemill.jobs.model import ChunkRow, Delivery, Event, Input, Job, Keep, Limits, Output, Waiting, could_be_id
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
from framemill.services import audit, sources
from framemill.services.accounts import admit_job, within_quotas
from framemill.services.callbacks import CallbackRequest, Desk, taken
from framemill.services.callers import OWNER, Caller
from framemill.services.idempotency import Ids
from framemill.services.parts import (
    MOST_OUTPUTS,
    InputRequest,
    OutputRequest,
    about,
    input_changed,
    input_of,
    inputs_of,
    output_changed,
    output_of,
    outputs_of,
    refuse_overwriting_any,
)
from framemill.services.submission import JobRequest, new_job, refuse_incomplete
from framemill.services.waiting import Why, explain, farm_now, waiting_of
from framemill.store import doors
from framemill.store import jobs as job_rows
from framemill.store.chunks import load_chunks
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries
from framemill.store.events import events_of
from framemill.store.listing import JobFilter, find_jobs

Nudge: TypeAlias = Callable[[Sequence[str]], None]
"""Tells the coordinator which jobs have changed (none: the farm itself). It raises nothing and waits for nothing: a
nudge that is lost costs time only."""

Result = TypeVar("Result")
Part = TypeVar("Part", Input, Output)
_Rewritten: TypeAlias = tuple[Job, Sequence[Input], Sequence[Output]]
"""A job as it shall be, with its parts."""

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


class JobChanges(Value):
    """What is to be changed of a job; fields that are not set stay."""

    inputs: tuple[InputRequest, ...] = ()
    outputs: tuple[OutputRequest, ...] = ()
    run: RunSettings = RunSettings()
    limits: Limits = Limits()
    callbacks: tuple[CallbackRequest, ...] = ()
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
        made = self._new(request, self._clock())
        with self._database.writing() as conn:
            job, inputs, outputs = self._admitted(conn, *made)
            farm = farm_now(conn, job.created_at)
        self._nudge([job.id])
        return Shown(job, inputs, outputs, waiting_of(job, inputs, farm))

    def submitted_all(self, requests: Sequence[JobRequest]) -> list[Shown]:
        """Write several new jobs, all or none of them; the error's `param` names the one that is wrong."""
        now = self._clock()
        made = []
        for position, request in enumerate(requests):
            with about(f"jobs.{position}"):
                made.append(self._new(request, now))
        with self._database.writing() as conn:
            made = [self._admitted(conn, *each) for each in made]
            farm = farm_now(conn, now)
        self._nudge([job.id for job, _, _ in made])
        return [Shown(job, inputs, outputs, waiting_of(job, inputs, farm)) for job, inputs, outputs in made]

    def tried(self, request: JobRequest) -> tuple[Job, list[Input], list[Output]]:
        """What a new job would be; nothing is written. Raises as `submit` does, also where a held job lacks a part."""
        refuse_incomplete(request.inputs, request.outputs)
        return self._new(request, self._clock())

    def _new(self, request: JobRequest, now: datetime) -> tuple[Job, list[Input], list[Output]]:
        request = request.model_copy(update={"inputs": self._named(request.inputs)})
        return new_job(request, caller=self._caller, door=self._door, now=now, job_id=self._ids(), desk=self._desk)

    def _named(self, inputs: Sequence[InputRequest]) -> tuple[InputRequest, ...]:
        """Those that are uploads, under the names that these have."""
        if all(one.upload_id is None for one in inputs):
            return tuple(inputs)
        with self._database.reading() as conn:
            return sources.named(conn, inputs, self._caller)

    def _admitted(
        self, conn: Connection, job: Job, inputs: list[Input], outputs: list[Output]
    ) -> tuple[Job, list[Input], list[Output]]:
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
            jobs, next_cursor = find_jobs(conn, replace(wanted, account=self._caller.sees), cursor, limit)
            return Page(self._shown(conn, jobs), next_cursor)

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

        def rewrite(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> _Rewritten:
            if "inputs" in named:
                inputs = inputs_of(job_id, self._named(changes.inputs), {one.id: one for one in inputs})
            if "outputs" in named:
                outputs = outputs_of(job_id, changes.outputs, inputs, {one.id: one for one in outputs})
            plain = {name: getattr(changes, name) for name in named - {"inputs", "outputs"}}
            if "callbacks" in named:
                plain["callbacks"] = taken(changes.callbacks, job.account, self._desk)
            return lifecycle.amend(job, **plain), inputs, outputs

        return self._edited(job_id, named, rewrite)

    def input_set(self, job_id: str, wanted: InputRequest) -> str:
        """Add an input to a held job, or change what is set in `wanted` of the one with its id; the input's id.

        Raises as `edited` does, and `NotFound` where the job has no such input.
        """
        told: list[str] = []

        def rewrite(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> _Rewritten:
            before = None if wanted.id is None else _part(inputs, wanted.id, "input")
            if before is None and inputs:
                raise WrongUse("A job takes one input, and has it: change that one, or submit a job for each source.")
            (asked,) = self._named([wanted if before is None else input_changed(before, wanted)])
            made = input_of(job_id, asked, len(inputs) if before is None else before.position, before)
            told[:] = [made.id]
            return lifecycle.amend(job), _replaced(inputs, before, made), outputs

        self._edited(job_id, {"inputs"}, rewrite)
        return told[0]

    def output_set(self, job_id: str, wanted: OutputRequest) -> str:
        """The same for an output."""
        told: list[str] = []

        def rewrite(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> _Rewritten:
            before = None if wanted.id is None else _part(outputs, wanted.id, "output")
            if before is None and len(outputs) >= MOST_OUTPUTS:
                raise WrongUse(f"A job takes {MOST_OUTPUTS} outputs, and has them.")
            asked = wanted if before is None else output_changed(before, wanted)
            others = [one for one in outputs if one is not before]
            position = len(outputs) if before is None else before.position
            made = output_of(job_id, asked, position, inputs, others=others, before=before)
            told[:] = [made.id]
            return lifecycle.amend(job), inputs, _replaced(outputs, before, made)

        self._edited(job_id, {"outputs"}, rewrite)
        return told[0]

    def part_removed(self, job_id: str, part: Literal["inputs", "outputs"], part_id: str) -> None:
        """Take an input or an output from a held job. Raises as `edited` does, and `NotFound`."""

        def rewrite(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> _Rewritten:
            if part == "inputs":
                gone = _part(inputs, part_id, "input")
                return lifecycle.amend(job), [one for one in inputs if one is not gone], outputs
            lost = _part(outputs, part_id, "output")
            return lifecycle.amend(job), inputs, [one for one in outputs if one is not lost]

        self._edited(job_id, {part}, rewrite)

    def _edited(
        self,
        job_id: str,
        named: Collection[str],
        rewrite: Callable[[Job, Sequence[Input], Sequence[Output]], "_Rewritten"],
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
            told = {"state": job.state.value, "attempt": job.attempt, "changed": sorted(named)}
            with self._database.writing() as conn:
                if {"limits", "priority"} & set(named):
                    amended = within_quotas(conn, self._caller, amended)
                job_rows.save_job(conn, amended, job.version, "edited", told, now=self._clock())
                if "inputs" in named:
                    doors.replace_inputs(conn, job_id, inputs_now)
                if "outputs" in named:
                    doors.replace_outputs(conn, job_id, outputs_now)
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
                    _refuse_bare(job, inputs, outputs)
                try:
                    moved, instructions = lifecycle.handle(job, event, now)
                except InvalidTransition:
                    raise Conflict(_refusal(job, event)) from None
                (notice,) = (each for each in instructions if isinstance(each, lifecycle.Notify))
                job_rows.save_job(conn, moved, job.version, notice.kind, notice.data, now=now)
                if isinstance(event, RetryAsked):
                    _forgive(conn, inputs, outputs)
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
        if found is None or self._caller.sees not in {None, found[0].account}:
            raise NotFound(f"There is no job {job_id!r}.")
        return found


def _part(parts: Sequence[Part], part_id: str, kind: str) -> Part:
    found = next((one for one in parts if one.id == part_id), None)
    if found is None:
        raise NotFound(f"The job has no {kind} {part_id!r}.")
    return found


def _replaced(parts: Sequence[Part], before: Part | None, made: Part) -> Sequence[Part]:
    """With `made` in the place of `before`; behind all others where there was none."""
    found = list(parts)
    if before is None:
        found.append(made)
    else:
        found[found.index(before)] = made
    return found


def _refuse_bare(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> None:
    for name, parts in (("input", inputs), ("output", outputs)):
        if job.state is JobState.HELD and not parts:
            raise Conflict(f"Job {job.id} has no {name} yet: POST one to /v1/jobs/{job.id}/{name}s, then start it.")


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
