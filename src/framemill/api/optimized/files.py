"""The film itself, whole or in ranges."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Depends, Request, Response

from framemill.api.asked import Parts
from framemill.api.auth import needs
from framemill.api.bytes.files import sent
from framemill.api.optimized.asked import TheShelf
from framemill.api.optimized.standing import made_of
from framemill.errors import LinkExpired, NotFound
from framemill.services.outputs import Outputs
from framemill.services.uploads import BEARER

routes = APIRouter(dependencies=[Depends(needs("jobs:read"))])


@routes.get("/download/{job_id}")
@routes.head("/download/{job_id}")
async def download(job_id: str, request: Request, parts: Parts, shelf: TheShelf) -> Response:
    """What came of it. To have fetched it takes nothing away: its client says when it has it."""
    shown = await asyncio.to_thread(shelf.film, job_id)
    made = made_of(shown)
    if made is None:
        raise NotFound("File not found or job not completed")
    outputs = Outputs(parts.database, parts.files, caller=BEARER)
    try:
        found = await asyncio.to_thread(outputs.file, shown.outputs[0].id, made.path)
    except LinkExpired as error:
        raise NotFound(error.message) from None
    # The farm sends it itself: sent elsewhere, clients would take the token of their media server along.
    mine = replace(found, bucket=None, held=True, counts=False)
    until = datetime.now(UTC) + timedelta(days=1)
    answer = await sent(request, mine, made.path, parts, "attachment", until, lambda: None)
    answer.headers["X-File-Size"] = str(made.size)
    answer.headers["X-File-Checksum"] = made.sha256
    return answer
