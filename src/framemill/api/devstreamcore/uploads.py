"""Routes of uploads: announced, sent to the links that these give, and finalized into videos."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from framemill.api.asked import Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.devstreamcore import ids, mapping, schemas, sending
from framemill.api.devstreamcore.asked import DOOR_NAME, MOUNT, TheVideos, told
from framemill.api.door import door_url
from framemill.api.idempotency import TheIds
from framemill.api.urls import base_url
from framemill.services.finalizing import finalized
from framemill.services.uploads import Uploads

routes = APIRouter(prefix="/v1/uploads", dependencies=[Depends(needs("uploads"))])


async def _uploads(parts: Parts, caller: TheCaller, made: TheIds) -> Uploads:
    return Uploads(
        parts.database, parts.files, caller=caller, door=DOOR_NAME, ids=ids.UploadIds(made), nudge=parts.nudge
    )


TheUploads = Annotated[Uploads, Depends(_uploads)]


async def _links(request: Request, parts: Parts) -> sending.Links:
    return sending.Links(parts.seals, base_url(request, parts), parts.files.straight)


TheLinks = Annotated[sending.Links, Depends(_links)]


@routes.post("", status_code=201)
async def create(asked: schemas.NewUpload, uploads: TheUploads, links: TheLinks) -> dict[str, Any]:
    """The answer tells where its bytes are sent to; these links are signed, so whoever has them needs no key."""
    made = await asyncio.to_thread(uploads.created, sending.new_upload(asked))
    return await asyncio.to_thread(sending.created, made, links, asked.part_count)


@routes.get("/{upload_id}")
async def show(upload_id: str, uploads: TheUploads, videos: TheVideos, links: TheLinks) -> dict[str, Any]:
    """How far it is, and where what is missing is sent to."""
    return await asyncio.to_thread(sending.shown, uploads, videos, ids.upload_of(upload_id), links)


@routes.delete("/{upload_id}", status_code=204)
async def give_up(upload_id: str, uploads: TheUploads) -> None:
    """What has come of it is thrown away. Not while it is a video's original: that is deleted with its video."""
    await asyncio.to_thread(uploads.aborted, ids.upload_of(upload_id))


@routes.post("/{upload_id}/parts")
async def part_links(
    upload_id: str, asked: schemas.PartNumbers, uploads: TheUploads, links: TheLinks
) -> dict[str, Any]:
    """Fresh links for those parts."""
    return await asyncio.to_thread(sending.part_links, uploads, ids.upload_of(upload_id), asked.part_numbers, links)


@routes.post("/{upload_id}/finalize", dependencies=[Depends(needs("jobs:write"))])
async def finalize(  # noqa: PLR0917 - FastAPI passes them by name
    upload_id: str, asked: schemas.Finalize, uploads: TheUploads, videos: TheVideos, request: Request, parts: Parts
) -> dict[str, Any]:
    """The video that it becomes, once, however often it is asked for; whatever takes long happens behind the answer."""
    ours, door = ids.upload_of(upload_id), door_url(request, MOUNT)
    shown = await asyncio.to_thread(
        finalized, uploads, videos, ours, mapping.given(asked), lambda whole: mapping.of_upload(whole, asked, door)
    )
    return await told(request, parts, videos, shown)
