"""One job's rows, as whoever drives it reads and writes them: guarded by its version, in the coordinator's epoch."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection

from framemill.errors import FarmError
from framemill.jobs import lifecycle
from framemill.jobs.model import Input, Job, Output, Warned
from framemill.jobs.reasons import Reason
from framemill.jobs.states import JobEvent
from framemill.store import jobs as job_rows
from framemill.store.database import Database

Result = TypeVar("Result")


class JobStore:
    """SQL runs in threads, never on the event loop."""

    def __init__(self, job_id: str, database: Database, epoch: int) -> None:
        self.job_id = job_id
        self._database = database
        self._epoch = epoch

    async def load(self) -> tuple[Job, list[Input], list[Output]]:
        """The job with its inputs and outputs. Raises `FarmError` when there is none."""
        return await self.read(self._loaded)

    async def apply(self, event: JobEvent) -> Job:
        """Move the job by an event, and write it with its notice. Raises `InvalidTransition` and `StaleWrite`."""

        def apply(conn: Connection) -> Job:
            now = datetime.now(UTC)
            job, _, _ = self._loaded(conn)
            moved, (notice, *_) = lifecycle.handle(job, event, now)
            if isinstance(notice, lifecycle.Notify):
                job_rows.save_job(conn, moved, job.version, notice.kind, notice.data, now=now, epoch=self._epoch)
            return moved

        return await self.write(apply)

    async def warn(self, message: str) -> None:
        """Add a warning to the job."""

        def warn(conn: Connection) -> None:
            job, _, _ = self._loaded(conn)
            warned = Warned(about="job", about_id=job.id, reason=Reason.FFMPEG_FAILED, message=message)
            amended = lifecycle.amend(job, warnings=(*job.warnings, warned))
            told = {"message": message}
            job_rows.save_job(conn, amended, job.version, "warned", told, now=datetime.now(UTC), epoch=self._epoch)

        await self.write(warn)

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        """The query's result, from a read transaction of its own."""

        def run() -> Result:
            with self._database.reading() as conn:
                return query(conn)

        return await asyncio.to_thread(run)

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """The change's result, from a write transaction of its own. One that was begun ends, also when cancelled."""

        def run() -> Result:
            with self._database.writing() as conn:
                return change(conn)

        writing = asyncio.ensure_future(asyncio.to_thread(run))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise

    def _loaded(self, conn: Connection) -> tuple[Job, list[Input], list[Output]]:
        found = job_rows.load_job(conn, self.job_id)
        if found is None:
            raise FarmError(f"There is no job {self.job_id}.")
        return found
