"""Routes of a job's inputs and outputs, one by one: what a held job is put together from."""

import asyncio

from fastapi import APIRouter, Depends, Response

from framemill.api.asked import ApiUrl, TheJobs
from framemill.api.auth import needs
from framemill.api.documented import MISSING
from framemill.api.native import mapping, schemas
from framemill.api.native.jobs import CHANGED, INPUT_WRONG, OUTPUT_WRONG, WRITES

routes = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"], dependencies=[Depends(needs("jobs:read"))])

INPUT_EDITED, OUTPUT_EDITED = {**CHANGED, **INPUT_WRONG}, {**CHANGED, **OUTPUT_WRONG}


@routes.get("/inputs", summary="A job's inputs, with all that is known of them", responses=MISSING)
async def inputs(job_id: str, jobs: TheJobs) -> schemas.Inputs:
    """In their order."""
    return mapping.inputs(await asyncio.to_thread(jobs.shown, job_id))


@routes.post("/inputs", status_code=201, summary="Add an input", responses=INPUT_EDITED, dependencies=[WRITES])
async def add_input(
    job_id: str, asked: schemas.NewInput, jobs: TheJobs, api: ApiUrl, response: Response
) -> schemas.ProbedInput:
    """To a job that is held. It is fetched and read at once, before the job is started."""
    made = await asyncio.to_thread(jobs.input_set, job_id, mapping.input_request(asked))
    response.headers["Location"] = f"{api}/jobs/{job_id}/inputs/{made}"
    return mapping.input_of(await asyncio.to_thread(jobs.shown, job_id), made)


@routes.get("/inputs/{input_id}", summary="Show an input", responses=MISSING)
async def show_input(job_id: str, input_id: str, jobs: TheJobs) -> schemas.ProbedInput:
    """With all that is known of it."""
    return mapping.input_of(await asyncio.to_thread(jobs.shown, job_id), input_id)


@routes.patch("/inputs/{input_id}", summary="Change an input", responses=INPUT_EDITED, dependencies=[WRITES])
async def edit_input(job_id: str, input_id: str, asked: schemas.ChangedInput, jobs: TheJobs) -> schemas.ProbedInput:
    """Of a job that is held. With another source it becomes another input, with an `id` of its own."""
    made = await asyncio.to_thread(jobs.input_set, job_id, mapping.input_request(asked, input_id))
    return mapping.input_of(await asyncio.to_thread(jobs.shown, job_id), made)


@routes.delete(
    "/inputs/{input_id}", status_code=204, summary="Remove an input", responses=CHANGED, dependencies=[WRITES]
)
async def remove_input(job_id: str, input_id: str, jobs: TheJobs) -> None:
    """From a job that is held."""
    await asyncio.to_thread(jobs.part_removed, job_id, "inputs", input_id)


@routes.get("/outputs", summary="A job's outputs, with their files", responses=MISSING)
async def outputs(job_id: str, jobs: TheJobs) -> schemas.Outputs:
    """In their order; the files are those of the last attempt."""
    return mapping.outputs(await asyncio.to_thread(jobs.shown, job_id))


@routes.post("/outputs", status_code=201, summary="Add an output", responses=OUTPUT_EDITED, dependencies=[WRITES])
async def add_output(
    job_id: str, asked: schemas.NewOutput, jobs: TheJobs, api: ApiUrl, response: Response
) -> schemas.FiledOutput:
    """To a job that is held."""
    made = await asyncio.to_thread(jobs.output_set, job_id, mapping.output_request(asked))
    response.headers["Location"] = f"{api}/jobs/{job_id}/outputs/{made}"
    return mapping.output_of(await asyncio.to_thread(jobs.shown, job_id), made)


@routes.get("/outputs/{output_id}", summary="Show an output", responses=MISSING)
async def show_output(job_id: str, output_id: str, jobs: TheJobs) -> schemas.FiledOutput:
    """With its files, of the last attempt."""
    return mapping.output_of(await asyncio.to_thread(jobs.shown, job_id), output_id)


@routes.patch("/outputs/{output_id}", summary="Change an output", responses=OUTPUT_EDITED, dependencies=[WRITES])
async def edit_output(job_id: str, output_id: str, asked: schemas.NewOutput, jobs: TheJobs) -> schemas.FiledOutput:
    """Of a job that is held; what is left away stays. Settings are laid over those it has, or over a preset's where
    one is named."""
    await asyncio.to_thread(jobs.output_set, job_id, mapping.output_request(asked, output_id))
    return mapping.output_of(await asyncio.to_thread(jobs.shown, job_id), output_id)


@routes.delete(
    "/outputs/{output_id}", status_code=204, summary="Remove an output", responses=CHANGED, dependencies=[WRITES]
)
async def remove_output(job_id: str, output_id: str, jobs: TheJobs) -> None:
    """From a job that is held."""
    await asyncio.to_thread(jobs.part_removed, job_id, "outputs", output_id)
