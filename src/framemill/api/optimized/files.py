"""The film itself, whole or in ranges."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Depends, Request, Response
from starlette.types import Message, Receive, Scope, Send

from framemill.api.asked import Parts
from framemill.api.auth import KNOWS, needs
from framemill.api.bytes.files import sent
from framemill.api.optimized.asked import TheShelf
from framemill.api.optimized.shelf import FETCHED
from framemill.api.optimized.standing import expiry_of, made_of
from framemill.api.optimized.visitors import holder
from framemill.errors import LinkExpired, NotFound
from framemill.services.outputs import Outputs
from framemill.services.uploads import BEARER


async def _for_holders(request: Request) -> None:
    """What one has begun to fetch, one goes on with: its app gives up a film that it cannot get at once."""
    request.scope.setdefault("state", {})[KNOWS] = holder


routes = APIRouter(dependencies=[Depends(_for_holders), Depends(needs("jobs:read"))])


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
    return Watched(answer, expiry_of(shown), lambda: shelf.fetched(shown))


class Watched(Response):
    """An answer with a film in it, which does not go while it is sent."""

    def __init__(self, answer: Response, until: datetime | None, renew: Callable[[], datetime | None]) -> None:
        """`until`: when its time is over; `renew`: has it stay, and tells until when."""
        super().__init__(status_code=answer.status_code)
        self.raw_headers = answer.raw_headers
        self._answer = answer
        self._until = until
        self._renew = renew

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""

        async def sending(message: Message) -> None:
            near = self._until is not None and self._until - datetime.now(UTC) < FETCHED
            if near and message.get("body"):
                self._until = await asyncio.to_thread(self._renew)
            await send(message)

        await self._answer(scope, receive, sending)
