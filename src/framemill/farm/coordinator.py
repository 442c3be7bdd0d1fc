"""The actor that owns the jobs: a shell around `Coordination`."""

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import psutil

from framemill.errors import InvalidTransition
from framemill.farm.actors import log_as
from framemill.farm.coordination import TICK_SECONDS, Coordination
from framemill.farm.orders import Probed, ProbeOrder
from framemill.farm.place import COORDINATOR, Place
from framemill.farm.rayhands import RayHands
from framemill.farm.upkeep import Upkeep
from framemill.jobs.states import CancelAsked
from framemill.policy.fleet import Report
from framemill.store.database import Database

log = logging.getLogger(__name__)

_ALIVE_SECONDS = 2.0


class Beside(Protocol):
    """What runs in the coordinator's process and in its epoch, beside the jobs: whoever tells the world of them."""

    def wake(self) -> None:
        """There may be something to do."""
        ...

    async def run(self) -> None:
        """Until the epoch is over."""
        ...


MakeBeside: TypeAlias = Callable[[Place, Database, Coordination], Beside]


class Coordinator:
    """Owns the jobs' lifecycle; its memory holds nothing that the store does not."""

    def __init__(self, place: Place, make_beside: MakeBeside | None = None) -> None:
        log_as(place, COORDINATOR)
        self._place = place
        self._database = Database(place.database)
        self._jobs = Coordination(
            database=self._database,
            blobs=place.blobs,
            work=place.work,
            hands=RayHands(place),
            limits=place.limits,
            patient=place.patient,
        )
        self._upkeep = Upkeep(self._jobs, self._database, place)
        self._beside = None if make_beside is None else make_beside(place, self._database, self._jobs)
        if self._beside is not None:
            self._jobs.on_event = self._beside.wake
        self._ready = asyncio.Event()
        self._running = asyncio.get_running_loop().create_task(self._run())
        self._alive = asyncio.get_running_loop().create_task(self._stay_alive())

    async def heard(self, report: Report) -> None:
        """A worker reports."""
        await self._ready.wait()
        self._jobs.heard(report)

    async def wake(self, job_ids: Sequence[str]) -> None:
        """Those jobs have changed, or the operator's wishes have."""
        await self._ready.wait()
        await self._jobs.wake(job_ids)

    async def run(self, job_id: str) -> dict[str, Any]:
        """Wait for a job's end; its row as plain values."""
        await self.wake([job_id])
        job = await self._jobs.ended(job_id)
        return job.model_dump(mode="json")

    async def cancel(self, job_id: str) -> None:
        """Cancel a job; its children are dead when this returns."""
        await self._ready.wait()
        with contextlib.suppress(InvalidTransition):
            await self._jobs.apply(job_id, CancelAsked())
        await self.wake([job_id])
        await self._jobs.ended(job_id)

    async def status(self) -> dict[str, Any]:
        """Workers, slots, backlog."""
        await self._ready.wait()
        return self._upkeep.status()

    async def progress(self, job_id: str) -> dict[str, Any]:
        """State, and frames encoded of frames to encode over all renditions."""
        await self._ready.wait()
        return await self._jobs.progress(job_id)

    async def progress_of(self, job_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Frames encoded and to encode of several jobs."""
        await self._ready.wait()
        return await self._jobs.progress_of(job_ids)

    async def probe(self, order: ProbeOrder) -> Probed:
        """What is in a source, and what outputs of it would take."""
        await self._ready.wait()
        return await self._jobs.probe(order)

    async def gc(self, dry_run: bool) -> dict[str, Any]:
        """Throw away what nobody needs, or tell what would be."""
        await self._ready.wait()
        return await self._upkeep.collect(dry_run=dry_run)

    async def drain(self, seconds: float) -> dict[str, Any]:
        """Begin nothing more, and wait so long for what runs."""
        await self._ready.wait()
        return await self._upkeep.drain(seconds)

    async def _run(self) -> None:
        while True:
            try:
                await self._jobs.start()
                break
            except Exception:
                if not self._place.patient:
                    raise
                log.exception("the store cannot be read; it is tried again")
                await asyncio.sleep(_ALIVE_SECONDS)
        self._ready.set()
        if self._beside is not None:
            self._telling = asyncio.get_running_loop().create_task(self._beside.run())
        while not self._jobs.stale.is_set():
            try:
                await self._jobs.tick()
                await self._upkeep.tick()
            except Exception:
                log.exception("a look at the farm failed; the next one comes")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._jobs.stale.wait()
        log.warning("this coordinator ends: another one has taken over", extra={"action": "epoch_over"})
        # The process alone: to Ray both are the same actor, and to end that would end the one that has taken over.
        os._exit(1)

    async def _stay_alive(self) -> None:
        """Say so in a file, for whoever watches: pid and start time, so that nobody else is taken for this process."""
        path = self._place.alive
        path.parent.mkdir(parents=True, exist_ok=True)
        told = json.dumps({"pid": os.getpid(), "started": psutil.Process().create_time()})
        while self._place.patient:
            part = path.with_suffix(".part")
            with contextlib.suppress(OSError):
                part.write_text(told)
                part.replace(path)
            await asyncio.sleep(_ALIVE_SECONDS)
