"""Routes of jobs. SQL runs in threads; deciding is the services'."""

import asyncio
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import StringConstraints

from framemill.api.asked import ApiUrl, Parts, TheJobs, TheWriter, live_progress, live_status
from framemill.api.auth import needs
from framemill.api.documented import CONFLICT, MISSING, answers, documented
from framemill.api.native import mapping, schemas
from framemill.api.strict import Moment
from framemill.errors import NotFound
from framemill.jobs.states import JobState
from framemill.services.jobs import Jobs
from framemill.services.waiting import farm_away
from framemill.store.listing import JobFilter
from framemill.store.queue import WORKING_JOB

routes = APIRouter(prefix="/jobs", tags=["jobs"], dependencies=[Depends(needs("jobs:read"))])

WRITES = Depends(needs("jobs:write"))
CHANGED = {**MISSING, **CONFLICT}
_OUTPUT_WRONG = ("wrong_use", "unknown_setting", "unknown_preset", "invalid_setting", "disk_full")
_INPUT_WRONG = (
    *("not_found", "conflict"),  # of uploads
    *("wrong_use", "source_missing", "source_refused", "unreadable_source", "disk_full"),
)
OUTPUT_WRONG, INPUT_WRONG = documented(*_OUTPUT_WRONG), documented(*_INPUT_WRONG)
"""What is wrong with an output, or an input, that fits its schema."""
ASKED_WRONG = documented(*_OUTPUT_WRONG, *_INPUT_WRONG)
"""And with a job."""

States = Annotated[list[JobState] | None, Query(alias="state", description="Only jobs in one of these states.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Most jobs of a page.")]
Cursor = Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="`next_cursor` of the page before.")]
Prefix = Annotated[str | None, Query(pattern=r"^[0-9a-f-]{1,36}$", description="Only jobs whose ids begin so.")]
Since = Annotated[Moment | None, Query(description="Only jobs that were made after that time (RFC 3339).")]
Until = Annotated[Moment | None, Query(description="Only jobs that were made before that time (RFC 3339).")]
ThroughDoor = Annotated[
    str | None, Query(pattern=r"^[a-z0-9_-]{1,40}$", description="Only jobs of that API: `native`.")
]
Said = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^[^=\x00]{1,200}=[^\x00]{0,1000}$")]],
    Query(alias="metadata", max_length=10, description="Only jobs whose metadata say so: `metadata=user=42`."),
]
Order = Annotated[Literal["newest", "oldest"], Query(description="Which come first.")]


@routes.post("", status_code=201, summary="Submit a job", responses=ASKED_WRONG, dependencies=[WRITES])
async def submit(
    asked: schemas.NewJob, jobs: TheJobs, writer: TheWriter, api: ApiUrl, response: Response
) -> schemas.Job:
    """The job is checked, written and queued, or held; its sources are fetched and read later."""
    made = await jobs.joined(writer, mapping.job_request(asked))
    response.headers["Location"] = f"{api}/jobs/{made.job.id}"
    return mapping.job(made)


@routes.post(
    "/batch", status_code=201, summary="Submit several jobs at once", responses=ASKED_WRONG, dependencies=[WRITES]
)
async def submit_all(asked: schemas.NewJobs, jobs: TheJobs, writer: TheWriter) -> schemas.JobsMade:
    """All of them, or none: where one is wrong, nothing is written, and `param` tells which (`jobs.3.inputs.0.uri`)."""
    made = await jobs.joined_all(writer, [mapping.job_request(one) for one in asked.jobs])
    return schemas.JobsMade(data=tuple(mapping.job(one) for one in made))


@routes.get("", summary="List jobs", responses=documented("invalid_field"))
async def listed(
    jobs: TheJobs,
    *,
    state: States = None,
    created_after: Since = None,
    created_before: Until = None,
    metadata: Said = [],  # noqa: B006 - FastAPI copies it
    door: ThroughDoor = None,
    id: Prefix = None,
    order: Order = "newest",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> schemas.Jobs:
    """What is asked for has to hold altogether; of several states one.

    With `metadata` or `door`, a page may have fewer jobs than `limit`, or none, while `next_cursor` says that there are
    more to be looked at: it ends where `next_cursor` is null.
    """
    wanted = JobFilter(
        states=state,
        id_prefix=id or "",
        created_after=created_after,
        created_before=created_before,
        door=door,
        metadata=dict(one.split("=", 1) for one in metadata),
        oldest_first=order == "oldest",
    )
    return mapping.page(await asyncio.to_thread(jobs.found, wanted, limit, cursor))


@routes.get("/{job_id}", summary="Show a job", responses=MISSING)
async def show(job_id: str, jobs: TheJobs, parts: Parts) -> schemas.Job:
    """With its progress as of now, where the coordinator answers."""
    shown = await asyncio.to_thread(jobs.shown, job_id)
    if shown.job.state not in WORKING_JOB:
        return mapping.job(shown)
    live, silence = await live_progress(parts, job_id)
    return mapping.job(shown if silence is None else replace(shown, waiting=farm_away(silence)), live)


@routes.patch("/{job_id}", summary="Change a job", responses={**CHANGED, **ASKED_WRONG}, dependencies=[WRITES])
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


@routes.get(
    "/{job_id}/report",
    summary="What was proved about a job's outputs",
    responses={**MISSING, **answers({"source": {"uri": "/films/in.mov"}, "outputs": [], "warnings": []})},
)
async def report(job_id: str, jobs: TheJobs) -> dict[str, Any]:
    """404 until there is one."""
    found = (await asyncio.to_thread(jobs.shown, job_id)).job
    if found.report is None:
        raise NotFound(f"Job {job_id} is {found.state}: it has no report yet.")
    return mapping.report(found.report)


@routes.get("/{job_id}/why", summary="Why a job does not move", responses=MISSING)
async def why(job_id: str, jobs: TheJobs, parts: Parts) -> schemas.Why:
    """And what to do about it."""
    _, silence = await live_status(parts)
    return mapping.why(await asyncio.to_thread(jobs.why, job_id, silence))


async def _shown(jobs: Jobs, job_id: str) -> schemas.Job:
    return mapping.job(await asyncio.to_thread(jobs.shown, job_id))
