"""Routes of jobs. SQL runs in threads; deciding is the services'."""

import asyncio
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from framemill.api.auth import needs
from framemill.api.errors import CONFLICT, DOCUMENTED, MISSING
from framemill.api.native import mapping, schemas
from framemill.api.native.asked import Parts, TheJobs, live_progress, live_status
from framemill.errors import NotFound
from framemill.jobs.states import JobState
from framemill.services.jobs import Jobs
from framemill.services.waiting import farm_away
from framemill.store.queue import WORKING_JOB

routes = APIRouter(prefix="/jobs", tags=["jobs"], dependencies=[Depends(needs("jobs:read"))], responses=DOCUMENTED)

WRITES = Depends(needs("jobs:write"))
CHANGED = {**MISSING, **CONFLICT}

States = Annotated[list[JobState] | None, Query(alias="state", description="Only jobs in one of these states.")]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="`next_cursor` of the page before.")]
Prefix = Annotated[str | None, Query(pattern=r"^[0-9a-f-]{1,36}$", description="Only jobs whose ids begin so.")]
After = Annotated[int, Query(ge=0, le=2**63 - 1, description="`seq` of the last event that is known.")]


@routes.post("", status_code=201, summary="Submit a job", dependencies=[WRITES])
async def submit(asked: schemas.NewJob, jobs: TheJobs, response: Response) -> schemas.Job:
    """The job is checked, written and queued, or held; its sources are fetched and read later."""
    made = await asyncio.to_thread(jobs.submitted, mapping.job_request(asked))
    response.headers["Location"] = f"/v1/jobs/{made.job.id}"
    return mapping.job(made)


@routes.get("", summary="List jobs, newest first")
async def listed(
    jobs: TheJobs, state: States = None, limit: Limit = 50, cursor: Cursor = None, id: Prefix = None
) -> schemas.Jobs:
    """With `id`, a part of one: the jobs that it may mean, oldest first."""
    if id is not None:
        return mapping.page(await asyncio.to_thread(jobs.beginning_with, id, limit))
    return mapping.page(await asyncio.to_thread(jobs.listed, state, limit, cursor))


@routes.get("/{job_id}", summary="Show a job", responses=MISSING)
async def show(job_id: str, jobs: TheJobs, parts: Parts) -> schemas.Job:
    """With its progress as of now, where the coordinator answers."""
    shown = await asyncio.to_thread(jobs.shown, job_id)
    if shown.job.state not in WORKING_JOB:
        return mapping.job(shown)
    live, silence = await live_progress(parts, job_id)
    return mapping.job(shown if silence is None else replace(shown, waiting=farm_away(silence)), live)


@routes.patch("/{job_id}", summary="Change a job", responses=CHANGED, dependencies=[WRITES])
async def edit(job_id: str, asked: schemas.EditedJob, jobs: TheJobs) -> schemas.Job:
    """Anything while it is held; priority, deadline and metadata at any time."""
    await asyncio.to_thread(jobs.edited, job_id, mapping.job_changes(asked))
    return await _shown(jobs, job_id)


@routes.delete("/{job_id}", status_code=204, summary="Forget a job", responses=CHANGED, dependencies=[WRITES])
async def remove(job_id: str, jobs: TheJobs) -> None:
    """Only one that has ended; what it delivered stays where it is."""
    await asyncio.to_thread(jobs.removed, job_id)


@routes.post("/{job_id}/start", summary="Start a held job", responses=CHANGED, dependencies=[WRITES])
async def start(job_id: str, jobs: TheJobs) -> schemas.Job:
    """It is queued."""
    await asyncio.to_thread(jobs.started, job_id)
    return await _shown(jobs, job_id)


@routes.post("/{job_id}/cancel", summary="Cancel a job", responses=CHANGED, dependencies=[WRITES])
async def cancel(job_id: str, jobs: TheJobs) -> schemas.Job:
    """One that is worked on is `cancelling` until nobody does any more."""
    await asyncio.to_thread(jobs.cancelled, job_id)
    return await _shown(jobs, job_id)


@routes.post("/{job_id}/retry", summary="Try a job again", responses=CHANGED, dependencies=[WRITES])
async def retry(job_id: str, jobs: TheJobs) -> schemas.Job:
    """Under the same id, as a new attempt; what is published stays until the new outputs are verified."""
    await asyncio.to_thread(jobs.retried, job_id)
    return await _shown(jobs, job_id)


@routes.get("/{job_id}/inputs", summary="A job's inputs, with all that is known of them", responses=MISSING)
async def inputs(job_id: str, jobs: TheJobs) -> schemas.Inputs:
    """In their order."""
    return mapping.inputs(await asyncio.to_thread(jobs.shown, job_id))


@routes.get("/{job_id}/outputs", summary="A job's outputs, with their files", responses=MISSING)
async def outputs(job_id: str, jobs: TheJobs) -> schemas.Outputs:
    """In their order; the files are those of the last attempt."""
    return mapping.outputs(await asyncio.to_thread(jobs.shown, job_id))


@routes.get("/{job_id}/report", summary="What was proved about a job's outputs", responses=MISSING)
async def report(job_id: str, jobs: TheJobs) -> dict[str, Any]:
    """404 until there is one."""
    found = (await asyncio.to_thread(jobs.shown, job_id)).job
    if found.report is None:
        raise NotFound(f"Job {job_id} is {found.state}: it has no report yet.")
    return mapping.report(found.report)


@routes.get("/{job_id}/events", summary="What happened to a job, oldest first", responses=MISSING)
async def events(job_id: str, jobs: TheJobs, after: After = 0) -> schemas.Events:
    """Every change of its state."""
    shown = await asyncio.to_thread(jobs.shown, job_id)
    found = await asyncio.to_thread(jobs.events, job_id, after)
    return mapping.events(found, mapping.secrets_in(shown.inputs))


@routes.get("/{job_id}/why", summary="Why a job does not move", responses=MISSING)
async def why(job_id: str, jobs: TheJobs, parts: Parts) -> schemas.Why:
    """And what to do about it."""
    _, silence = await live_status(parts)
    return mapping.why(await asyncio.to_thread(jobs.why, job_id, silence))


async def _shown(jobs: Jobs, job_id: str) -> schemas.Job:
    return mapping.job(await asyncio.to_thread(jobs.shown, job_id))
