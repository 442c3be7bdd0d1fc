"""The route that makes a job of each file of a folder."""

import asyncio

from fastapi import APIRouter, Depends

from framemill.api.asked import Parts, TheJobs, TheWriter
from framemill.api.auth import TheCaller, needs
from framemill.api.documented import codes_in, documented
from framemill.api.native import folder_schemas as schemas
from framemill.api.native import mapping
from framemill.api.native.jobs import ASKED_WRONG
from framemill.services import folders

routes = APIRouter(prefix="/jobs", tags=["jobs"], dependencies=[Depends(needs("jobs:read"))])

FOLDER_WRONG = documented(*codes_in(ASKED_WRONG) - {"not_found", "conflict", "unreadable_source"}, "source_unreachable")


@routes.post(
    "/from-folder",
    status_code=201,
    summary="Submit a job for each file of a folder",
    responses=FOLDER_WRONG,
    dependencies=[Depends(needs("jobs:write"))],
)
async def submit_folder(
    asked: schemas.FolderOfJobs, jobs: TheJobs, writer: TheWriter, parts: Parts, caller: TheCaller
) -> schemas.FolderJobs:
    """All of them, or none. What is in the folder is asked now; with an `Idempotency-Key` once, however often this is
    sent. Empty files and those whose names begin with a dot are passed over."""
    request = mapping.folder_request(asked)
    found = await asyncio.to_thread(folders.listed, request, caller, parts.desk_of(caller))
    made = await jobs.joined_all(writer, folders.jobs_of(request, found.files), alike=True)
    data = [mapping.file_job(one, file.size) for one, file in zip(made, found.files, strict=True)]
    return schemas.FolderJobs(data=tuple(data), more=found.more)
