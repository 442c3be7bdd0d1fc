"""Routes of a job's inputs."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from fastapi.responses import JSONResponse, Response

from framemill.api.auth import needs
from framemill.api.onlineconvert import mapping, schemas
from framemill.api.onlineconvert.answers import listed
from framemill.api.onlineconvert.asked import TheJobs, TheOrders
from framemill.api.onlineconvert.reading import several
from framemill.services.jobs import Shown
from framemill.services.parts import the_part

routes = APIRouter(prefix="/jobs/{job_id}/input", dependencies=[Depends(needs("jobs:read"))])
WRITES = [Depends(needs("jobs:write"))]


@routes.get("")
async def show_all(job_id: str, jobs: TheJobs) -> Response:
    """Its sources."""
    return listed(_all(await asyncio.to_thread(jobs.shown, job_id)))


@routes.post("", status_code=201, dependencies=WRITES)
async def add(job_id: str, asked: Annotated[Any, Body()], orders: TheOrders) -> Response:
    """One more, or several; a list is answered by a list."""
    wanted, many = several(asked, schemas.NewInput)
    shown, ids = await asyncio.to_thread(orders.inputs_added, job_id, wanted)
    found = [_one(shown, input_id) for input_id in ids]
    return JSONResponse(found if many else found[0], 201)


@routes.patch("", dependencies=WRITES)
async def move(job_id: str, asked: Annotated[Any, Body()], orders: TheOrders) -> Response:
    """In the order of their `options.position`, before the job begins."""
    moved, _ = several(asked, schemas.MovedInput)
    return listed(_all(await asyncio.to_thread(orders.inputs_moved, job_id, moved)))


@routes.get("/{input_id}")
async def show(job_id: str, input_id: str, jobs: TheJobs) -> dict[str, Any]:
    """One of them."""
    return _one(await asyncio.to_thread(jobs.shown, job_id), input_id)


@routes.patch("/{input_id}", dependencies=WRITES)
async def change(job_id: str, input_id: str, asked: schemas.ChangedInput, orders: TheOrders) -> dict[str, Any]:
    """With other parameters, before the job begins."""
    return _one(await asyncio.to_thread(orders.input_changed, job_id, input_id, asked), input_id)


@routes.delete("/{input_id}", status_code=204, dependencies=WRITES)
async def remove(job_id: str, input_id: str, orders: TheOrders) -> None:
    """Taken from the job, before it begins."""
    await asyncio.to_thread(orders.input_removed, job_id, input_id)


def _all(shown: Shown) -> list[dict[str, Any]]:
    return [mapping.input_file(shown, one) for one in shown.inputs]


def _one(shown: Shown, input_id: str) -> dict[str, Any]:
    return mapping.input_file(shown, the_part(shown.inputs, input_id, "input"))
