"""Whether the API lives, and whether the farm takes jobs. Neither needs a key."""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from framemill.api.asked import Parts, live_status
from framemill.api.documented import answers, documented
from framemill.api.errors import envelope, request_id_of
from framemill.services.farm import standing

routes = APIRouter(tags=["health"])


@routes.get("/healthz", summary="Whether this replica lives", responses=answers({"status": "alive"}))
async def healthz() -> dict[str, str]:
    """200 as long as this replica lives."""
    return {"status": "alive"}


@routes.get(
    "/readyz",
    summary="Whether jobs are taken and run",
    response_model=None,
    responses={**answers({"status": "ready"}), **documented("not_ready")},
)
async def readyz(request: Request, parts: Parts) -> dict[str, str] | Response:
    """200 once jobs can be taken and run: store and coordinator answer, and large bodies find their way."""
    try:
        await asyncio.to_thread(standing, parts.database, datetime.now(UTC))
        status, why = await live_status(parts)
    except SQLAlchemyError:
        status, why = None, "The farm's database does not answer."
    if status is None or status.get("ready") is False:
        told = why or "The farm is not ready yet."
        return envelope(503, "farm", "not_ready", told, request_id=request_id_of(request))
    if why := await asyncio.to_thread(parts.not_fronted):
        return envelope(503, "farm", "not_ready", why, request_id=request_id_of(request))
    return {"status": "ready"}
