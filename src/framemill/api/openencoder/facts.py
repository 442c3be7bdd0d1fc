"""Routes of the farm as a whole: what it is, how it stands, how many jobs there are, who works."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends
from sqlalchemy.exc import SQLAlchemyError

from framemill import __version__
from framemill.api.asked import Parts, live_status
from framemill.api.auth import needs
from framemill.api.openencoder import workers
from framemill.api.openencoder.asked import NAME, TheJobs
from framemill.api.openencoder.job_mapping import rows_of
from framemill.errors import NotFound
from framemill.jobs.model import Job
from framemill.services.farm import backlog, standing
from framemill.services.jobs import Jobs

SOURCE = "https://github.com/alfg/openencoder"
"""Whose words these are: clients show it as the place to read on."""
OK, NOT_OK = "OK", "NOTOK"
"""The second as its pages look for it, which show anything else in green."""

routes = APIRouter()


@routes.get("/")
async def root() -> dict[str, str]:
    """What this is."""
    docs, wiki = f"{SOURCE}/blob/master/API.md", f"{SOURCE}/wiki"
    return {"name": NAME, "version": __version__, "github": SOURCE, "docs": docs, "wiki": wiki}


@routes.get("/health")
async def health(parts: Parts) -> dict[str, Any]:
    """Whether the store answers, and the coordinator, who keeps the queue; and how many workers there are."""
    try:
        await asyncio.to_thread(standing, parts.database, datetime.now(UTC))
        store = OK
    except SQLAlchemyError:
        store = NOT_OK
    live, _ = await live_status(parts)
    return {"api": OK, "db": store, "redis": NOT_OK if live is None else OK, "workers": workers.count(live or {})}


@routes.get("/stats", dependencies=[Depends(needs("jobs:read"))])
async def stats(jobs: TheJobs) -> dict[str, Any]:
    """How many jobs have each status."""
    return {"status": 200, "stats": {"jobs": rows_of(await asyncio.to_thread(jobs.tally))}}


@routes.get("/worker/queue", dependencies=[Depends(needs("farm:read"))])
async def show_queue(parts: Parts) -> list[dict[str, Any]]:
    """Jobs that nobody works on yet, or at the moment."""
    live, _ = await live_status(parts)
    now = datetime.now(UTC)
    found = await asyncio.to_thread(backlog, parts.database, workers.worked_on(live or {}), now)
    return workers.queue(found.jobs, found.oldest_seconds)


@routes.get("/worker/pools", dependencies=[Depends(needs("farm:read"))])
async def show_pools(parts: Parts) -> list[dict[str, Any]]:
    """Those who encode."""
    live, _ = await live_status(parts)
    return workers.pools(live or {}, datetime.now(UTC))


@routes.get("/worker/busy", dependencies=[Depends(needs("farm:read"))])
async def show_busy(parts: Parts, jobs: TheJobs) -> list[dict[str, Any]]:
    """What they do; of jobs that whoever asks may not see, no more than their ids."""
    live, _ = await live_status(parts)
    now = datetime.now(UTC)
    found = workers.works(live or {}, now)
    seen = await asyncio.to_thread(_seen, jobs, {work.job for work in found})
    return workers.busy(found, seen, now)


def _seen(jobs: Jobs, job_ids: set[str]) -> dict[str, Job]:
    seen = {}
    for job_id in job_ids:
        with contextlib.suppress(NotFound):
            seen[job_id] = jobs.shown(job_id).job
    return seen
