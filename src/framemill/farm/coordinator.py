"""The actor that owns the jobs: apart from the others, which need neither the store nor what drives a job."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from framemill.errors import InvalidTransition
from framemill.farm.actors import log_to
from framemill.farm.driver import Driver
from framemill.farm.raycrew import RayCrew
from framemill.jobs.states import CancelAsked, WorkStopped
from framemill.storage.local import LocalBlobs
from framemill.store import chunks as chunk_rows
from framemill.store import jobs as job_rows
from framemill.store.database import Database
from framemill.store.epochs import take_epoch


class Coordinator:
    """Owns the jobs' lifecycle; its memory holds nothing that the store does not."""

    def __init__(
        self, *, database: str, blobs: str, work: str, workers: list[Any], slots: int, stitcher: Any, log_level: str
    ) -> None:
        log_to(log_level)
        self._database = Database(database)
        self._blobs = LocalBlobs(Path(blobs))
        self._work = Path(work)
        self._crew = RayCrew(workers, slots, stitcher)
        self._drivers: dict[str, tuple[Driver, asyncio.Task[Any]]] = {}
        with self._database.writing() as conn:
            self._epoch = take_epoch(conn)

    async def run(self, job_id: str) -> dict[str, Any]:
        """Drive a job to its end; its row as plain values."""
        driver = Driver(
            job_id, database=self._database, blobs=self._blobs, crew=self._crew, epoch=self._epoch, work=self._work
        )
        task = asyncio.ensure_future(driver.run())
        self._drivers[job_id] = driver, task
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            del self._drivers[job_id]
        return await self.job(job_id)

    async def cancel(self, job_id: str) -> None:
        """Cancel a job; its children are dead when this returns."""
        if job_id not in self._drivers:
            return
        driver, task = self._drivers[job_id]
        await driver.apply(CancelAsked())
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        with contextlib.suppress(InvalidTransition):  # it was in the middle of its last event, and has stopped itself
            await driver.apply(WorkStopped())

    async def job(self, job_id: str) -> dict[str, Any]:
        """The job's row as plain values."""

        def read() -> dict[str, Any]:
            with self._database.reading() as conn:
                found = job_rows.load_job(conn, job_id)
            return found[0].model_dump(mode="json") if found else {}

        return await asyncio.to_thread(read)

    async def progress(self, job_id: str) -> dict[str, Any]:
        """State, and frames encoded of frames to encode over all renditions."""

        def read() -> tuple[dict[str, Any], int, int]:
            with self._database.reading() as conn:
                found = job_rows.load_job(conn, job_id)
                assert found is not None  # noqa: S101 - whoever asks has it from us
                job = found[0]
                done, planned = chunk_rows.frames_of(conn, job_id, job.attempt)
            return {"state": job.state.value}, done, planned

        told, done, planned = await asyncio.to_thread(read)
        under_way = sum(report.frames for report in await self._crew.progress() if job_id in report.title_key)
        return {**told, "frames": min(done + under_way, planned), "frames_planned": planned}
