"""Routes of jobs."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from framemill.api.asked import TheWriter
from framemill.api.auth import TheCaller, needs
from framemill.api.bytes.bodies import content_length
from framemill.api.onlineconvert import mapping, schemas, statuses
from framemill.api.onlineconvert.answers import listed, told
from framemill.api.onlineconvert.asked import TheJobs, TheOrders, only_job
from framemill.api.onlineconvert.reading import several
from framemill.api.onlineconvert.servers import server_of
from framemill.errors import WrongUse
from framemill.jobs.states import JobState
from framemill.services.jobs import Jobs, Shown
from framemill.store.listing import JobFilter

routes = APIRouter(prefix="/jobs", dependencies=[Depends(needs("jobs:read"))])
WRITES = [Depends(needs("jobs:write"))]
PAGE = 50
_FARTHEST = 10_000
_WALKED = 200
"""Jobs that are read at once."""


@routes.get("")
async def show_all(
    request: Request,
    caller: TheCaller,
    jobs: TheJobs,
    status: Annotated[str | None, Query(max_length=40)] = None,
    page: Annotated[int, Query(ge=1, le=_FARTHEST)] = 1,
) -> Response:
    """Newest first, 50 at a time; by a job's token that job alone."""
    found, count = await asyncio.to_thread(_page, jobs, only_job(caller), status or None, page)
    return listed([told(request, shown) for shown in found], count=count, empty=204)


@routes.post("", status_code=201, dependencies=WRITES)
async def create(
    request: Request, jobs: TheJobs, orders: TheOrders, writer: TheWriter, asked: Annotated[Any, Body()] = None
) -> Response:
    """A job; it begins at once where nothing is missing, unless `process` is false. Of nothing comes nothing: 204."""
    if asked is None and content_length(request) and not await request.body():
        raise WrongUse("The body has not come: send it again, without the offer of another protocol (Upgrade).")
    if asked is None or asked == {}:
        return Response(status_code=204)
    if isinstance(asked, list):
        raise RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": "it takes one job"}])
    ((wanted,), _) = several(asked, schemas.NewJob)
    job = await asyncio.to_thread(orders.wanted, wanted, server_of(request))
    return JSONResponse(told(request, await jobs.joined(writer, job)), 201)


@routes.get("/{job_id}")
async def show(job_id: str, request: Request, jobs: TheJobs) -> dict[str, Any]:
    """How it stands."""
    return told(request, await asyncio.to_thread(jobs.shown, job_id))


@routes.patch("/{job_id}", dependencies=WRITES)
async def change(job_id: str, asked: schemas.Terms, request: Request, orders: TheOrders) -> dict[str, Any]:
    """Other terms, before it begins; `process: true` has it begin, and says nothing new of one that has."""
    return told(request, await asyncio.to_thread(orders.changed, job_id, asked))


@routes.delete("/{job_id}", status_code=204, dependencies=WRITES)
async def cancel(job_id: str, orders: TheOrders) -> None:
    """It is canceled, wherever it stands."""
    await asyncio.to_thread(orders.canceled, job_id)


@routes.get("/{job_id}/threads")
async def threads(job_id: str, jobs: TheJobs) -> Response:
    """Who works on it: the chunks that it is encoded in."""

    def found() -> list[dict[str, Any]]:
        shown = jobs.shown(job_id)
        return [mapping.thread(row, shown) for row in jobs.chunks(job_id)]

    return listed(await asyncio.to_thread(found))


@routes.get("/{job_id}/history")
async def history(job_id: str, jobs: TheJobs) -> Response:
    """The changes of its status, oldest first."""
    events = await asyncio.to_thread(jobs.events, job_id)
    return listed(mapping.history(statuses.history(events)))


def _page(jobs: Jobs, only: str | None, status: str | None, page: int) -> tuple[list[Shown], int]:
    """A page, and how many there are in all."""
    if only is not None:
        found = [jobs.shown(only)] if page == 1 else []
        return [shown for shown in found if status in {None, statuses.code_of(shown)}], 1
    wanted = JobFilter(states=None if status is None else statuses.states_of(status))
    if status is not None and not wanted.states:
        return [], 0
    held = status is not None and JobState.HELD in (wanted.states or ())
    shown, count = _sifted(jobs, wanted, str(status), page) if held else jobs.paged(wanted, PAGE, page)
    # What was made of a job is not in lists.
    return [jobs.shown(one.job.id) if one.job.state is JobState.COMPLETED else one for one in shown], count


def _sifted(jobs: Jobs, wanted: JobFilter, status: str, page: int) -> tuple[Sequence[Shown], int]:
    """The same where no query answers it: of a job that is held, its parts tell its status.

    The count is of those up to the page where that is full, and of all others no fewer than there are.
    """
    fitting: list[Shown] = []
    before, cursor = 0, None
    while True:
        walked = jobs.found(wanted, _WALKED, cursor)
        fitting += [one for one in walked.jobs if statuses.code_of(one) == status]
        while len(fitting) > PAGE and before < page - 1:
            before, fitting = before + 1, fitting[PAGE:]
        cursor = walked.next_cursor
        here = fitting[:PAGE] if before == page - 1 else []
        if cursor is None:
            return here, before * PAGE + len(fitting)
        if len(fitting) > PAGE:
            return here, jobs.paged(wanted, 1, 1)[1]
