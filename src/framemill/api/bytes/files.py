"""Outputs as they are fetched: whole, in ranges, or not at all where the client has them already."""

import asyncio
import base64
import binascii
import os
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from framemill.api.bytes.asked import Parts
from framemill.api.bytes.conditions import decided, range_holds
from framemill.api.bytes.naming import Disposition, content_disposition, content_type
from framemill.api.bytes.ranges import NotSatisfiable, fit_range, is_whole
from framemill.errors import NotFound, TooLarge
from framemill.services.fileplace import PROXY_WHY
from framemill.services.links import output_of
from framemill.services.outputs import OutputFile, Outputs, PasswordNeeded
from framemill.services.playing import still_encoding
from framemill.services.uploads import BEARER

routes = APIRouter()

BLOCK_BYTES = 1 << 20
_SEGMENT_SECONDS = 24 * 3600
_ASK = {"WWW-Authenticate": 'Basic realm="this output", charset="UTF-8"'}

Kind = Annotated[Disposition, Query(description="`attachment`: a browser keeps it instead of showing it.")]


class _File(FileResponse):
    """In larger blocks than Starlette's, and the ranges that were decided upon."""

    chunk_size = BLOCK_BYTES
    fitted: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept = [(name, value) for name, value in scope["headers"] if name not in {b"range", b"if-range"}]
        if self.fitted is not None:
            kept.append((b"range", self.fitted.encode()))
        await super().__call__({**scope, "headers": kept}, receive, send)


@routes.get("/outputs/{token}/{path:path}")
@routes.head("/outputs/{token}/{path:path}")
async def send_file(request: Request, token: str, path: str, parts: Parts, disposition: Kind = "inline") -> Response:
    """A file of an output. The token stands in the path, so that a playlist's relative addresses hold it, too.

    A GET that is answered with the whole file counts as a download, where the file is the output or opens it (a
    manifest, the MP4 of a package); HEAD, a part of it, and 304 do not.
    """
    output_id = output_of(parts.seals, token, datetime.now(UTC))
    outputs = Outputs(parts.database, parts.files, caller=BEARER, playing=still_encoding)
    try:
        found = await asyncio.to_thread(outputs.file, output_id, path, _password(request))
    except PasswordNeeded as error:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, error.message, _ASK) from None
    try:
        stat = await asyncio.to_thread(os.stat, found.path)
    except OSError:
        raise NotFound(f"{found.name} is gone.") from None
    headers = _headers(found, path, disposition, stat)
    modified = datetime.fromtimestamp(int(stat.st_mtime), UTC)
    status = decided(request.headers, headers["ETag"], modified)
    if status == HTTPStatus.PRECONDITION_FAILED:
        raise HTTPException(status, f"{found.name} is not the one that you ask for.")
    if status == HTTPStatus.NOT_MODIFIED:
        return Response(status_code=status, headers={name: headers[name] for name in _ALSO_OF_304 if name in headers})
    fitted = None
    most = parts.files.body_bytes
    if (
        request.method == "GET"
        and "range" in request.headers
        and range_holds(request.headers, headers["ETag"], modified)
    ):
        try:
            fitted = fit_range(request.headers["range"], stat.st_size, most)
        except NotSatisfiable:
            raise HTTPException(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                f"{found.name} has {stat.st_size} bytes; there is nothing in it where you ask.",
                {"Content-Range": f"bytes */{stat.st_size}", "Accept-Ranges": "bytes"},
            ) from None
    if request.method == "GET" and most is not None and stat.st_size > most and fitted is None:
        raise TooLarge(f"{found.name} has {stat.st_size} bytes: ask for {most} at a time (Range). {PROXY_WHY}")
    if request.method == "GET" and found.counts and is_whole(fitted, stat.st_size):
        await asyncio.to_thread(outputs.counted, output_id)
    answer = _File(found.path, headers=headers, media_type=content_type(path), stat_result=stat)
    answer.fitted = fitted
    return answer


_ALSO_OF_304 = ("ETag", "Last-Modified", "Cache-Control")


def _headers(found: OutputFile, path: str, disposition: Disposition, stat: os.stat_result) -> dict[str, str]:
    told = {
        "ETag": f'"{found.sha256 or f"{stat.st_mtime_ns:x}-{stat.st_size:x}"}"',
        "Last-Modified": format_datetime(datetime.fromtimestamp(int(stat.st_mtime), UTC), usegmt=True),
        "Cache-Control": _cache_control(found, path),
        "Content-Disposition": content_disposition(disposition, found.name),
        "X-Content-Type-Options": "nosniff",
    }
    if found.sha256 is not None:  # RFC 9530
        told["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(found.sha256)).decode()}:"
    return told


def _cache_control(found: OutputFile, path: str) -> str:
    """Segments stay as they are; a playlist may grow, and a file may be made anew: their ETags tell."""
    if found.held:
        return "private, no-cache"
    if found.growing or found.counts or path.endswith((".m3u8", ".mpd")):
        return "no-cache"
    return f"public, max-age={_SEGMENT_SECONDS}"


def _password(request: Request) -> str | None:
    """Of Basic credentials, whatever the user's name is."""
    scheme, _, told = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, found, password = base64.b64decode(told.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if found else None
