"""Outputs as they are fetched: whole, in ranges, or not at all where the client has them already."""

import asyncio
import base64
import binascii
import os
from collections.abc import Callable
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
from framemill.api.bytes.naming import Disposition, content_disposition
from framemill.api.bytes.ranges import NotSatisfiable, fit_range, is_whole
from framemill.api.bytes.redirects import sent_on
from framemill.api.parts import ApiParts
from framemill.api.urls import client_address
from framemill.errors import NotFound, TooLarge
from framemill.services.fileplace import PROXY_WHY
from framemill.services.limits import FailedLogins
from framemill.services.links import output_of, source_of
from framemill.services.originals import original
from framemill.services.outputs import OutputFile, Outputs, PasswordNeeded, in_ranges, looked_at
from framemill.services.playing import still_encoding
from framemill.services.uploads import BEARER
from framemill.storage.content import content_type

routes = APIRouter()

BLOCK_BYTES = 1 << 20
_SEGMENT_SECONDS = 24 * 3600
_ALONE = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
"""Whatever a file holds, a browser that shows it runs nothing of it, and not in the farm's name: media and pictures are
shown, scripts and forms are not."""
ASK = {"WWW-Authenticate": 'Basic realm="this output", charset="UTF-8"'}
"""What a browser is asked that may know the password."""

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
    opened = output_of(parts.seals, token, datetime.now(UTC))
    guesses: FailedLogins = request.app.state.guesses
    outputs = Outputs(parts.database, parts.files, caller=BEARER, playing=still_encoding, guesses=guesses)
    place = client_address(request, parts.trusted_proxies)
    try:
        found = await asyncio.to_thread(outputs.file, opened.id, path, basic_password(request), place, opened.grant)
    except PasswordNeeded as error:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, error.message, ASK) from None
    return await sent(request, found, path, parts, disposition, opened.until, lambda: outputs.counted(opened.id))


@routes.get("/sources/{token}/{name}")
@routes.head("/sources/{token}/{name}")
async def send_source(request: Request, token: str, name: str, parts: Parts, disposition: Kind = "inline") -> Response:
    """The original of a video, under the name that it came with."""
    opened = source_of(parts.seals, token, datetime.now(UTC))
    found = await asyncio.to_thread(original, parts.database, parts.files, opened)
    return await sent(request, found, name, parts, disposition, opened.until, lambda: None)


async def sent(  # noqa: PLR0917
    request: Request,
    found: OutputFile,
    path: str,
    parts: ApiParts,
    disposition: Disposition,
    until: datetime,
    counted: Callable[[], None],
) -> Response:
    """A file, as it is asked for: the whole, a part, or what is known of it.

    `until`: when their link ends; `counted`: what is done for a whole.
    """
    elsewhere = await sent_on(request, found, disposition, _cache_control(found, path), until, counted)
    if elsewhere is not None:
        return elsewhere
    try:
        stat = await asyncio.to_thread(looked_at, parts.files, found, sent=request.method == "GET")
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
        await asyncio.to_thread(counted)
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
        "Content-Security-Policy": _ALONE,
    }
    if found.sha256 is not None:  # RFC 9530
        told["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(found.sha256)).decode()}:"
    return told


def _cache_control(found: OutputFile, path: str) -> str:
    """Segments stay as they are; a playlist may grow, and a file may be made anew: their ETags tell.

    Chromium puts a range together from what it has kept of it and what it asks for anew, and loses some (seen with
    files that hold all segments of a track, and `max-age`): it asks each time. Of such a file that still grows it
    keeps nothing: it would ask for more on the condition that the file has not changed, be given all of it, and Shaka
    Player takes that for the range.
    """
    if found.growing and in_ranges(path):
        return "no-store"
    if found.held:
        return "private, no-cache"
    if found.growing or found.counts or path.endswith((".m3u8", ".mpd")) or in_ranges(path):
        return "no-cache"
    return f"public, max-age={_SEGMENT_SECONDS}"


def basic_password(request: Request) -> str | None:
    """Of Basic credentials, whatever the user's name is."""
    scheme, _, told = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, found, password = base64.b64decode(told.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if found else None
