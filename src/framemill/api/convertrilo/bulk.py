"""Routes of several jobs at once. They stand before those of single jobs: `bulk` is no job's id."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from framemill.api.asked import Parts
from framemill.api.convertrilo.answers import require_gpu, told
from framemill.api.convertrilo.asked import Base, TheJobs, TheOrders
from framemill.api.convertrilo.batches import Batches, read
from framemill.api.convertrilo.encodes import Encode
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.schemas import Bulk, BulkConfirm
from framemill.api.convertrilo.scopes import needs
from framemill.api.idempotency import TheIds
from framemill.api.parts import ApiParts
from framemill.errors import NotFound
from framemill.services.jobs import Jobs

CREATES, READS = Depends(needs("jobs:create")), Depends(needs("jobs:read"))
MOST = 1000
"""Jobs of one request."""
routes = APIRouter(prefix="/jobs/bulk")


@routes.post("", dependencies=[CREATES])
async def create(asked: Bulk, orders: TheOrders, parts: Parts, base: Base, ids: TheIds) -> dict[str, Any]:
    """Each by itself: one that does not fit is told of in its place."""
    items = [read(one, asked.settings) for one in asked.jobs]
    lacking = await _without_gpu([one.encode for one in items if not isinstance(one, str)], parts)
    batches = Batches(orders, parts.seals, base, lacking, ids)
    return await asyncio.to_thread(batches.created, items, asked.jobs, asked.settings)


@routes.get("/status", dependencies=[READS])
async def status(jobs: TheJobs, parts: Parts, base: Base, ids: Annotated[str, Query()] = "") -> dict[str, Any]:
    """Of those that there are; `missing`: the ids of the others."""
    wanted = [one.strip() for one in ids.split(",") if one.strip()]
    if len(wanted) > MOST:
        raise Refused(400, "invalid_request", f"ids: up to {MOST} jobs are asked for at once, not {len(wanted)}.")
    return await asyncio.to_thread(_all_told, jobs, wanted, parts, base)


@routes.post("/confirm", dependencies=[CREATES])
async def confirm(asked: BulkConfirm, orders: TheOrders, parts: Parts, base: Base, ids: TheIds) -> dict[str, Any]:
    """Each by itself."""
    batches = Batches(orders, parts.seals, base, {}, ids)
    return await asyncio.to_thread(batches.confirmed, asked.job_ids, asked.settings.said)


def _all_told(jobs: Jobs, wanted: list[str], parts: ApiParts, base: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    missing: list[str] = []
    for job_id in dict.fromkeys(wanted):
        try:
            found.append(told(jobs.shown(job_id), parts, base))
        except NotFound:
            missing.append(job_id)
    return {"jobs": found, "missing": missing}


async def _without_gpu(encodes: list[Encode], parts: ApiParts) -> dict[str, str]:
    """Why codecs cannot be encoded that are asked for on a GPU alone."""
    lacking: dict[str, str] = {}
    for encode in {one.codec: one for one in encodes if one.policy == "gpu_only"}.values():
        try:
            await require_gpu(encode, parts)
        except Refused as refused:
            lacking[encode.codec] = refused.message
    return lacking
