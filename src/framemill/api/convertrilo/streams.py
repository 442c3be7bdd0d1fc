"""Routes of sources that come in chunks."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request

from framemill.api.bytes.bodies import announced_digests, content_length, in_thread, keep_body
from framemill.api.convertrilo.asked import TheJobs, TheUploads
from framemill.api.convertrilo.chunks import Chunks
from framemill.api.convertrilo.mapping import upload_key
from framemill.api.convertrilo.schemas import StreamEnd
from framemill.api.convertrilo.scopes import needs
from framemill.api.wire import LARGE
from framemill.services.uploads import GivenPart

routes = APIRouter(prefix="/jobs/{job_id}/stream", dependencies=[Depends(needs("jobs:create"))])


async def _chunks(jobs: TheJobs, uploads: TheUploads) -> Chunks:
    return Chunks(jobs, uploads)


TheChunks = Annotated[Chunks, Depends(_chunks)]


@routes.post("/init")
async def init(job_id: str, chunks: TheChunks) -> dict[str, Any]:
    """The job's source comes in chunks from now on, instead of to `upload.url`."""
    upload_id = await asyncio.to_thread(chunks.begun, job_id)
    return {"ok": True, "uploadId": upload_id, "inputKey": upload_key(upload_id)}


@routes.put("/chunk/{index}")
async def chunk(job_id: str, index: int, request: Request, chunks: TheChunks, uploads: TheUploads) -> dict[str, Any]:
    """Chunks are numbered from 1, and come in any order; the last one of a number counts."""
    request.scope["state"][LARGE] = True
    length = content_length(request)
    upload_id = await asyncio.to_thread(chunks.open, job_id)
    bounds = await asyncio.to_thread(uploads.open_for_part, upload_id, index, length)
    draft = uploads.draft(upload_id, "draft")
    received = await keep_body(request, draft, bounds, expected=announced_digests(request))
    part = await in_thread(lambda: uploads.part_taken(upload_id, index, received))
    return {"ok": True, "PartNumber": part.number, "ETag": f'"{part.etag}"', "size": part.size}


@routes.post("/finalize")
async def finalize(job_id: str, chunks: TheChunks, asked: Annotated[StreamEnd | None, Body()] = None) -> dict[str, Any]:
    """The chunks become the source: those that are named, or all that have come."""
    named = () if asked is None else asked.parts
    given = [GivenPart(number=one.part_number, etag=one.e_tag) for one in named if one.part_number is not None]
    done = await asyncio.to_thread(chunks.finished, job_id, given)
    return {"ok": True, "uploadId": done.id, "inputKey": upload_key(done.id), "size": done.size}


@routes.post("/abort")
async def abort(job_id: str, chunks: TheChunks) -> dict[str, Any]:
    """What has come is thrown away, and `upload.url` is good again; harmless where nothing came."""
    await asyncio.to_thread(chunks.given_up, job_id)
    return {"ok": True, "jobId": job_id}
