"""Routes of jobs."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import Field

from framemill.api.asked import PATIENCE_SECONDS, Parts
from framemill.api.auth import needs
from framemill.api.openencoder import job_mapping
from framemill.api.openencoder.asked import Words
from framemill.api.openencoder.ordering import TheOrders
from framemill.api.openencoder.orders import Asked, Orders, stopping
from framemill.api.openencoder.paging import PerPage, WhichPage, number_of
from framemill.api.parts import ApiParts
from framemill.api.progress import highest
from framemill.api.strict import Text
from framemill.errors import FarmError
from framemill.jobs.model import Job
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.services.numbered import Numbered

CHANGES = [Depends(needs("jobs:write"))]
STOPPING_SECONDS = 10.0
"""How long a restart waits for the end of what is being cancelled."""
_LOOK_SECONDS = 0.1


class NewJob(Words):
    """A job to be made."""

    preset: Text = Field(min_length=1, max_length=200)
    source: Text = Field(min_length=1, max_length=8192)
    dest: Text = Field(min_length=1, max_length=8192)


class NewStatus(Words):
    """What a job shall get to be."""

    status: Text = Field(min_length=1, max_length=40)


def _routes(prefix: str) -> APIRouter:
    """The same at the path of the original's code, and at that of its document's example."""
    routes = APIRouter(prefix=prefix, dependencies=[Depends(needs("jobs:read"))])

    @routes.post("", status_code=201, dependencies=CHANGES)
    async def create(asked: NewJob, orders: TheOrders) -> dict[str, Any]:
        """A job; what is wrong with it is found at the job."""
        made = await asyncio.to_thread(orders.created, Asked(asked.preset, asked.source, asked.dest))
        return {"message": "Job created", "status": 200, "job": job_mapping.told(made, datetime.now(UTC))}

    @routes.get("")
    async def listed(orders: TheOrders, parts: Parts, page: WhichPage, count: PerPage) -> dict[str, Any]:
        """Newest first."""
        found = await asyncio.to_thread(orders.jobs.page, page, count)
        return {"count": found.total, "items": await _all_told(parts, found.jobs)}

    @routes.get("/{job_id}")
    async def show(job_id: str, orders: TheOrders, parts: Parts) -> dict[str, Any]:
        """One of them."""
        found = await asyncio.to_thread(orders.found, number_of(job_id))
        return job_mapping.shown_alone((await _all_told(parts, [found]))[0])

    @routes.put("/{job_id}", dependencies=CHANGES)
    async def put(job_id: str, asked: NewStatus, orders: TheOrders, parts: Parts) -> dict[str, Any]:
        """Cancel it, or have it done once more."""
        await _stopped(orders, number_of(job_id))
        found = await asyncio.to_thread(orders.put, number_of(job_id), asked.status)
        return (await _all_told(parts, [found]))[0]

    @routes.get("/{job_id}/status")
    async def show_status(job_id: str, orders: TheOrders) -> dict[str, Any]:
        """What it is at."""
        found = await asyncio.to_thread(orders.found, number_of(job_id))
        return {"status": 200, "job_status": job_mapping.status_of(found.shown.job)}

    @routes.post("/{job_id}/cancel", dependencies=CHANGES)
    async def cancel(job_id: str, orders: TheOrders) -> dict[str, Any]:
        """End it; harmless where it has ended."""
        await asyncio.to_thread(orders.cancelled, number_of(job_id))
        return {"status": 200}

    @routes.post("/{job_id}/restart", dependencies=CHANGES)
    async def restart(job_id: str, orders: TheOrders) -> dict[str, Any]:
        """Do it once more, under the same ids."""
        await _stopped(orders, number_of(job_id))
        await asyncio.to_thread(orders.again, number_of(job_id))
        return {"status": 200}

    return routes


async def _stopped(orders: Orders, number: int) -> None:
    """Wait a while for the end of what was cancelled: it is told to be cancelled as soon as that is wished."""
    end = asyncio.get_running_loop().time() + STOPPING_SECONDS
    while stopping((await asyncio.to_thread(orders.found, number)).shown.job):
        if asyncio.get_running_loop().time() > end:
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _all_told(parts: ApiParts, found: Sequence[Numbered]) -> list[dict[str, Any]]:
    """With what the farm knows of those that are being encoded, where it answers soon."""
    encoding = [one.shown.job.id for one in found if one.shown.job.state is JobState.ENCODING]
    live: dict[str, dict[str, Any]] = {}
    if encoding:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                live = await parts.farm.progress_of(encoding)
        except (FarmError, TimeoutError):
            live = {}
    now = datetime.now(UTC)
    return [_further(one.shown.job, job_mapping.told(one, now, live.get(one.shown.job.id))) for one in found]


def _further(job: Job, told: dict[str, Any]) -> dict[str, Any]:
    """Its progress while it goes on, never less than before, also where the farm does not answer."""
    return told if job.state in ENDED_JOB else told | {"progress": int(highest(job, told["progress"]))}


ROUTES = (_routes("/jobs"), _routes("/job"))
