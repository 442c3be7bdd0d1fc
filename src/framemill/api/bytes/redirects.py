"""Outputs that lie in the farm's bucket: whoever may fetch them is sent there, once the farm's own rules were kept."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import Request, Response
from starlette.responses import RedirectResponse

from framemill.api.bytes.naming import Disposition, content_disposition
from framemill.api.bytes.ranges import NotSatisfiable, fit_range, is_whole
from framemill.services.outputs import OutputFile
from framemill.storage.blobs import Straight
from framemill.storage.content import content_type

LINK_SECONDS = 3600
"""How long whoever was sent there may come back; who may not is stopped by the farm."""
HELD_SECONDS = 60
"""The same where an output has a limit or a password, or takes a token: it is for this once."""


async def sent_on(  # noqa: PLR0917
    request: Request,
    found: OutputFile,
    disposition: Disposition,
    cache_control: str,
    until: datetime,
    counted: Callable[[], None],
) -> Response | None:
    """Send them to the bucket, no longer than their own link lasts (`until`); None: the farm itself answers.

    That is for questions (HEAD, conditions), for playlists, whose relative addresses lead to the farm, and for parts of
    what may be fetched so many times: by a link to a part one gets the whole. A GET of the whole counts as a download.
    """
    bucket, headers = found.bucket, request.headers
    if bucket is None or request.method != "GET" or any(name in headers for name in _CONDITIONS):
        return None
    try:
        whole = is_whole(fit_range(headers["range"], found.size) if "range" in headers else None, found.size)
    except NotSatisfiable:
        return None
    if found.held and not whole:
        return None
    if found.counts and whole:
        await asyncio.to_thread(counted)
    return RedirectResponse(
        await asyncio.to_thread(_link, bucket, found, disposition, cache_control, until),
        status_code=HTTPStatus.TEMPORARY_REDIRECT,
        headers={"Cache-Control": "no-store", "ETag": f'"{found.sha256}"'},
    )


_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")


def _link(bucket: Straight, found: OutputFile, disposition: Disposition, cache_control: str, until: datetime) -> str:
    left = int((until - datetime.now(UTC)).total_seconds())
    return bucket.link(
        found.key,
        max(1, min(HELD_SECONDS if found.held else LINK_SECONDS, left)),
        content_type=content_type(found.path.name),
        disposition=content_disposition(disposition, found.name),
        cache_control=cache_control,
    )
