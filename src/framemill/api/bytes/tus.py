"""tus 1.0 (https://tus.io/protocols/resumable-upload): a body that is gone on with where it was cut.

With creation, creation-with-upload, creation-defer-length, expiration, checksum and termination. There are two ways
in. Who has a key makes the upload here (`POST /files/tus`), as every tus client does with its `endpoint`. Who has none,
as a browser, is given the `tus_url` of an upload that a server of theirs has made by `POST /v1/uploads`, and goes on
with it at once (tus-js-client and Uppy: `uploadUrl`).
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from datetime import UTC
from email.utils import format_datetime
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException

from framemill.api.auth import TheCaller, needs
from framemill.api.bytes.asked import Parts, TheUploads, UploadId
from framemill.api.bytes.bodies import DigestMismatch, content_length, hexadecimal, in_thread, keep_body
from framemill.api.errors import envelope, request_id_of
from framemill.api.parts import ApiParts
from framemill.api.urls import base_url
from framemill.errors import WrongUse
from framemill.jobs.uploads import Upload, UploadState
from framemill.services.links import MOUNT, upload_token
from framemill.services.uploads import NewUpload, Uploads

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination"
ALGORITHMS = {"sha1": "sha1", "sha256": "sha256", "md5": "md5"}
_BODY_TYPE = "application/offset+octet-stream"
_CHECKSUM_MISMATCH = 460
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


async def _speaks(request: Request, parts: Parts) -> None:
    """Raise `HTTPException` for another version of the protocol, or none."""
    if request.headers.get("tus-resumable") != VERSION:
        told = f"Send Tus-Resumable: {VERSION}; a plain PUT goes to the upload's url."
        raise HTTPException(HTTPStatus.PRECONDITION_FAILED, told, _abilities(parts))


Speaks = Depends(_speaks)
routes = APIRouter()


@routes.options("/tus", status_code=204)
@routes.options("/tus/{token}", status_code=204)
async def ask(parts: Parts) -> Response:
    """What this server can do."""
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=_abilities(parts))


@routes.post("/tus", status_code=201, dependencies=[Speaks, Depends(needs("uploads"))])
async def create(request: Request, parts: Parts, caller: TheCaller) -> Response:
    """Make an upload, and take what comes of it at once. This alone takes a key."""
    length = _length(request)
    if length is None and request.headers.get("upload-defer-length") != "1":
        raise WrongUse("Upload-Length is missing, and so is Upload-Defer-Length: 1.")
    said = _metadata(request.headers.get("upload-metadata", ""))
    uploads = Uploads(parts.database, parts.files, caller=caller, nudge=parts.nudge)
    asked = NewUpload(
        filename=said.get("filename") or said.get("name") or "upload",
        size=length,
        content_type=(said.get("filetype") or said.get("type") or "")[:200] or None,
        metadata={"tus": request.headers.get("upload-metadata", "")},
    )
    upload = await asyncio.to_thread(uploads.created, asked, "tus")
    location = f"{base_url(request, parts)}{MOUNT}/tus/{upload_token(parts.seals, upload.id)}"
    upload = await in_thread(lambda: uploads.settled(upload.id))  # an empty one is there already
    headers = {"Location": location}
    if request.headers.get("content-type", "").lower() == _BODY_TYPE:
        failed = None
        try:
            upload = await _take(request, uploads, upload, 0)
        except DigestMismatch as error:
            failed = _mismatch(request, error, headers)
        if failed is not None:
            return failed
        headers["Upload-Offset"] = str(upload.received)
    return Response(status_code=HTTPStatus.CREATED, headers={**headers, **_expiry(upload), **_TUS})


@routes.head("/tus/{token}", dependencies=[Speaks])
async def how_far(upload_id: UploadId, uploads: TheUploads) -> Response:
    """How much of it has come."""
    upload = await in_thread(lambda: uploads.settled(upload_id))
    come = await asyncio.to_thread(uploads.offset, upload)
    size = {"Upload-Defer-Length": "1"} if upload.size is None else {"Upload-Length": str(upload.size)}
    meta = {"Upload-Metadata": upload.metadata["tus"]} if upload.metadata.get("tus") else {}
    told = {"Upload-Offset": str(come), "Cache-Control": "no-store", **size, **meta, **_expiry(upload), **_TUS}
    return Response(headers=told)


@routes.patch("/tus/{token}", status_code=204, dependencies=[Speaks])
async def go_on(request: Request, upload_id: UploadId, uploads: TheUploads) -> Response:
    """More of it, from the offset on that it has. What has come stays when the connection is cut."""
    if request.headers.get("content-type", "").lower() != _BODY_TYPE:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send Content-Type: {_BODY_TYPE}.")
    offset = _count(request, "upload-offset")
    if offset is None:
        raise WrongUse("Upload-Offset is missing: how many bytes have come before.")
    upload = await asyncio.to_thread(uploads.open_for_more, upload_id)
    try:
        upload = await _take(request, uploads, upload, offset)
    except DigestMismatch as error:
        return _mismatch(request, error, {})
    headers = {"Upload-Offset": str(upload.received), **_expiry(upload), **_TUS}
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


@routes.delete("/tus/{token}", status_code=204, dependencies=[Speaks])
async def terminate(upload_id: UploadId, uploads: TheUploads) -> Response:
    """Give it up."""
    await in_thread(lambda: uploads.aborted(upload_id))
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=_TUS)


@routes.post("/tus/{token}", dependencies=[Speaks])
async def otherwise(request: Request, upload_id: UploadId, uploads: TheUploads) -> Response:
    """For whoever can only POST: what `X-HTTP-Method-Override` says."""
    meant = request.headers.get("x-http-method-override", "").upper()
    if meant == "PATCH":
        return await go_on(request, upload_id, uploads)
    known: dict[str, Callable[[str, Uploads], Awaitable[Response]]] = {"HEAD": how_far, "DELETE": terminate}
    if meant not in known:
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
    return await known[meant](upload_id, uploads)


async def _take(request: Request, uploads: Uploads, upload: Upload, offset: int) -> Upload:
    """Write what comes behind what is there; the upload as it is then."""
    expected = _checksum(request)
    size = _length(request)
    if upload.state is UploadState.COMPLETED and offset == upload.size:
        return upload
    if size is not None and size != upload.size:
        upload = await asyncio.to_thread(uploads.more_taken, upload.id, size)
    bounds = uploads.more_bounds(upload, offset, content_length(request))
    whole = offset == 0
    received = await keep_body(
        request, uploads.growing(upload), bounds, ("sha256",) if whole else (), expected=expected, at=offset
    )
    digest = received.digests["sha256"] if whole else None
    return await in_thread(lambda: uploads.more_taken(upload.id, whole_sha256=digest))


def _abilities(parts: ApiParts) -> dict[str, str]:
    most = parts.files.upload_bytes
    told = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Checksum-Algorithm": ",".join(ALGORITHMS)}
    return {**_TUS, **told, **({} if most is None else {"Tus-Max-Size": str(most)})}


_TUS = {"Tus-Resumable": VERSION}


def _expiry(upload: Upload) -> dict[str, str]:
    if upload.expires_at is None or upload.state is not UploadState.OPEN:
        return {}
    return {"Upload-Expires": format_datetime(upload.expires_at.astimezone(UTC), usegmt=True)}


def _length(request: Request) -> int | None:
    return _count(request, "upload-length")


def _count(request: Request, name: str) -> int | None:
    said = request.headers.get(name)
    if said is not None and not _NUMBER.fullmatch(said):
        raise WrongUse(f"{name.title()}: {said[:40]!r} is no number of bytes.")
    return None if said is None else int(said)


def _checksum(request: Request) -> dict[str, str]:
    said = request.headers.get("upload-checksum")
    if said is None:
        return {}
    name, _, value = said.partition(" ")
    if name.lower() not in ALGORITHMS:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"Upload-Checksum: there are {', '.join(ALGORITHMS)}.")
    return {ALGORITHMS[name.lower()]: hexadecimal(value)}


def _mismatch(request: Request, error: DigestMismatch, headers: dict[str, str]) -> Response:
    told = {**headers, **_TUS}
    code = "checksum_mismatch"
    about = request_id_of(request)
    return envelope(_CHECKSUM_MISMATCH, "invalid_request", code, error.message, request_id=about, headers=told)


def _metadata(said: str) -> dict[str, str]:
    """Of `Upload-Metadata`; what cannot be read is left away."""
    found = {}
    for pair in said.split(","):
        name, _, value = pair.strip().partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found
