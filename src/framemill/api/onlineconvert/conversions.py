"""Routes of a job's conversions."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from fastapi.responses import JSONResponse, Response

from framemill.api.auth import needs
from framemill.api.onlineconvert import mapping, schemas
from framemill.api.onlineconvert.answers import listed
from framemill.api.onlineconvert.asked import TheJobs, TheOrders
from framemill.api.onlineconvert.kept import note_of
from framemill.api.onlineconvert.orders import conversion_of_job
from framemill.api.onlineconvert.reading import several

routes = APIRouter(prefix="/jobs/{job_id}/conversions", dependencies=[Depends(needs("jobs:read"))])
WRITES = [Depends(needs("jobs:write"))]


@routes.get("")
async def show_all(job_id: str, jobs: TheJobs) -> Response:
    """What shall be made of its inputs."""
    shown = await asyncio.to_thread(jobs.shown, job_id)
    return listed([mapping.conversion(shown, one) for one in note_of(shown.job).conversions])


@routes.post("", status_code=201, dependencies=WRITES)
async def add(job_id: str, asked: Annotated[Any, Body()], orders: TheOrders) -> Response:
    """One more, or several; a list is answered by a list."""
    wanted, many = several(asked, schemas.NewConversion)
    shown, ids = await asyncio.to_thread(orders.conversions_added, job_id, wanted)
    found = [mapping.conversion(shown, conversion_of_job(shown, one)) for one in ids]
    return JSONResponse(found if many else found[0], 201)


@routes.get("/{conversion_id}")
async def show(job_id: str, conversion_id: str, jobs: TheJobs) -> dict[str, Any]:
    """One of them."""
    shown = await asyncio.to_thread(jobs.shown, job_id)
    return mapping.conversion(shown, conversion_of_job(shown, conversion_id))


@routes.patch("/{conversion_id}", dependencies=WRITES)
async def change(
    job_id: str, conversion_id: str, asked: schemas.ChangedConversion, orders: TheOrders
) -> dict[str, Any]:
    """With other options, or other metadata, before the job begins."""
    shown = await asyncio.to_thread(orders.conversion_changed, job_id, conversion_id, asked)
    return mapping.conversion(shown, conversion_of_job(shown, conversion_id))


@routes.delete("/{conversion_id}", status_code=204, dependencies=WRITES)
async def remove(job_id: str, conversion_id: str, orders: TheOrders) -> None:
    """Taken from the job, before it begins."""
    await asyncio.to_thread(orders.conversion_removed, job_id, conversion_id)
