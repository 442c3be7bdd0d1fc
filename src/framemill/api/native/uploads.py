"""Routes of uploads: how a file is announced, completed and given up. Its bytes go to the links that these give."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from framemill.api.asked import ApiUrl, Parts
from framemill.api.auth import TheCaller, needs
from framemill.api.documented import CONFLICT, MISSING, documented
from framemill.api.idempotency import TheIds
from framemill.api.native import exchange
from framemill.api.native import exchange_schemas as schemas
from framemill.api.urls import base_url
from framemill.services.uploads import GivenPart, NewUpload, ShownUpload, Uploads
from framemill.storage.straight import Links, links_of

routes = APIRouter(prefix="/uploads", tags=["uploads"], dependencies=[Depends(needs("uploads"))])

Limit = Annotated[int, Query(ge=1, le=100, description="Most uploads of a page.")]
Cursor = Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="`next_cursor` of the page before.")]
Id = Annotated[str, Path(max_length=200)]


async def _uploads(parts: Parts, caller: TheCaller, ids: TheIds) -> Uploads:
    return Uploads(parts.database, parts.files, caller=caller, ids=ids, nudge=parts.nudge)


TheUploads = Annotated[Uploads, Depends(_uploads)]


async def _told(shown: ShownUpload, parts: Parts, base: str) -> schemas.Upload:
    """With its links; to sign very many takes a while."""
    bucket = parts.files.straight
    there = Links() if bucket is None else await asyncio.to_thread(links_of, bucket, shown.upload)
    return exchange.upload(shown, parts.seals, base, there)


async def _base(request: Request, parts: Parts) -> str:
    return base_url(request, parts)


Base = Annotated[str, Depends(_base)]


@routes.post("", status_code=201, summary="Announce a file", responses=documented("wrong_use", "too_large"))
async def create(  # noqa: PLR0917 - FastAPI passes them by name
    asked: schemas.NewUpload, uploads: TheUploads, parts: Parts, base: Base, api: ApiUrl, response: Response
) -> schemas.Upload:
    """The answer tells where its bytes are sent to; these links are signed, so whoever has them needs no key.

    As one body: `PUT` to `url`, with a length or in chunks. So that it can be gone on with where it was cut: a tus 1.0
    client with `tus_url` (tus-js-client and Uppy: `uploadUrl`); one that has a key can as well make uploads by itself,
    at `/files/tus`. With `multipart`: each part by `PUT` to its `url`, in any order and side by side; its answer has an
    `ETag`; then `…/complete`. Where the answer says `straight`, `url` and the parts' urls lead straight into the farm's
    bucket: `…/complete` is called in either case then.
    """
    wanted = NewUpload.model_validate({**asked.model_dump(), "straight": True})
    made = await asyncio.to_thread(uploads.created, wanted)
    response.headers["Location"] = f"{api}/uploads/{made.id}"
    return await _told(ShownUpload(made), parts, base)


@routes.get("", summary="List uploads, newest first", responses=documented("invalid_field"))
async def listed(
    uploads: TheUploads, parts: Parts, base: Base, limit: Limit = 50, cursor: Cursor = None
) -> schemas.Uploads:
    """Without their parts."""
    found, next_cursor = await asyncio.to_thread(uploads.listed, limit, cursor)
    told = tuple(exchange.upload(ShownUpload(one), parts.seals, base) for one in found)
    return schemas.Uploads(data=told, next_cursor=next_cursor)


@routes.get("/{upload_id}", summary="Show an upload", responses=MISSING)
async def show(upload_id: Id, uploads: TheUploads, parts: Parts, base: Base) -> schemas.Upload:
    """With the parts that have come, and where those that are missing are sent to."""
    return await _told(await asyncio.to_thread(uploads.shown, upload_id), parts, base)


@routes.post(
    "/{upload_id}/complete",
    summary="Put the parts together",
    responses={**MISSING, **CONFLICT, **documented("wrong_use", "too_large", "disk_full", "link_expired")},
)
async def complete(
    upload_id: Id, uploads: TheUploads, parts: Parts, base: Base, asked: schemas.CompletedParts | None = None
) -> schemas.Upload:
    """In the order of their numbers. Asked once more it answers as before; an upload without parts completes itself."""
    given = [GivenPart.model_validate(one.model_dump()) for one in (asked.parts if asked is not None else ())]
    done = await asyncio.to_thread(uploads.completed, upload_id, given)
    return exchange.upload(ShownUpload(done), parts.seals, base)


@routes.delete("/{upload_id}", status_code=204, summary="Give an upload up", responses={**MISSING, **CONFLICT})
async def abort(upload_id: Id, uploads: TheUploads) -> None:
    """What has come of it is thrown away. Not while it is a video's original, or a job that has not ended needs it."""
    await asyncio.to_thread(uploads.aborted, upload_id)
