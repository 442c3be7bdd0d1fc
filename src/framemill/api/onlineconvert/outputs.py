"""Routes of a job's outputs."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import Response

from framemill.api.auth import needs
from framemill.api.onlineconvert import mapping, schemas
from framemill.api.onlineconvert.answers import listed, telling_of
from framemill.api.onlineconvert.asked import TheJobs, TheOrders
from framemill.api.onlineconvert.descriptors import STEM
from framemill.api.onlineconvert.orders import Orders
from framemill.api.onlineconvert.reading import several
from framemill.errors import NotFound, WrongUse
from framemill.jobs.model import Delivery, Output
from framemill.services.fields import about
from framemill.services.jobs import Shown

routes = APIRouter(prefix="/jobs/{job_id}/output", dependencies=[Depends(needs("jobs:read"))])
WRITES = [Depends(needs("jobs:write"))]


@routes.get("")
async def show_all(
    job_id: str, request: Request, jobs: TheJobs, conversion_id: str | None = None, input_id: str | None = None
) -> Response:
    """What was made, of that conversion and that input where they are named; none before all of it was."""
    shown = await asyncio.to_thread(jobs.shown, job_id)
    found = mapping.outputs(shown, telling_of(request, shown))
    return listed([one for one in found if _is_of(one["source"], conversion_id, input_id)])


def _is_of(source: Mapping[str, Any], conversion_id: str | None, input_id: str | None) -> bool:
    return conversion_id in {None, "", source["conversion"]} and input_id in {None, "", *source["input"]}


@routes.patch("", dependencies=WRITES)
async def change_all(job_id: str, asked: Annotated[Any, Body()], request: Request, orders: TheOrders) -> Response:
    """Several of them, each by its id; without an id: all of them."""
    wanted, _ = several(asked, schemas.ChangedOutput)
    shown = await asyncio.to_thread(_changed, orders, job_id, wanted)
    return listed(mapping.outputs(shown, telling_of(request, shown)))


@routes.get("/{output_id}")
async def show(job_id: str, output_id: str, request: Request, jobs: TheJobs) -> dict[str, Any]:
    """One of them."""
    return _one(request, await asyncio.to_thread(jobs.shown, job_id), output_id)


@routes.patch("/{output_id}", dependencies=WRITES)
async def change(
    job_id: str, output_id: str, asked: schemas.ChangedOutput, request: Request, orders: TheOrders
) -> dict[str, Any]:
    """With another name, given without its extension, or other passwords."""
    wanted = asked.model_copy(update={"id": output_id})
    return _one(request, await asyncio.to_thread(_changed, orders, job_id, [wanted]), output_id)


@routes.delete("/{output_id}", status_code=204, dependencies=WRITES)
async def remove(job_id: str, output_id: str, orders: TheOrders) -> None:
    """Nobody gets it any more; it is told of as disabled."""

    def removed() -> None:
        found, _ = _owner(orders.jobs.shown(job_id), output_id)
        orders.outcomes.withdrawn(job_id, found.id)

    await asyncio.to_thread(removed)


def _changed(orders: Orders, job_id: str, asked: Sequence[schemas.ChangedOutput]) -> Shown:
    shown = orders.jobs.shown(job_id)
    for one in asked:
        ids = [output.id for output in mapping.made_outputs(shown)] if one.id is None else [one.id]
        for output_id in ids:
            found, _ = _owner(shown, output_id)
            with about("filename"):
                stem = None if one.filename is None else _stem(one.filename)
            orders.outcomes.changed(job_id, found.id, stem=stem, passwords=one.download_password)
    return orders.jobs.shown(job_id)


def _stem(said: str) -> str:
    if re.fullmatch(STEM, said) is None:
        raise WrongUse("A filename has no slashes, and is no place: give the name alone, without its extension.")
    return said


def _owner(shown: Shown, output_id: str) -> tuple[Output, Delivery | None]:
    """The output, and which of its files is meant: files of one conversion have name, passwords and end in common."""
    found = mapping.owner_of(shown, output_id)
    if found is None:
        raise NotFound(f"The job has no output {output_id!r}, or not yet.")
    return found


def _one(request: Request, shown: Shown, output_id: str) -> dict[str, Any]:
    found, file = _owner(shown, output_id)
    return mapping.output_file(shown, found, telling_of(request, shown), file)
