"""Uploads by PUT: a whole body, or the parts of one."""

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from framemill.api.bytes.asked import TheUploads, UploadId
from framemill.api.bytes.bodies import announced_digests, content_length, in_thread, keep_body
from framemill.jobs.uploads import Upload

routes = APIRouter()


@routes.put("/uploads/{token}")
async def put(request: Request, upload_id: UploadId, uploads: TheUploads) -> dict[str, Any]:
    """The whole of an upload, with a length or in chunks. Sent again it has to be the same; cut off, it never was."""
    _require_plain(request)
    length = content_length(request)
    _, bounds = await asyncio.to_thread(uploads.open_for, upload_id, length)
    expected = announced_digests(request)
    received = await keep_body(request, uploads.draft(upload_id), bounds, expected=expected)
    return told(await in_thread(lambda: uploads.taken(upload_id, received)))


@routes.put("/uploads/{token}/parts/{number}")
async def put_part(
    request: Request, upload_id: UploadId, number: int, uploads: TheUploads, response: Response
) -> dict[str, Any]:
    """A part of an upload; in any order, side by side, and again: the last one of a number counts."""
    _require_plain(request)
    length = content_length(request)
    bounds = await asyncio.to_thread(uploads.open_for_part, upload_id, number, length)
    expected = announced_digests(request)
    received = await keep_body(request, uploads.draft(upload_id, "draft"), bounds, expected=expected)
    part = await in_thread(lambda: uploads.part_taken(upload_id, number, received))
    response.headers["ETag"] = f'"{part.etag}"'
    return {"number": part.number, "etag": part.etag, "size_bytes": part.size}


def told(upload: Upload) -> dict[str, Any]:
    """What the sender of a body is told."""
    return {
        "id": upload.id,
        "state": upload.state.value,
        "size_bytes": upload.size,
        "received_bytes": upload.received,
        "sha256": upload.sha256,
    }


def _require_plain(request: Request) -> None:
    """Neither a piece, which must not be taken for the whole (RFC 9110 §14.5), nor compressed."""
    if "content-range" in request.headers:
        told = "A body with Content-Range is a piece: send parts to their own urls, or use tus."
        raise HTTPException(HTTPStatus.BAD_REQUEST, told)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the file as it is, without a Content-Encoding.")
