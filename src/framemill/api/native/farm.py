"""Routes of the farm as a whole."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends

from framemill.api.asked import Parts, live_status
from framemill.api.auth import TheCaller, needs
from framemill.api.documented import answers, documented
from framemill.api.native import mapping, schemas
from framemill.services.audit import noted
from framemill.services.callers import Caller
from framemill.services.farm import pause, standing

routes = APIRouter(prefix="/farm", tags=["farm"], dependencies=[Depends(needs("farm:read"))])

WRITES = Depends(needs("farm:write"))


@routes.get("", summary="How the farm stands")
async def show(parts: Parts) -> schemas.Farm:
    """What the store knows, and what the coordinator tells, where it answers."""
    reading = asyncio.to_thread(standing, parts.database, datetime.now(UTC))
    known, (live, message) = await asyncio.gather(reading, live_status(parts))
    return mapping.farm(known, live, message)


@routes.post("/pause", summary="Start nothing more", dependencies=[WRITES])
async def pause_farm(parts: Parts, caller: TheCaller) -> schemas.Farm:
    """What runs goes on. The farm stays paused until it is resumed, whatever is restarted meanwhile."""
    await asyncio.to_thread(pause, parts.database, parts.nudge, paused=True)
    await _note(parts, caller, "farm.paused")
    return await show(parts)


@routes.post("/resume", summary="Go on", dependencies=[WRITES])
async def resume_farm(parts: Parts, caller: TheCaller) -> schemas.Farm:
    """Work that waits is started again."""
    await asyncio.to_thread(pause, parts.database, parts.nudge, paused=False)
    await _note(parts, caller, "farm.resumed")
    return await show(parts)


@routes.post(
    "/gc",
    summary="Throw away what nobody needs",
    responses={**answers({"dry_run": False, "files": 12, "bytes": 73_400_320}), **documented("farm_unavailable")},
    dependencies=[WRITES],
)
async def collect(parts: Parts, caller: TheCaller, asked: schemas.CollectAsked | None = None) -> dict[str, Any]:
    """With `dry_run`: only tell what would be."""
    dry_run = asked is not None and asked.dry_run
    found = await parts.farm.gc(dry_run=dry_run)
    if not dry_run:
        await _note(parts, caller, "farm.collected")
    return found


@routes.post(
    "/drain",
    summary="Let what runs come to its end",
    responses={**answers({"running": 0, "drained": True}), **documented("farm_unavailable")},
    dependencies=[WRITES],
)
async def drain(parts: Parts, asked: schemas.DrainAsked | None = None) -> dict[str, Any]:
    """Start nothing more and wait for the chunks that are encoded; jobs go on when the farm does."""
    return await parts.farm.drain((asked or schemas.DrainAsked()).seconds)


async def _note(parts: Parts, caller: Caller, action: str) -> None:
    await asyncio.to_thread(noted, parts.database, caller, action, "farm", now=datetime.now(UTC))
