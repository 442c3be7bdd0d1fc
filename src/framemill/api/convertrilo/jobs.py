"""Routes of single jobs."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends

from framemill.api.asked import Parts
from framemill.api.convertrilo.answers import created, require_gpu, told
from framemill.api.convertrilo.asked import Base, TheJobs, TheOrders
from framemill.api.convertrilo.mapping import STATUSES, note_of
from framemill.api.convertrilo.prices import neu
from framemill.api.convertrilo.schemas import Approval, Changes, JobCreate
from framemill.api.convertrilo.scopes import needs
from framemill.api.convertrilo.waiting import probed

CREATES, READS, CANCELS = Depends(needs("jobs:create")), Depends(needs("jobs:read")), Depends(needs("jobs:cancel"))
routes = APIRouter(prefix="/jobs")


@routes.post("", dependencies=[CREATES])
async def create(asked: JobCreate, orders: TheOrders, parts: Parts, base: Base) -> dict[str, Any]:
    """A job; its source is sent to `upload.url`, or fetched by the farm. It begins when it is confirmed."""
    await require_gpu(asked.encode, parts)
    made = await asyncio.to_thread(orders.created, asked)
    return created(made, parts, base)


@routes.get("/{job_id}/probe-duration", dependencies=[READS])
async def probe_duration(job_id: str, orders: TheOrders) -> dict[str, Any]:
    """How long it is; waits a while for its source to be read."""
    _, found = await probed(orders, job_id)
    seconds = float(found.seconds)
    return {"durationSec": round(seconds, 3), "durationMinutes": round(seconds / 60, 6)}


@routes.post("/{job_id}/approve-unified", dependencies=[CREATES])
async def approve(
    job_id: str, orders: TheOrders, parts: Parts, asked: Annotated[Approval | None, Body()] = None
) -> dict[str, Any]:
    """What it costs is set aside; it does not begin by that."""
    said = {} if asked is None else asked.said
    if said:
        planned = await asyncio.to_thread(orders.planned, job_id, said)
        await require_gpu(note_of(planned.job).asked, parts)
    await probed(orders, job_id)
    shown, found = await asyncio.to_thread(orders.approved, job_id, said)
    total = neu(found.amount)
    estimate = {
        "perMinuteNeu": neu(found.per_minute),
        "durationSec": round(float(found.seconds), 3),
        "totalNeu": total,
        "reserved": total,
    }
    return {"ok": True, "jobId": job_id, "status": STATUSES[shown.job.state], "estimate": estimate}


@routes.post("/{job_id}/confirm", dependencies=[CREATES])
async def confirm(
    job_id: str, orders: TheOrders, parts: Parts, asked: Annotated[Changes | None, Body()] = None
) -> dict[str, Any]:
    """It begins, with what it costs set aside."""
    shown = await asyncio.to_thread(orders.confirmed, job_id, {} if asked is None else asked.said)
    reserved = neu(note_of(shown.job).reserved)
    return {"ok": True, "jobId": job_id, "status": STATUSES[shown.job.state], "reserved": reserved}


@routes.post("/{job_id}/cancel", dependencies=[CANCELS])
async def cancel(job_id: str, orders: TheOrders) -> dict[str, Any]:
    """Harmless for one that has ended."""
    job, released = await asyncio.to_thread(orders.cancelled, job_id)
    status = STATUSES[job.state]
    note = {} if released or status == "canceled" else {"note": f"The job has ended already: {status}."}
    return {"ok": True, "jobId": job_id, "status": status, "released": neu(released), **note}


@routes.get("/{job_id}/status", dependencies=[READS])
async def show_status(job_id: str, jobs: TheJobs, parts: Parts, base: Base) -> dict[str, Any]:
    """How it stands."""
    return told(await asyncio.to_thread(jobs.shown, job_id), parts, base)
