"""The actors, each a thin shell: Ray calls in, calls to plain modules out."""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

from framemill.errors import InvalidTransition
from framemill.farm.driver import Driver
from framemill.farm.encoding import encode_extra, encode_group
from framemill.farm.finishing import finish
from framemill.farm.orders import Encoded, ExtraOrder, GroupOrder, Planned, PlanOrder, Progress, Stitched, StitchOrder
from framemill.farm.raycrew import RayCrew
from framemill.farm.titles import plan
from framemill.jobs.states import CancelAsked, WorkStopped
from framemill.media import isolate
from framemill.storage.local import LocalBlobs
from framemill.store import chunks as chunk_rows
from framemill.store import jobs as job_rows
from framemill.store.database import Database
from framemill.store.epochs import take_epoch


def _log_to(level: str) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True)


class Worker:
    """One machine's encoders: an ffmpeg child for each order under way."""

    def __init__(self, blobs: str, log_level: str) -> None:
        _log_to(log_level)
        self._blobs = LocalBlobs(Path(blobs))
        self._frames: dict[tuple[str, int, int], int] = {}

    async def encode(self, order: GroupOrder | ExtraOrder) -> Encoded:
        """Encode; cancelling kills the child."""
        if isinstance(order, ExtraOrder):
            return await encode_extra(order, self._blobs)
        place = (order.title_key, order.rendition, order.group)
        try:
            return await encode_group(order, self._blobs, lambda frames: self._frames.__setitem__(place, frames))
        finally:
            self._frames.pop(place, None)

    async def plan(self, order: PlanOrder) -> Planned:
        """Index and plan."""
        return await plan(order, self._blobs)

    async def progress(self) -> list[Progress]:
        """How far the orders under way are."""
        return [
            Progress(title_key=title_key, rendition=rendition, group=group, frames=frames)
            for (title_key, rendition, group), frames in self._frames.items()
        ]


class Stitcher:
    """Joins, packages and verifies."""

    def __init__(self, blobs: str, log_level: str) -> None:
        _log_to(log_level)
        self._blobs = LocalBlobs(Path(blobs))
        isolate.warm()

    async def finish(self, order: StitchOrder) -> Stitched:
        """Write and verify one output."""
        return await finish(order, self._blobs)


class Coordinator:
    """Owns the jobs' lifecycle; its memory holds nothing that the store does not."""

    def __init__(
        self, *, database: str, blobs: str, work: str, workers: list[Any], slots: int, stitcher: Any, log_level: str
    ) -> None:
        _log_to(log_level)
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
