"""The routes by which outputs are fetched: by a link alone, and a password where one is set."""

import asyncio
import base64
import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from framemill.api.asked import Parts
from framemill.api.bytes.files import ASK, basic_password, sent
from framemill.api.bytes.naming import content_disposition
from framemill.api.bytes.ranges import NotSatisfiable, fit_range
from framemill.api.urls import client_address
from framemill.errors import Forbidden, LinkExpired, NotFound
from framemill.services.fileplace import FilePlace
from framemill.services.limits import FailedLogins
from framemill.services.links import lasting_of
from framemill.services.outputs import OutputFile, OutputGone, Outputs, PasswordNeeded, looked_at
from framemill.services.playing import still_encoding
from framemill.services.uploads import BEARER

routes = APIRouter()

PASSWORD_HEADERS = ("x-api2convert-download-password", "x-oc-download-password")
PASSWORD_COOKIE = "x-oc-download-password"  # noqa: S105 - that is its name
_TRIPLES = 3 * (256 << 10)
"""Bytes of a block that is written as base64: it ends where a group of four letters does."""
_FOR_EVER = datetime.max.replace(tzinfo=UTC)
"""When a link ends; its output may before."""

Encoding = Annotated[Literal["base64"] | None, Query()]


@routes.get("/download-file/{job_id}/{token}/{path:path}")
@routes.head("/download-file/{job_id}/{token}/{path:path}")
async def download(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request, job_id: str, token: str, path: str, parts: Parts, encoding: Encoding = None
) -> Response:
    """An output, or a file of a package; whatever follows the token is but a name where it is one file.

    A GET of the whole counts as a download; where there is a limit of these, each GET is one of the whole, whatever
    range it asks for. What was deleted, or whose time is over, is gone (410).
    """
    output_id = lasting_of(parts.seals, token)
    guesses: FailedLogins = request.app.state.guesses
    outputs = Outputs(parts.database, parts.files, caller=BEARER, playing=still_encoding, guesses=guesses)
    place = client_address(request, parts.trusted_proxies)
    try:
        found, left = await asyncio.to_thread(_found, outputs, (job_id, output_id), path, _password(request), place)
    except PasswordNeeded as error:
        told = f"{error.message} Its header here is X-Api2convert-Download-Password."
        raise HTTPException(HTTPStatus.UNAUTHORIZED, told, ASK) from None
    except (LinkExpired, OutputGone) as error:
        raise HTTPException(HTTPStatus.GONE, error.message) from None
    if left is not None and request.method == "GET":
        if left <= 0:
            raise Forbidden("This output was downloaded as often as its owner allows.")
        request = await _in_whole(request, found, parts.files, outputs)
    if encoding is not None:
        return await _as_text(request, found, parts.files, outputs)
    return await sent(
        request, found, found.path.name, parts, "attachment", _FOR_EVER, lambda: outputs.counted(output_id)
    )


def _found(
    outputs: Outputs, ids: tuple[str, str], path: str, password: str | None, place: str
) -> tuple[OutputFile, int | None]:
    """The file that is meant, and how often it may still be downloaded, where there is a limit. It is sent from here:
    some clients do not go where they are sent on to."""
    job_id, output_id = ids
    output = outputs.shown(output_id).owned.output
    if output.job_id != job_id:
        raise NotFound("There is no such output of that job.")
    found = outputs.file(output_id, path if output.settings.folder else None, password, place)
    limited = found.counts and output.download_limit is not None
    left = (output.download_limit or 0) - output.download_count if limited else None
    return replace(found, bucket=None), left


async def _in_whole(request: Request, found: OutputFile, place: FilePlace, outputs: Outputs) -> Request:
    """A GET of what may be downloaded so often: a range of it is passed over, or it would be had in parts for nothing.

    Only what is larger than a proxy lets through goes in parts, and counts with the one that ends it.
    """
    asked = request.headers.get("range", "")
    if place.body_bytes is not None and found.size > place.body_bytes:
        with contextlib.suppress(NotSatisfiable):
            fitted = fit_range(asked, found.size, place.body_bytes) or ""
            if f"-{found.size - 1}," in f"{fitted},":
                await asyncio.to_thread(outputs.counted, found.output_id)
        return request
    kept = [(name, value) for name, value in request.scope["headers"] if name not in {b"range", b"if-range"}]
    return Request({**request.scope, "headers": kept}, request.receive)


def _password(request: Request) -> str | None:
    said = (request.headers.get(name) for name in PASSWORD_HEADERS)
    given = next((one for one in said if one), None) or request.cookies.get(PASSWORD_COOKIE)
    return given or basic_password(request)


async def _as_text(request: Request, found: OutputFile, place: FilePlace, outputs: Outputs) -> Response:
    """In base64, as it is read."""
    whole = request.method == "GET"
    try:
        stat = await asyncio.to_thread(looked_at, place, found, sent=whole)
    except OSError:
        raise NotFound(f"{found.name} is gone.") from None
    headers = {
        "Content-Length": str(-(-stat.st_size // 3) * 4),
        "Content-Disposition": content_disposition("attachment", f"{found.name}.b64"),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if not whole:
        return Response(headers=headers, media_type="text/plain")
    if found.counts:
        await asyncio.to_thread(outputs.counted, found.output_id)
    return StreamingResponse(_blocks(found.path), headers=headers, media_type="text/plain")


def _blocks(path: "os.PathLike[str]") -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(_TRIPLES):
            yield base64.b64encode(block)
