"""One job's rows, as whoever drives it reads and writes them: guarded by its version, in the coordinator's epoch."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection

from framemill.errors import EpochOver, FarmError, InvalidTransition, StaleWrite
from framemill.jobs import lifecycle
from framemill.jobs.model import Input, Job, Output, Waiting, Warned
from framemill.jobs.reasons import Reason
from framemill.jobs.states import JobEvent, JobState
from framemill.jobs.usage import Usage
from framemill.policy.callbacks import PREPARED, prepared
from framemill.store import jobs as job_rows
from framemill.store.database import Database
from framemill.store.epochs import require_epoch
from framemill.store.events import add_event, happened
from framemill.store.writer import Writer

Result = TypeVar("Result")

_MOST_RACES = 5  # with others who write the same job


class JobStore:
    """SQL runs in threads, never on the event loop. `on_event` hears that something was written that is to be told."""

    def __init__(
        self,
        job_id: str,
        database: Database,
        writer: Writer,
        epoch: int,
        on_event: Callable[[], None] = lambda: None,
    ) -> None:
        self.job_id = job_id
        self.epoch = epoch
        self._on_event = on_event
        self._database = database
        self._writer = writer

    async def load(self) -> tuple[Job, list[Input], list[Output]]:
        """The job with its inputs and outputs. Raises `FarmError` when there is none."""
        return await self.read(self._loaded)

    async def apply(self, event: JobEvent, attempt: int | None = None) -> Job:
        """Move the job by an event, and write it with its notice. Raises `InvalidTransition` and `EpochOver`.

        `attempt`: what came of it says nothing of a later one, and is then too late.
        """

        def apply(conn: Connection) -> Job:
            now = datetime.now(UTC)
            job = self._bare(conn)
            if attempt not in {None, job.attempt}:
                raise InvalidTransition("job", job.state.value, type(event).__name__, tuple(job.timings))
            moved, (notice, *_) = lifecycle.handle(job, event, now)
            if isinstance(notice, lifecycle.Notify):
                job_rows.save_job(conn, moved, job.version, notice.kind, notice.data, now=now, epoch=self.epoch)
            return moved

        moved = await self._raced(apply)
        self._on_event()
        return moved

    async def warn(self, message: str, reason: Reason = Reason.FFMPEG_FAILED, output: Output | None = None) -> None:
        """Add a warning to the job: of itself, or of an output that it goes on without."""
        about = ("job", self.job_id) if output is None else ("output", output.id)

        def warn(conn: Connection) -> None:
            job = self._bare(conn)
            warned = Warned.model_validate(
                {"about": about[0], "about_id": about[1], "reason": reason, "message": message}
            )
            if output is not None:
                job_rows.save_output(conn, output.model_copy(update={"reason": reason, "message": message}))
            if warned in job.warnings:  # said by a coordinator before this one
                return
            amended = lifecycle.amend(job, warnings=(*job.warnings, warned))
            told = {"message": message}
            job_rows.save_job(conn, amended, job.version, "warned", told, now=datetime.now(UTC), epoch=self.epoch)

        await self._raced(warn)
        self._on_event()

    async def note_playable(self, output: Output, attempt: int) -> None:
        """Tell, once, that an output can be played as far as it goes. No version grows: it changes no decision."""
        told = {"output_id": output.id, "attempt": attempt}

        def note(conn: Connection) -> None:
            require_epoch(conn, self.epoch)
            if not happened(conn, self.job_id, "playable", told):
                add_event(conn, self.job_id, "playable", told, datetime.now(UTC))

        await self.write(note)
        self._on_event()

    async def note_prepared(self, job: Job, inputs: Sequence[Input]) -> None:
        """Tell, once of the same inputs, that all those of a held job are here. No version grows, as above.

        Nothing is told of a job that is not held any more: its owner has started it meanwhile.
        """
        told = prepared(job.attempt, [source.id for source in inputs])

        def note(conn: Connection) -> None:
            require_epoch(conn, self.epoch)
            held = job_rows.lock_state(conn, self.job_id) is JobState.HELD
            if held and not happened(conn, self.job_id, PREPARED, told):
                add_event(conn, self.job_id, PREPARED, told, datetime.now(UTC))

        await self.write(note)
        self._on_event()

    async def wait_for(self, waiting: Waiting | None) -> None:
        """Note why the job does not move. Nobody is told: it moves again by itself, or `why` is asked."""

        def note(conn: Connection) -> None:
            job = self._bare(conn)
            if job.waiting != waiting:
                job_rows.note_waiting(conn, job.id, waiting, self.epoch)

        await self.write(note)

    async def save_input(self, changed: Input) -> None:
        """Write an input of the job, as long as it is one."""
        await self.write(lambda conn: job_rows.change_input(conn, changed))

    async def account(self, stage: str, usage: Usage) -> None:
        """Count what a stage has used."""
        await self.write(lambda conn: job_rows.add_usage(conn, self.job_id, stage, usage, self.epoch))

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        """The query's result, from a read transaction of its own."""

        def run() -> Result:
            with self._database.reading() as conn:
                return query(conn)

        return await asyncio.to_thread(run)

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """The change's result, once it is there to stay. One that was begun ends, also when cancelled."""
        return await self._writer.write(change)

    async def _raced(self, change: Callable[[Connection], Result]) -> Result:
        """A change of the job's row, made again when somebody else has changed it in between (PostgreSQL)."""
        for left in reversed(range(_MOST_RACES)):
            try:
                return await self.write(change)
            except EpochOver:
                raise
            except StaleWrite:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _loaded(self, conn: Connection) -> tuple[Job, list[Input], list[Output]]:
        found = job_rows.load_job(conn, self.job_id)
        if found is None:
            raise self._none()
        return found

    def _bare(self, conn: Connection) -> Job:
        job = job_rows.load_bare_job(conn, self.job_id)
        if job is None:
            raise self._none()
        return job

    def _none(self) -> FarmError:
        return FarmError(f"There is no job {self.job_id}.")
