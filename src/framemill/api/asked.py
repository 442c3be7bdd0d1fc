"""What routes are handed: the parts of the application, and the jobs that the caller may see."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request

from framemill.api.auth import TheCaller
from framemill.api.idempotency import TheIds
from framemill.api.parts import ApiParts
from framemill.api.urls import api_url
from framemill.errors import FarmError
from framemill.services.jobs import Jobs
from framemill.store.writer import Writer

PATIENCE_SECONDS = 2.0
"""How long a route waits for the coordinator where it can do without."""


async def _parts(request: Request) -> ApiParts:
    parts: ApiParts = request.app.state.parts
    return parts


Parts = Annotated[ApiParts, Depends(_parts)]


async def _api_url(request: Request, parts: Parts) -> str:
    return api_url(request, parts)


ApiUrl = Annotated[str, Depends(_api_url)]
"""`https://host/v1`, as the client has asked for it: what `Location` begins with."""


async def _jobs(parts: Parts, caller: TheCaller, ids: TheIds) -> Jobs:
    return Jobs(parts.database, parts.nudge, caller=caller, ids=ids, desk=parts.desk_of(caller))


TheJobs = Annotated[Jobs, Depends(_jobs)]


async def _writer(request: Request) -> Writer:
    writer: Writer = request.app.state.writer
    return writer


TheWriter = Annotated[Writer, Depends(_writer)]
"""Writes together what is asked for at once."""


async def live_status(parts: ApiParts) -> tuple[dict[str, Any] | None, str | None]:
    """What the coordinator tells of the farm, or why it tells nothing."""
    return await _answered(parts.farm.status())


async def live_progress(parts: ApiParts, job_id: str) -> tuple[dict[str, Any] | None, str | None]:
    """What the coordinator tells of a job, or why it tells nothing: the store knows most of it."""
    return await _answered(parts.farm.progress(job_id))


async def _answered(asked: Coroutine[Any, Any, dict[str, Any]]) -> tuple[dict[str, Any] | None, str | None]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asked, None
    except FarmError as error:
        return None, error.message
    except TimeoutError:
        return None, f"The coordinator has not answered for {PATIENCE_SECONDS:g} s."
